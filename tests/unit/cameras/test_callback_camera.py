"""The base class for cameras whose SDK calls back: what it alone promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.cameras.stepped_devices import CalledBack, Lending, Pooled, Run

from rheed_acquire import CameraError, CameraLostError, Frame


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of the base class outlives its camera."""
    yield
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"device-callbacks", "device-alive"})


def test_nothing_points_into_the_sdks_buffer_once_the_frame_was_taken() -> None:
    with CalledBack() as camera:
        run = Run(camera).start()
        run.wait_for_frames(1)
        camera.stop()
        assert run.kept is not None
        assert run.kept.pixels.size == 0


@pytest.mark.parametrize("kind", [Lending, Pooled])
def test_an_image_that_comes_after_stop_is_given_back_and_not_delivered_not_even_to_the_next_run(
    kind: type[Lending],
) -> None:
    with kind() as camera:
        first = Run(camera).start()
        first.wait_for_frames(1)
        camera.stop()
        late, frames, released = camera.sdk, first.frames, camera.released
        late.bring()
        second = Run(camera).start()
        camera.sdk.silent.set()
        late.bring()
        camera.stop()
        assert first.frames == frames
        assert camera.released == released + 2 + camera.sdk._number
        assert second.frames <= camera.sdk._number


@pytest.mark.parametrize("kind", [Lending, Pooled])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CameraLostError("unplugged"), "unplugged"),
        (ZeroDivisionError("by zero"), r"Device could not deliver a frame: ZeroDivisionError: by zero"),
        (SystemExit(3), r"Device could not deliver a frame: SystemExit: 3"),
    ],
)
def test_whatever_reading_an_image_raises_is_one_fault_and_no_frame_follows(
    kind: type[Lending], error: BaseException, told: str
) -> None:
    with kind(frame=error) as camera:
        run = Run(camera).start()
        fault = run.wait_for_fault()
        assert str(fault) == told
        assert fault is error or fault.__cause__ is error
        for _ in range(3):
            camera.sdk.bring()
        camera.report_fault(CameraError("late"))
        assert camera.read_count == 3
    assert run.frames == 2
    assert len(run.faults) == 1
    assert camera.released == camera.sdk._number


def test_a_frame_that_comes_before_start_has_returned_may_stop_the_camera() -> None:
    class Eager(CalledBack):
        def begin_grabbing(self, deliver: Callable[[Any], None]) -> None:
            super().begin_grabbing(deliver)
            self.sdk.bring()

    class StopsItself(Run):
        def on_frame(self, frame: Frame) -> None:
            super().on_frame(frame)
            self.camera.stop()

    with Eager() as camera:
        run = StopsItself(camera).start()
        assert run.frames == 1
    assert camera.steps == ["begin_grabbing", "end_grabbing", "disconnect"]


class Watched(CalledBack):
    """An SDK that says nothing when its device is gone."""

    alive_poll_s = 0.01
    asked = 0
    is_gone: BaseException | None = None

    def check_alive(self) -> None:
        self.asked += 1
        if self.is_gone is not None:
            raise self.is_gone


@pytest.mark.parametrize("error", [CameraLostError("it does not answer"), OSError("it does not answer")])
def test_a_device_that_falls_silent_is_asked_and_its_loss_told_once(error: BaseException) -> None:
    with Watched() as camera:
        camera.is_gone = error
        run = Run(camera).start()
        run.wait_for_frames(3)
        camera.sdk.silent.set()
        assert "it does not answer" in str(run.wait_for_fault())
    assert len(run.faults) == 1


def test_a_device_that_is_only_silent_is_asked_again_and_goes_on() -> None:
    with Watched() as camera:
        run = Run(camera).start()
        camera.sdk.silent.set()
        with run.changed:
            assert run.changed.wait_for(lambda: False, 0.05) is False
        while camera.asked < 3:
            threading.Event().wait(0.01)
        camera.sdk.silent.clear()
        run.wait_for_frames(run.frames + 3)
        assert run.faults == []


def test_threads_that_the_camera_did_not_announce_wait_for_each_other() -> None:
    class Crowded(CalledBack):
        threads = 4

        def begin_grabbing(self, deliver: Callable[[Any], None]) -> None:
            super().begin_grabbing(deliver)
            self.sdk._lock = _NoLock()  # type: ignore[assignment]

    class Alone(Run):
        inside = 0

        def on_frame(self, frame: Frame) -> None:
            self.inside += 1
            threading.Event().wait(0.002)
            assert self.inside == 1
            self.inside -= 1
            super().on_frame(frame)

    with Crowded() as camera:
        run = Alone(camera).start()
        run.wait_for_frames(20)
    assert run.faults == []


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
