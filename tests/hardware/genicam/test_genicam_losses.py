"""GenICam cameras that go away, and processes that end, on the mock GenTL producer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rheed_mock_gentl import expected_frame

from rheed_acquire import Camera, CameraError, CameraLostError

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Command, Genicam

ReadFrames = Callable[[str], NDArray[np.uint8]]
SMALL = ("--genicam.width", "64", "--genicam.height", "48", "--genicam.exposure-us", "50", "--fps", "500")
RUN = ("--camera", "genicam", *SMALL, "--json")


def reopened(genicam: Genicam) -> Camera:
    """Open the first camera as soon as it is back."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return genicam.open()
        except CameraError:
            assert time.monotonic() < deadline, "the camera never came back"
            time.sleep(0.1)


def test_a_camera_that_is_unplugged_is_a_fault_and_streams_again_when_it_is_back(genicam: Genicam) -> None:
    camera, recorder = genicam.open(features={"FaultReturnAfter": 300}), genicam.recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(20)
    genicam.command(camera, "FaultLoseDevice")
    fault = recorder.wait_for_fault()
    assert isinstance(fault, CameraLostError)
    assert "MOCK-0001" in str(fault)
    camera.stop()
    camera.close()
    assert len(recorder.faults) == 1
    assert genicam.record(reopened(genicam), 10).ids[:2] == [0, 1]


def test_a_camera_that_is_lost_does_not_disturb_another(genicam: Genicam) -> None:
    first, second = genicam.open(features={"FaultReturnAfter": 300}), genicam.open(serial="MOCK-0002")
    one, other = genicam.recorder(), genicam.recorder()
    first.start(one.on_frame, one.on_fault)
    second.start(other.on_frame, other.on_fault)
    one.wait_for_frames(10)
    genicam.command(first, "FaultLoseDevice")
    one.wait_for_fault()
    first.close()
    again = reopened(genicam)
    genicam.record(again, 10)
    other.wait_for_frames(len(other.ids) + 20)
    second.stop()
    assert not other.faults
    assert other.ids == list(range(len(other.ids)))


def test_a_camera_that_is_lost_while_it_is_stopped_cannot_start(genicam: Genicam) -> None:
    camera, recorder = genicam.open(features={"FaultReturnAfter": 100}), genicam.recorder()
    genicam.command(camera, "FaultLoseDevice")
    with pytest.raises(CameraError, match="refuses to stream"):
        camera.start(recorder.on_frame, recorder.on_fault)
    camera.close()
    reopened(genicam)


# Processes


OPEN = """
import threading
from rheed_acquire import CaptureRequest
from rheed_acquire_genicam import GenicamSettings, discover, open_camera
settings = GenicamSettings(serial="MOCK-0001", width=64, height=48, exposure_us=50)
"""


STREAM = """
came = threading.Event()
camera = open_camera(settings, CaptureRequest(fps=2000))
camera.start(lambda frame: came.set(), print)
assert came.wait(20)
"""
REFUSE = """
try:
    open_camera(settings.model_copy(update={"width": 10**6}), CaptureRequest())
except Exception as error:
    assert "Width can be" in str(error)
"""
MISS = """
try:
    open_camera(settings.model_copy(update={"serial": "nobody"}), CaptureRequest())
except Exception as error:
    assert "no GenICam camera" in str(error)
"""
FAIL_TO_START = """
camera = open_camera(settings, CaptureRequest())
camera._connection.stream.close()
try:
    camera.start(print, print)
except Exception as error:
    assert "refuses to stream" in str(error), error
"""
LOSE = STREAM + "camera._connection.node_map.get_node('FaultLoseDevice').execute()"


@pytest.mark.parametrize(
    "program",
    ["camera = open_camera(settings, CaptureRequest())", STREAM, REFUSE, MISS, FAIL_TO_START, LOSE],
    ids=["open", "streaming", "setting refused", "not found", "start fails", "lost"],
)
def test_the_interpreter_ends_without_a_crash_whatever_was_left_open(command: Command, program: str) -> None:
    done = command.program(OPEN + program)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Fatal" not in done.stderr


def check(frames: NDArray[np.uint8], first: int = 0) -> None:
    for number, pixels in enumerate(frames):
        assert np.array_equal(pixels, expected_frame(first + number, 64, 48)), number


def test_the_command_streams_every_frame_of_a_camera(command: Command, read_frames: ReadFrames) -> None:
    report = command.report(command.start(*RUN, "--duration", "3", "--genicam.index", "0"))
    received = report["frames_received"]
    assert received > 500
    assert report["frames_pushed"] == received
    assert report["frames_overrun"] == report["frames_rejected"] == report["frames_dropped_by_camera"] == 0
    frames = read_frames(report["output"])
    assert len(frames) == received
    check(frames)


def test_a_list_of_producers_is_given_by_repeating_the_flag(command: Command, cti: Path) -> None:
    named = ("--genicam.cti", "missing.cti", "--genicam.cti", str(cti))
    process = command.start(
        *RUN, *named, "--genicam.serial", "MOCK-0002", "--frames", "20", GENICAM_GENTL64_PATH=""
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "MOCK-0002" in out
    assert "missing.cti: there is no such file" in err


def test_two_processes_stream_two_cameras_at_once(command: Command, read_frames: ReadFrames) -> None:
    processes = [
        command.start(*RUN, "--fps", "100", "--frames", "300", "--genicam.index", str(index))
        for index in (0, 1)
    ]
    for process in processes:
        report = command.report(process)
        assert report["frames_pushed"] == 300
        check(read_frames(report["output"]))


UNPLUG = """
import gc
from rheed_acquire import hookimpl

@hookimpl
def rheed_chunk_completed(run, chunk):
    from rheed_acquire_genicam.connection import Connection

    if chunk.index == 0:
        (connection,) = [thing for thing in gc.get_objects() if type(thing) is Connection]
        connection.node_map.get_node("FaultLoseDevice").execute()
"""


def test_a_run_goes_on_when_its_camera_comes_back(
    command: Command, read_frames: ReadFrames, distributions_on_disk: Any
) -> None:
    distributions_on_disk.add("unplugger", UNPLUG)
    process = command.start(
        *(*RUN, "--frames", "1800", "--genicam.serial", "MOCK-0001"),
        PYTHONPATH=str(distributions_on_disk.folder),
    )
    out, err = process.communicate(timeout=60)
    assert '"frames_pushed": 1800' in out.replace("'", '"'), err
    report = json.loads(out)
    assert any("away for" in problem["text"] for problem in report["problems"]), report
    frames = read_frames(report["output"])
    assert len(frames) == 1800
    stamps = frames.reshape(1800, -1)[:, :8].copy().view("<u8")[:, 0]
    steps = np.diff(stamps.astype(np.int64))
    (restart,) = np.flatnonzero(steps < 0) + 1
    for stamp, frame in zip(stamps, frames, strict=True):
        check(frame[None], first=int(stamp))
    # On a busy computer its driver may have had no buffer now and then, which is told.
    missing = int((np.delete(steps, restart - 1) - 1).sum() + stamps[0] + stamps[restart])
    assert missing <= report["frames_dropped_by_camera"]
