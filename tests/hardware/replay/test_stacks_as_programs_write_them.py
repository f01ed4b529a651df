"""TIFF stacks with thumbnails and dates of their pages, depths that tell nothing, and files not yet whole."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from rheed_acquire import CameraEndedError
from rheed_acquire_growing.kinds import open_growing

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage


def test_smaller_copies_of_pictures_are_no_frames(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(5, 32, 48)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(frames[0, ::4, ::4].copy(), photometric="minisblack", subfiletype=1)
        for frame in frames:
            file.write(frame, photometric="minisblack", contiguous=False)
    np.testing.assert_array_equal(stage.play_all(tmp_path / "a.tif").frames, frames)


def test_each_page_is_dated_by_its_own_date(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(4)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for second, frame in zip((0, 1, 2, 5), frames, strict=True):
            date = datetime(2026, 1, 1, 12, 0, second)  # noqa: DTZ001
            file.write(frame, photometric="minisblack", contiguous=False, metadata=None, datetime=date)
    played = stage.play_all(tmp_path / "a.tif", None)
    assert [(stamp - played.stamps[0]) // 1_000_000 for stamp in played.stamps] == [0, 1000, 2000, 5000]


def test_a_stack_that_is_cut_off_says_how_much_is_missing(tmp_path: Path, stage: Stage) -> None:
    path = tmp_path / "a.tif"
    frames = stage.frames(10, 32, 48)
    tifffile.imwrite(path, frames, photometric="minisblack")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    why = str(stage.refusal(path))
    assert "before its last frame does" in why
    assert "still being written" in why


@pytest.mark.parametrize("skip_bad", [False, True])
def test_pages_that_are_not_there_any_more_are_missing_at_the_end(
    tmp_path: Path, stage: Stage, skip_bad: bool
) -> None:
    path = tmp_path / "a.tif"
    frames = stage.frames(10, 32, 48)
    with tifffile.TiffWriter(path) as file:
        for frame in frames:
            file.write(frame, photometric="minisblack", contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        end = file.pages[7].offset
    path.write_bytes(path.read_bytes()[:end])
    played = stage.play(path, 10.0, skip_bad=skip_bad)
    assert not isinstance(played.fault, CameraEndedError)
    assert "breaks off" in str(played.fault)
    np.testing.assert_array_equal(played.frames, frames[:7])
    assert any("breaks off" in warning for warning in played.info.warnings)


def test_a_header_that_names_all_16_bits_tells_no_depth(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(3, dtype=np.uint16) >> 4
    for number, frame in enumerate(frames):
        pixels = frame.astype(">u2").tobytes()
        (tmp_path / f"f{number}.pgm").write_bytes(b"P5\n9 6\n65535\n" + pixels)
    ome = tmp_path / "ome" / "a.ome.tif"
    ome.parent.mkdir()
    says = {"axes": "TYX", "SignificantBits": 16}
    tifffile.imwrite(ome, frames, metadata=says, photometric="minisblack")
    for path in (tmp_path, ome):
        played = stage.play_all(path)
        assert played.info.pixel_format == "Mono12"
        np.testing.assert_array_equal(played.frames, frames)


@pytest.mark.parametrize(
    ("greatest", "bits"), [(1023, 10), (4095, 12), (300, None), (4000, None), (512, None)]
)
def test_a_greatest_sample_tells_a_depth_only_where_it_is_the_greatest_of_one(
    tmp_path: Path, stage: Stage, greatest: int, bits: int | None
) -> None:
    """By the letter of TIFF 6.0 it is the greatest that is used: perhaps that of a dark first picture."""
    path = tmp_path / "a.tif"
    frames = np.stack([np.full((6, 9), level, np.uint16) for level in (30, 500, greatest)])
    with tifffile.TiffWriter(path) as file:
        for frame in frames:
            tag = (281, 3, 1, greatest, True)
            file.write(frame, photometric="minisblack", contiguous=False, metadata=None, extratags=[tag])
    played = stage.play_all(path)
    followed = open_growing(path, None, None)
    followed.look()
    assert followed.bits == bits
    told = any("MaxSampleValue" in text for _, text in played.info.notes)
    assert told == (bits is not None)
    np.testing.assert_array_equal(played.frames, frames)
