"""A GenICam camera whose names for rates nobody knows: its frames tell the rate, before the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rheed_mock_gentl import expected_frame

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Command

ReadFrames = Callable[[str], NDArray[np.uint8]]
SMALL = ("--genicam.width", "64", "--genicam.height", "48", "--genicam.exposure-us", "200")
RUN = ("--camera", "genicam", *SMALL, "--json")
FPS = 60.0
UNKNOWN = {
    "MOCK_GENTL_DEVICES": "1",
    "MOCK_GENTL_INITIAL": "AcquisitionFrameRateEnable=0",
    "MOCK_GENTL_MAX_FPS": f"{FPS:g}",
}


@pytest.mark.parametrize(
    "rename",
    [
        "AcquisitionResultingFrameRate=Speed",
        "AcquisitionResultingFrameRate=Speed AcquisitionFrameRateEnable=Hold",
        "AcquisitionResultingFrameRate=Speed AcquisitionFrameRate=Pace",
    ],
)
def test_the_stream_declares_what_the_camera_gives(
    command: Command, read_frames: ReadFrames, rename: str
) -> None:
    process = command.start(*RUN, "--frames", "180", MOCK_GENTL_RENAME=rename, **UNKNOWN)
    report = command.report(process)
    assert report["fps"] == pytest.approx(FPS, rel=1e-4)  # and not 5,000, which the exposure would allow
    assert report["chunk_size"] == pytest.approx(2 * FPS, abs=1)
    assert (report["problems"], report["warnings"], report["frames_pushed"]) == ([], [], 180)
    measured = [event["text"] for event in report["events"] if "frames/s measured over" in event["text"]]
    assert len(measured) == 1, report["events"]
    # The run begins with a frame of its own, and not with those that were measured.
    frames = read_frames(report["output"])
    assert all(np.array_equal(frames[number], expected_frame(number, 64, 48)) for number in (0, 1, 179))


def test_a_camera_that_gives_no_frame_meanwhile_is_asked_for_by_its_rate(command: Command) -> None:
    trigger = ("--genicam.trigger", "line", "--genicam.features.LineGeneratorFrequency=0")
    process = command.start(
        *RUN, *trigger, MOCK_GENTL_RENAME="AcquisitionResultingFrameRate=Speed", **UNKNOWN
    )
    answer: dict[str, Any] = command.report(process, 2)
    assert "cannot tell its frame rate" in answer["error"]
    assert "give --fps" in answer["error"]
