"""Recordings as other programs wrote them, each against a decoding of its own or the frames it was made of.

They lie beside the project, where that is checked out with its data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire.frames.pixels import make_converter
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.prepared import PreparedRecording

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

DATA = Path(__file__).parents[4] / "shared" / "data"
RECORDINGS = DATA / "recordings"
LOSSY = {"rotated.mov": 6}
"""By how much a level may differ from what was encoded."""
PARTS = ("ext_data.h5",)
"""What belongs to another recording."""

pytestmark = [
    pytest.mark.usefixtures("stage"),
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="there is no ../shared/data/recordings"),
]


def names() -> list[str]:
    if not RECORDINGS.is_dir():
        return ["(absent)"]
    return sorted(
        file.name for file in RECORDINGS.iterdir() if file.suffix != ".npy" and file.name not in PARTS
    )


def as_stream(recording: PreparedRecording) -> NDArray[np.uint8]:
    """Read all of it, reduced to 8-bit gray as a stream is."""
    frames: list[NDArray[Any]] = [frame for block in recording.blocks(0, None) for frame in block.pixels]
    height, width = recording.shape[:2]
    convert = make_converter(recording.pixel_format, height, width)
    made = np.empty((len(frames), height, width), np.uint8)
    for frame, gray in zip(frames, made, strict=True):
        convert(frame, gray)
    return made


def decoded_otherwise(path: Path) -> NDArray[np.uint8] | None:
    """Decode without this project what has no reference."""
    import h5py
    import tifffile

    if path.name == "gray14in16.tif":
        return np.asarray(tifffile.imread(path) >> 6, np.uint8)
    if path.name in ("nchw.h5", "nhwc1.h5"):
        with h5py.File(path) as file:
            return np.asarray(file["images"][:]).reshape(12, 96, 128)
    if path.suffix == ".imm":
        return ksa_frames(path.read_bytes())
    return None


def ksa_frames(content: bytes) -> NDArray[np.uint8]:
    """Decode blocks of one size: a header of 640 bytes, and 16-bit pixels."""
    width, height = (int.from_bytes(content[at : at + 2], "big") for at in (49, 321))
    bits = int.from_bytes(content[333:335], "big")
    blocks = np.frombuffer(content, np.uint8).reshape(-1, 640 + 2 * width * height)
    pixels = blocks[:, 640:].copy().view("<u2").reshape(-1, height, width)
    return np.asarray(np.minimum(pixels, 2**bits - 1) >> (bits - 8), np.uint8)


@pytest.mark.parametrize("name", names())
def test_each_recording_gives_the_frames_that_it_was_made_of(name: str) -> None:
    path = RECORDINGS / name
    reference = RECORDINGS / f"{name.split('.')[0]}.ref.npy"
    recording = open_recording(path)
    found = as_stream(recording)
    recording.close()
    expected = np.load(reference) if reference.exists() else decoded_otherwise(path)
    if expected is None:
        assert len(found) == {"gaps": 12, "vfr.mov": 60}[name]
        return
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= LOSSY.get(name, 0)


def test_frames_of_a_video_are_dated_one_by_one(stage: Stage) -> None:
    played = stage.play_all(RECORDINGS / "vfr.mov", None)
    true_s = np.load(RECORDINGS / "vfr.times.npy")
    np.testing.assert_allclose((np.array(played.stamps) - played.stamps[0]) / 1e9, true_s, atol=0.03)
    assert played.info.fps == pytest.approx(30, rel=0.02)


def test_numbers_that_jump_in_names_are_told() -> None:
    recording = open_recording(RECORDINGS / "gaps")
    (warning,) = recording.warnings
    assert "frame_00004.jpg to frame_00007.jpg" in warning
    assert "11 frames may be missing" in warning
    assert recording.notes["files"] == "12, frame_00001.jpg to frame_00023.jpg"


@pytest.mark.parametrize("name", ["Image107.img", "rheed_test_image.img"])
def test_a_frame_of_ksa_400_is_decoded_with_its_time_depth_and_exposure(name: str) -> None:
    path = DATA / "ksa" / name
    recording = open_recording(path)
    np.testing.assert_array_equal(as_stream(recording), ksa_frames(path.read_bytes()))
    assert recording.pixel_format == {"Image107.img": "Mono12", "rheed_test_image.img": "Mono14"}[name]
    assert recording.captured_ns is not None
    assert 2017 <= 1970 + recording.captured_ns / 1e9 / 31_556_952 < 2024
    assert recording.notes["exposure"].startswith(
        {"Image107.img": "0.088 s", "rheed_test_image.img": "0.042"}[name]
    )
