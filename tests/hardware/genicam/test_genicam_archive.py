"""A camera of 12 bits through harvesters, with an archive and a stream at once: both bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from rheed_mock_gentl import expected_frame

from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.frames.gray_frames import make_gray

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Command

FRAMES = 300
SMALL = ("--genicam.serial", "MOCK-0001", "--genicam.width", "64", "--genicam.height", "48")


@pytest.mark.parametrize("pixel_format", ["Mono12", "Mono12p", "BayerRG12p", "BGR8"])
def test_the_archive_has_all_bits_and_the_stream_their_mean_in_eight(
    command: Command, pixel_format: str
) -> None:
    depth = ("--genicam.pixel-format", pixel_format, "--genicam.exposure-us", "50", "--fps", "500")
    turning = ("--rotations-per-min", "10")
    wanted = ("--frames", str(FRAMES), "--stream-average", "5", "--archive", "originals", "--json", *turning)
    process = command.start("--camera", "genicam", *SMALL, *depth, *wanted)
    report = command.report(process)
    assert report["problems"] == []
    assert (report["frames_archived"], report["frames_overrun"]) == (FRAMES, 0)
    archive: Any = zarr.open_group(Path(report["archive"]) / "frames.zarr", mode="r")
    frames = archive["frames"][:]
    expected = np.array([expected_frame(number, 64, 48, pixel_format) for number in range(FRAMES)])
    np.testing.assert_array_equal(frames, expected)
    assert archive["frame_id"][:].tolist() == list(range(FRAMES))
    stream: Any = zarr.open_group(command.folder / report["output"] / "frames.zarr", mode="r")
    means = np.floor(expected.reshape(-1, 5, *expected.shape[1:]).mean(axis=1) + 0.5).astype(expected.dtype)
    gray = np.empty(means.shape[:3], np.uint8)
    make_gray(means, FrameForm(48, 64, pixel_format).unpacked(), gray)
    np.testing.assert_array_equal(stream["frames"][:], gray)
    if pixel_format.startswith("Mono"):
        np.testing.assert_array_equal(gray, means >> 4)
    assert (stream.attrs["fps"], archive.attrs["fps"]) == (100.0, 500.0)
    assert (stream.attrs["rotational_period"], archive.attrs["rotational_period"]) == (600.0, 3000.0)
