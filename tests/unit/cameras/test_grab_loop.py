"""The base class for cameras whose frames are fetched: its bookkeeping, on a device made of a few lines."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rheed_acquire import CameraError, CameraInfo, CameraLostError, DeviceInfo, Frame, GrabLoopCamera
from rheed_acquire.testing.checks import check_camera

LIMIT_S = 20.0


class Device(GrabLoopCamera):
    """Notes each step; `fails` names a step and what it raises."""

    info = CameraInfo(DeviceInfo("device", model="Device"), 4, 2, "Mono8", 1000.0)

    def __init__(self, **fails: BaseException) -> None:
        self.fails = fails
        self.steps: list[str] = []
        self.lent = 0
        self.frame = Frame(np.zeros((2, 4), np.uint8), 0, None)
        self.pause = threading.Event()

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.fails:
            raise self.fails[name]

    def begin_grabbing(self) -> None:
        self._step("begin_grabbing")
        self.frame.id = 0

    def grab(self, timeout_s: float) -> Frame | None:
        assert self.lent == 0
        if self.pause.wait(0.001) and self.pause.wait(timeout_s):
            return None
        assert self.frame.id is not None
        self.frame.id += 1
        if self.frame.id == 3 and "grab" in self.fails:
            raise self.fails["grab"]
        self.frame.pixels = np.full((2, 4), self.frame.id % 256, np.uint8)
        self.lent += 1
        return self.frame

    def release(self, frame: Frame) -> None:
        self.lent -= 1

    def end_grabbing(self) -> None:
        self._step("end_grabbing")

    def disconnect(self) -> None:
        self._step("disconnect")


class Run:
    """Counts callbacks, and lets a test wait for them."""

    def __init__(self, camera: Device) -> None:
        self.camera = camera
        self.frames = 0
        self.faults: list[CameraError] = []
        self.changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        assert self.camera.lent == 1
        with self.changed:
            self.frames += 1
            self.changed.notify_all()

    def on_fault(self, error: CameraError) -> None:
        with self.changed:
            self.faults.append(error)
            self.changed.notify_all()

    def start(self) -> Run:
        self.camera.start(self.on_frame, self.on_fault)
        return self

    def wait_for_frames(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.frames >= count, LIMIT_S)

    def wait_for_fault(self) -> CameraError:
        with self.changed:
            assert self.changed.wait_for(lambda: self.faults, LIMIT_S)
        return self.faults[0]


def test_it_keeps_the_contract() -> None:
    check_camera(Device)


def test_each_step_is_taken_once_and_undone_once_and_each_frame_is_released() -> None:
    with Device() as camera:
        for _ in range(2):
            run = Run(camera).start()
            run.wait_for_frames(3)
            camera.stop()
            camera.stop()
            assert camera.lent == 0
    camera.close()
    assert camera.steps == ["begin_grabbing", "end_grabbing"] * 2 + ["disconnect"]


def test_a_camera_that_never_started_is_only_disconnected() -> None:
    camera = Device()
    camera.stop()
    camera.close()
    assert camera.steps == ["disconnect"]


def test_a_second_start_and_a_start_after_close_are_refused() -> None:
    with Device() as camera:
        run = Run(camera).start()
        with pytest.raises(CameraError, match="Device is already started"):
            run.start()
    with pytest.raises(CameraError, match="Device is closed"):
        run.start()
    assert camera.steps == ["begin_grabbing", "end_grabbing", "disconnect"]


def test_a_device_that_refuses_to_stream_can_be_started_again() -> None:
    with Device(begin_grabbing=CameraError("no bandwidth")) as camera:
        run = Run(camera)
        with pytest.raises(CameraError, match="no bandwidth"):
            run.start()
        camera.fails.clear()
        run.start().wait_for_frames(1)
    assert camera.steps == ["begin_grabbing", "begin_grabbing", "end_grabbing", "disconnect"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CameraLostError("unplugged"), "unplugged"),
        (ZeroDivisionError("by zero"), r"Device could not deliver a frame: ZeroDivisionError: by zero"),
        (SystemExit(3), r"Device could not deliver a frame: SystemExit: 3"),
    ],
)
def test_whatever_ends_the_loop_is_told_as_one_fault(error: BaseException, told: str) -> None:
    with Device(grab=error) as camera:
        run = Run(camera).start()
        fault = run.wait_for_fault()
        assert str(fault) == told
        assert fault is error or fault.__cause__ is error
        camera.report_fault(CameraError("late"))
    assert run.frames == 2
    assert len(run.faults) == 1


def test_a_fault_that_something_else_has_noticed_is_told_but_not_once_the_camera_is_stopped() -> None:
    with Device() as camera:
        camera.report_fault(CameraError("before"))
        run = Run(camera).start()
        run.wait_for_frames(1)
        camera.stop()
        camera.report_fault(CameraError("after"))
        assert run.faults == []
        run.start()
        camera.report_fault(CameraLostError("removed"))
        assert str(run.wait_for_fault()) == "removed"
    assert len(run.faults) == 1


def test_a_device_that_fails_to_stop_is_disconnected_all_the_same() -> None:
    camera = Device(end_grabbing=CameraError("does not answer"))
    Run(camera).start().wait_for_frames(1)
    with pytest.raises(CameraError, match="does not answer"):
        camera.close()
    assert camera.steps == ["begin_grabbing", "end_grabbing", "disconnect"]
    camera.close()


def test_a_callback_may_stop_the_camera_which_then_starts_again() -> None:
    class StopsItself(Run):
        def on_frame(self, frame: Frame) -> None:
            super().on_frame(frame)
            self.camera.stop()
            self.camera.report_fault(CameraError("while it is being stopped"))

    with Device() as camera:
        for _ in range(2):
            run = StopsItself(camera).start()
            run.wait_for_frames(1)
        camera.stop()
        assert (run.frames, run.faults) == (1, [])
        assert camera.steps == ["begin_grabbing", "end_grabbing"] * 2


def test_stop_does_not_wait_for_a_frame() -> None:
    with Device() as camera:
        run = Run(camera).start()
        run.wait_for_frames(1)
        camera.pause.set()
        camera.stop()
        assert "device-grab-loop" not in {thread.name for thread in threading.enumerate()}


def test_several_threads_may_stop_it_at_once() -> None:
    with Device() as camera:
        Run(camera).start().wait_for_frames(1)
        stoppers = [threading.Thread(target=camera.stop) for _ in range(4)]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join(LIMIT_S)
        assert camera.steps == ["begin_grabbing", "end_grabbing"]
