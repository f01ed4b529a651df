"""The base class for cameras whose SDK calls back, on an SDK made of a few lines that does what SDKs do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire import CallbackCamera, CameraError, CameraInfo, CameraLostError, DeviceInfo, Frame
from rheed_acquire.testing.checks import check_camera

LIMIT_S = 20.0
Image = NDArray[np.uint8]


class Sdk:
    """Calls a function for each image, from as many threads as it likes."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        self._ended, self.silent = threading.Event(), threading.Event()
        self._lock, self._number = threading.Lock(), 0
        self.call: Callable[[Image], None] = lambda image: None

    def start(self, call: Callable[[Image], None]) -> None:
        self.call = call
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.001):
            if not self.silent.is_set():
                self.bring()

    def bring(self) -> None:
        with self._lock:  # as an SDK has that brings its images in order
            self._number += 1
            self.call(np.full((2, 4), self._number % 256, np.uint8))

    def stop(self) -> None:
        """Return when no thread is calling any more."""
        self._ended.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(LIMIT_S)
                assert not thread.is_alive()


class Device(CallbackCamera):
    """Notes each step; `fails` names a step and what it raises."""

    info = CameraInfo(DeviceInfo("device", model="Device"), 4, 2, "Mono8", 1000.0)
    threads = 1

    def __init__(self, **fails: BaseException) -> None:
        self.fails = fails
        self.steps: list[str] = []
        self.released = self.read_count = 0
        self.sdk = Sdk()

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.fails:
            raise self.fails[name]

    def begin_grabbing(self, deliver: Callable[[Any], None]) -> None:
        self._step("begin_grabbing")
        self.sdk = Sdk(self.threads)
        self.sdk.start(deliver)

    def read(self, image: Image) -> Frame | None:
        self.read_count += 1
        if image[0, 0] == 3 and "read" in self.fails:
            raise self.fails["read"]
        return Frame(image, None, None)

    def end_grabbing(self) -> None:
        self.sdk.stop()
        self._step("end_grabbing")

    def disconnect(self) -> None:
        self._step("disconnect")


class Lending(Device):
    """An SDK that wants each image back."""

    def release(self, image: Image) -> None:
        self.released += 1


class Pooled(Lending):
    """An SDK with a pool of threads."""

    threads = 3
    from_several_threads = True


class Run:
    """Counts callbacks, and lets a test wait for them."""

    def __init__(self, camera: Device) -> None:
        self.camera = camera
        self.frames = 0
        self.kept: Frame | None = None
        self.threads: set[threading.Thread] = set()
        self.faults: list[CameraError] = []
        self.changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        with self.changed:
            self.threads.add(threading.current_thread())
            self.kept = frame
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


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of the base class outlives its camera."""
    yield
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"device-callbacks", "device-alive"})


@pytest.mark.parametrize("kind", [Device, Lending, Pooled])
def test_it_keeps_the_contract(kind: type[Device]) -> None:
    check_camera(kind)


@pytest.mark.parametrize("kind", [Lending, Pooled])
def test_each_step_is_taken_once_and_undone_once_and_each_image_is_released(kind: type[Lending]) -> None:
    brought = 0
    with kind() as camera:
        for _ in range(2):
            run = Run(camera).start()
            run.wait_for_frames(3)
            camera.stop()
            camera.stop()
            brought += camera.sdk._number
            assert camera.released == brought
            assert len(run.threads) == 1
    camera.close()
    assert camera.steps == ["begin_grabbing", "end_grabbing"] * 2 + ["disconnect"]


def test_nothing_points_into_the_sdks_buffer_once_the_frame_was_taken() -> None:
    with Device() as camera:
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
    with kind(read=error) as camera:
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


def test_a_fault_that_the_sdk_tells_is_told_but_not_once_the_camera_is_stopped() -> None:
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


def test_a_device_that_refuses_to_stream_can_be_started_again() -> None:
    for kind in (Device, Pooled):
        with kind(begin_grabbing=CameraError("no bandwidth")) as camera:
            run = Run(camera)
            with pytest.raises(CameraError, match="no bandwidth"):
                run.start()
            camera.fails.clear()
            run.start().wait_for_frames(1)
        assert camera.steps == ["begin_grabbing", "begin_grabbing", "end_grabbing", "disconnect"]


@pytest.mark.parametrize("kind", [Device, Pooled])
def test_a_callback_may_stop_the_camera_which_then_starts_again(kind: type[Device]) -> None:
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


def test_a_frame_that_comes_before_start_has_returned_may_stop_the_camera() -> None:
    class Eager(Device):
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


class Watched(Device):
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


def test_several_threads_may_stop_it_at_once() -> None:
    for kind in (Device, Pooled):
        with kind() as camera:
            Run(camera).start().wait_for_frames(1)
            stoppers = [threading.Thread(target=camera.stop) for _ in range(4)]
            for stopper in stoppers:
                stopper.start()
            for stopper in stoppers:
                stopper.join(LIMIT_S)
            assert camera.steps == ["begin_grabbing", "end_grabbing"]


def test_threads_that_the_camera_did_not_announce_wait_for_each_other() -> None:
    class Crowded(Device):
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
