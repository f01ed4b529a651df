"""Frames as files that other programs open."""

from __future__ import annotations

import csv
import re
import sys
import threading
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.unit.run_report.conftest import FPS, START_MS, MakeRecording

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.marks import Mark, append_mark
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.regions.regions import Region
from rheed_acquire.run_report.export import export, parse_frames

RNG = np.random.default_rng(2)
FRAMES = RNG.integers(0, 256, (50, 31, 45), np.uint8)
SPOT = Region(name="spot", x=3, y=5, width=10, height=12)
BOUND = st.none() | st.integers(-70, 70)


@given(BOUND, BOUND)
def test_frames_are_chosen_as_in_python(first: int | None, last: int | None) -> None:
    text = f"{'' if first is None else first}:{'' if last is None else last}"
    expected = range(50)[first:last]
    if expected:
        assert parse_frames(text, 50) == expected
    else:
        with pytest.raises(SettingsError, match="chooses none of the recording's 50 frames"):
            parse_frames(text, 50)


@given(st.integers(-50, 49))
def test_one_number_is_one_frame(number: int) -> None:
    assert list(parse_frames(str(number), 50)) == [number % 50]


@pytest.mark.parametrize("text", ["", "a", "1:2:3", "1.5", "3-7", "50", "-51", "9:3"])
def test_what_is_no_choice_of_frames_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=f"^--frames {re.escape(text)}"):
        parse_frames(text, 50)


def test_a_png_holds_one_frame_as_it_was_recorded(make_recording: MakeRecording, tmp_path: Path) -> None:
    (file,) = export(RecordedRun(make_recording(FRAMES)), tmp_path / "one.PNG", range(21, 22))
    assert np.array_equal(np.asarray(Image.open(file)), FRAMES[21])


def test_several_pngs_are_numbered_by_their_frames(make_recording: MakeRecording, tmp_path: Path) -> None:
    files = export(RecordedRun(make_recording(FRAMES)), tmp_path / "a.png", range(18, 50, 10))
    assert [file.name for file in files] == ["a-000018.png", "a-000028.png", "a-000038.png", "a-000048.png"]
    assert np.array_equal(np.asarray(Image.open(files[1])), FRAMES[28])


def test_a_tiff_stack_holds_the_frames_as_they_were_recorded(
    make_recording: MakeRecording, tmp_path: Path
) -> None:
    (file,) = export(RecordedRun(make_recording(FRAMES)), tmp_path / "stack.tif", range(3, 50, 2))
    with tifffile.TiffFile(file) as stack:
        assert np.array_equal(stack.asarray(), FRAMES[3:50:2])
        assert len(stack.pages) == 24
        assert stack.series[0].axes == "TYX"


def test_a_tiff_stack_carries_its_rate_and_the_time_of_each_frame(
    make_recording: MakeRecording, tmp_path: Path
) -> None:
    recording = RecordedRun(make_recording(FRAMES))
    (file,) = export(recording, tmp_path / "stack.tif", range(4, 50, 2))
    with tifffile.TiffFile(file) as stack:
        (told,) = stack.shaped_metadata or ()
    assert told["fps"] == FPS / 2
    assert told["finterval"] == pytest.approx(2 / FPS)
    assert told["time_unix_ms"] == recording.time_unix_ms()[4:50:2].tolist()


def test_traces_are_a_table_with_every_frame_of_every_region(
    make_recording: MakeRecording, tmp_path: Path
) -> None:
    recording = RecordedRun(make_recording(FRAMES))
    regions = [
        Region(name="spot", x=3, y=5, width=10, height=12),
        Region(name="other", x=20, y=0, width=4, height=4),
    ]
    done: list[int] = []
    (file,) = export(recording, tmp_path / "traces.csv", range(0, 50, 3), regions, done.append)
    with file.open(newline="", encoding="utf-8") as content:
        rows = list(csv.DictReader(content))
    assert [int(row["frame"]) for row in rows] == list(range(0, 50, 3))
    assert sum(done) == len(rows)
    times_ms = recording.time_unix_ms()
    for row in rows:
        number = int(row["frame"])
        assert float(row["time_unix_ms"]) == pytest.approx(times_ms[number], abs=1e-3)
        assert float(row["seconds"]) == pytest.approx((times_ms[number] - times_ms[0]) / 1e3, abs=1e-6)
        assert datetime.fromisoformat(row["time_utc"]).timestamp() == pytest.approx(
            times_ms[number] / 1e3, abs=1e-5
        )
        for region in regions:
            pixels = FRAMES[(number, *region.box)]
            assert float(row[f"{region.name} mean"]) == pytest.approx(pixels.mean(), abs=1e-3)
            assert int(row[f"{region.name} max"]) == pixels.max()


def test_traces_without_a_region_say_how_to_get_one(make_recording: MakeRecording, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has no region of interest"):
        export(RecordedRun(make_recording(FRAMES)), tmp_path / "traces.csv", range(50))
    assert not list(tmp_path.glob("*traces*"))


def test_an_export_that_is_interrupted_leaves_what_was_there(
    make_recording: MakeRecording, tmp_path: Path
) -> None:
    def interrupt(frames: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.tif").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        export(RecordedRun(make_recording(FRAMES)), tmp_path / "a.tif", range(50), (), interrupt)
    assert [(file.name, file.read_bytes()) for file in tmp_path.glob("*a*.tif")] == [("a.tif", b"before")]


def test_a_clip_holds_every_frame_at_the_streams_rate(make_recording: MakeRecording, tmp_path: Path) -> None:
    levels = np.arange(50, dtype=np.uint8) * 4 + 20
    frames = np.broadcast_to(levels[:, None, None], FRAMES.shape)
    (file,) = export(RecordedRun(make_recording(frames)), tmp_path / "clip.mp4", range(0, 50, 2))
    with av.open(file) as container:
        stream = container.streams.video[0]
        decoded = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
        assert stream.average_rate == FPS / 2
    assert [round(float(picture.mean())) for picture in decoded] == pytest.approx(levels[::2].tolist(), abs=3)
    assert decoded[0].shape == (32, 46), "H.264 needs even sides"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("a.gif", r"one of \.png, \.tif, \.tiff, \.mp4, \.csv, not \.gif"),
        ("a", "not none"),
        ("no/such/a.png", "no directory"),
    ],
)
def test_a_target_that_cannot_be_written_is_named(
    make_recording: MakeRecording, tmp_path: Path, target: str, reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        export(RecordedRun(make_recording(FRAMES)), tmp_path / target, range(3))


@pytest.mark.parametrize("name", ["half.tif", "half.mp4"])
def test_an_export_that_fails_leaves_no_half_file(
    make_recording: MakeRecording, tmp_path: Path, name: str
) -> None:
    folder = make_recording(FRAMES)
    shard = folder / "frames.zarr" / "frames" / "c" / "2" / "0" / "0"
    shard.write_bytes(b"damaged")
    with pytest.raises(RheedAcquireError, match="cannot be read"):
        export(RecordedRun(folder), tmp_path / name, range(50))
    assert not (tmp_path / name).exists()


def test_a_table_of_a_marked_run_has_each_mark_beside_the_frame_it_fell_on(
    make_recording: MakeRecording, tmp_path: Path
) -> None:
    folder = make_recording(FRAMES, closed=False)
    told = {
        -500.0: "before the first frame",
        0.0: "on it",
        1249.0: "shutter open",  # frame 12 is there from 1200 ms on
        1299.9: "growth begins",
        60_000.0: "after the last",
    }
    for since_ms, text in told.items():
        append_mark(folder, Mark(START_MS + since_ms, text))
    append_mark(folder, Mark(START_MS + 1300.0, "substrate", 650.0, "K"))
    recording = RecordedRun(folder)

    def marked(chosen: range) -> dict[int, str]:
        (file,) = export(recording, tmp_path / "traces.csv", chosen, [SPOT])
        with file.open(newline="", encoding="utf-8") as content:
            return {int(row["frame"]): row["mark"] for row in csv.DictReader(content) if row["mark"]}

    last = len(FRAMES) - 1
    assert marked(range(len(FRAMES))) == {
        0: "before the first frame; on it",
        12: "shutter open; growth begins",
        13: "substrate = 650 K",
        last: "after the last",
    }
    assert marked(range(10, 13)) == {12: "shutter open; growth begins"}
    assert marked(range(0, 20, 5)) == {
        0: "before the first frame; on it",
        10: "shutter open; growth begins; substrate = 650 K",
    }


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere an open file can be replaced")
def test_a_program_that_looks_at_the_file_for_a_moment_does_not_keep_it_from_being_replaced(
    make_recording: MakeRecording, tmp_path: Path
) -> None:
    target = tmp_path / "one.png"
    target.write_bytes(b"before")
    looking = target.open("rb")
    threading.Timer(0.3, looking.close).start()
    export(RecordedRun(make_recording(FRAMES)), target, range(21, 22))
    assert np.array_equal(np.asarray(Image.open(target)), FRAMES[21])
    assert list(tmp_path.glob(".one*")) == []
