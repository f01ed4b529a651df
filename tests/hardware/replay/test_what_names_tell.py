"""What the names of a folder's pictures say is used: their order, their times, and which are missing."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.hardware.replay.smooth_pictures import pictures, read

from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.names import in_order

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

pytestmark = pytest.mark.usefixtures("stage")


@pytest.mark.parametrize(
    "names",
    [
        ["2023-12-31 23-59-59", "2024-01-02 09-00-00", "2024-01-02 10-11-12"],
        ["31-12-2023_235959", "02-01-2024_101112"],
        ["30 Dec 2023", "5 Jan 2024", "4 Feb 2024"],
        ["growth_Jan_01", "growth_Feb_02", "growth_Apr_01"],
        ["05-JAN-2024", "17-Feb-2024", "01-mar-2024", "01-DEC-2024"],
        ["5. Januar 2024", "17. Februar 2024", "1. M\xe4rz 2024", "2. Mai 2024", "5. Dezember 2024"],
        ["5 janvier 2024", "17 f\xe9vrier 2024", "1 mars 2024", "3 juillet 2024", "2 ao\xfbt 2024"],
        ["30 Jan 2024", "1 Ma\u0308rz 2024"],
        ["Probe_Okt_1", "Probe_Dez_1"],
        ["t=1,5", "t=2,25", "t=2,5", "t=10,0"],
        ["img_t001_z000", "img_t001_z001", "img_t002_z000", "img_t010_z000"],
        ["growth_2024-01-05_9", "growth_2024-01-05_10", "growth_2024-01-06_1"],
        ["img-10C", "img-5C", "img0C", "img10C", "img100C"],
        ["img", "img (1)", "img (2)", "img (10)"],
        ["2024-01-02 11-05-00 AM", "2024-01-02 01-05-00 PM"],
        ["img_20240102101112045", "img_20240102101112345"],
        ["t=0.25", "t=0.5", "t=2", "t=10.0"],
        ["run1.1", "run1.9", "run1.10"],
        ["phi-10", "phi-5", "phi0", "phi5"],
        ["f_-10", "f_-5", "f_3"],
        ["frame-1", "frame-9", "frame-10"],
        ["a02", "a2", "a2-1", "a10"],
        ["9", "10"],
    ],
)
def test_names_are_ordered_by_what_they_mean(names: list[str]) -> None:
    for given_order in (names, names[::-1], sorted(names)):
        found = in_order(Path(f"{name}.png") for name in given_order)
        assert [file.stem for file in found.files] == names


def test_a_pause_between_times_in_names_is_no_number_that_is_missing() -> None:
    seconds = (0, 1, 2, 3, 40, 41)
    found = in_order(Path(f"2024-01-05 10-00-{second:02d}.png") for second in seconds)
    assert found.moments is not None
    assert found.jumps == ()


@pytest.mark.parametrize(
    "names",
    [
        ("img-10C", "img-5C", "img0C", "img5C", "img100C"),
        ("T300 K", "T301 K", "T302 K", "T400 K"),
        ("bias_-2", "bias_-1", "bias_0", "bias_5"),
        ("0001_20degC", "0002_21degC", "0003_22degC", "0004_90degC"),
        ("GaN 1 nm", "GaN 2 nm", "GaN 3 nm", "GaN 10 nm"),
    ],
)
def test_numbers_that_were_measured_count_nothing_that_could_be_missing(
    tmp_path: Path, stage: Stage, names: tuple[str, ...]
) -> None:
    from PIL import Image

    for number, name in enumerate(names):
        Image.fromarray(np.full((6, 9), number, np.uint8)).save(tmp_path / f"{name}.png")
    recording = open_recording(tmp_path)
    assert recording.warnings == []
    np.testing.assert_array_equal(read(recording)[:, 0, 0], np.arange(len(names)))


def test_a_counter_beside_a_measured_number_still_tells_what_is_missing() -> None:
    names = ("0001_20C", "0002_20C", "0003_90C", "0005_91C")
    (jump,) = in_order(Path(f"{name}.png") for name in names).jumps
    assert [file.stem for file in jump[:2]] == ["0003_90C", "0005_91C"]


def test_times_in_names_are_those_of_the_frames(tmp_path: Path, stage: Stage) -> None:
    from PIL import Image

    for number, name in enumerate(("20260101_120000_000", "20260101_120000_250", "20260101_120001_000")):
        Image.fromarray(stage.frames(3)[number]).save(tmp_path / f"{name}.png")
    played = stage.play_all(tmp_path, None)
    began = datetime(2026, 1, 1, 12).astimezone().timestamp()
    np.testing.assert_allclose(np.array(played.stamps) / 1e9 - began, [0, 0.25, 1.0], atol=1e-6)
    assert played.info.captured_unix_ns == round(began * 1e9)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows changes its zone for all programs only")
@pytest.mark.parametrize(
    ("spelled", "hour"),
    [
        ("2026-01-01T03-00-0{}Z", 3),
        ("20260101_03000{}.000Z_a", 3),
        ("20260101 03000{} UTC", 3),
        ("2026-01-01T03-00-0{}_Zn", -6),
        ("2026-01-01T03-00-0{}", -6),
    ],
)
def test_a_name_that_says_utc_is_not_taken_for_local_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str, hour: int
) -> None:
    from PIL import Image

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for number in range(3):
            Image.fromarray(pictures(1)[0]).save(tmp_path / f"{spelled.format(number)}.png")
        recording = open_recording(tmp_path)
        recording.close()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert recording.captured_ns == (1_767_225_600 + 3600 * hour) * 10**9
    assert ("local time" in recording.notes["times"]) == (hour < 0)
