"""What both base classes promise, whether frames are fetched or an SDK brings them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.unit.cameras.stepped_devices import (
    LIMIT_S,
    CalledBack,
    Fetched,
    Lending,
    Pooled,
    Run,
    SteppedDevice,
)

from rheed_acquire import CameraError, CameraLostError, Frame
from rheed_acquire.testing.checks import check_camera

Kind = type[SteppedDevice]
of_every_kind = pytest.mark.parametrize("kind", [Fetched, CalledBack, Lending, Pooled])


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of the base classes outlives its camera."""
    yield
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"device-grab-loop", "device-callbacks", "device-alive"})


@of_every_kind
def test_it_keeps_the_contract(kind: Kind) -> None:
    check_camera(kind)


@of_every_kind
def test_each_step_is_taken_once_and_undone_once_and_each_buffer_given_back(kind: Kind) -> None:
    with kind() as camera:
        for _ in range(2):
            run = Run(camera).start()
            run.wait_for_frames(3)
            camera.stop()
            camera.stop()
            assert camera.outstanding == 0
            assert len(run.threads) == 1 or kind is CalledBack
    camera.close()
    assert camera.steps == ["begin_grabbing", "end_grabbing"] * 2 + ["disconnect"]


@of_every_kind
def test_a_camera_that_never_started_is_only_disconnected(kind: Kind) -> None:
    camera = kind()
    camera.stop()
    camera.close()
    assert camera.steps == ["disconnect"]


@of_every_kind
def test_a_second_start_and_a_start_after_close_are_refused(kind: Kind) -> None:
    with kind() as camera:
        run = Run(camera).start()
        with pytest.raises(CameraError, match="Device is already started"):
            run.start()
    with pytest.raises(CameraError, match="Device is closed"):
        run.start()
    assert camera.steps == ["begin_grabbing", "end_grabbing", "disconnect"]


@of_every_kind
def test_a_device_that_refuses_to_stream_can_be_started_again(kind: Kind) -> None:
    with kind(begin_grabbing=CameraError("no bandwidth")) as camera:
        run = Run(camera)
        with pytest.raises(CameraError, match="no bandwidth"):
            run.start()
        camera.fails.clear()
        run.start().wait_for_frames(1)
    assert camera.steps == ["begin_grabbing", "begin_grabbing", "end_grabbing", "disconnect"]


@of_every_kind
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CameraLostError("unplugged"), "unplugged"),
        (ZeroDivisionError("by zero"), r"Device could not deliver a frame: ZeroDivisionError: by zero"),
        (SystemExit(3), r"Device could not deliver a frame: SystemExit: 3"),
    ],
)
def test_whatever_a_frame_raises_is_one_fault_and_no_frame_follows(
    kind: Kind, error: BaseException, told: str
) -> None:
    with kind(frame=error) as camera:
        run = Run(camera).start()
        fault = run.wait_for_fault()
        assert str(fault) == told
        assert fault is error or fault.__cause__ is error
        camera.report_fault(CameraError("late"))
    assert run.frames == 2
    assert len(run.faults) == 1


@of_every_kind
def test_a_fault_that_is_noticed_elsewhere_is_told_but_not_once_the_camera_is_stopped(kind: Kind) -> None:
    with kind() as camera:
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


@of_every_kind
def test_a_device_that_fails_to_stop_is_disconnected_all_the_same(kind: Kind) -> None:
    camera = kind(end_grabbing=CameraError("does not answer"))
    Run(camera).start().wait_for_frames(1)
    with pytest.raises(CameraError, match="does not answer"):
        camera.close()
    assert camera.steps == ["begin_grabbing", "end_grabbing", "disconnect"]
    camera.close()


@of_every_kind
def test_a_callback_may_stop_the_camera_which_then_starts_again(kind: Kind) -> None:
    class StopsItself(Run):
        def on_frame(self, frame: Frame) -> None:
            super().on_frame(frame)
            self.camera.stop()
            self.camera.report_fault(CameraError("while it is being stopped"))

    with kind() as camera:
        for _ in range(2):
            run = StopsItself(camera).start()
            run.wait_for_frames(1)
        camera.stop()
        assert (run.frames, run.faults) == (1, [])
        assert camera.steps == ["begin_grabbing", "end_grabbing"] * 2


@of_every_kind
def test_several_threads_may_stop_it_at_once(kind: Kind) -> None:
    with kind() as camera:
        Run(camera).start().wait_for_frames(1)
        stoppers = [threading.Thread(target=camera.stop) for _ in range(4)]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join(LIMIT_S)
        assert camera.steps == ["begin_grabbing", "end_grabbing"]
