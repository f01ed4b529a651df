"""Cameras made of a few lines: one whose frames are fetched, and some whose SDK calls back, as SDKs do."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CallbackCamera, CameraError, CameraInfo, DeviceInfo, Frame, GrabLoopCamera
from rheed_acquire.cameras.stepped_camera import SteppedCamera

LIMIT_S = 20.0
Image = NDArray[np.uint8]


class SteppedDevice(SteppedCamera):
    """Notes each step; `fails` names a step, or ``frame``, which is the third one, and what it raises."""

    info = CameraInfo(DeviceInfo("device", model="Device"), 4, 2, "Mono8", 1000.0)

    def __init__(self, **fails: BaseException) -> None:
        self.fails = fails
        self.steps: list[str] = []

    @property
    @abstractmethod
    def outstanding(self) -> int:
        """Buffers that the SDK has lent and not got back."""

    def note(self, name: str) -> None:
        self.steps.append(name)
        if name in self.fails:
            raise self.fails[name]

    def disconnect(self) -> None:
        self.note("disconnect")


class Fetched(SteppedDevice, GrabLoopCamera):
    """Its frames are fetched."""

    def __init__(self, **fails: BaseException) -> None:
        super().__init__(**fails)
        self.lent = 0
        self.frame = Frame(np.zeros((2, 4), np.uint8), 0, None)
        self.pause = threading.Event()

    @property
    def outstanding(self) -> int:
        return self.lent

    def begin_grabbing(self) -> None:
        self.note("begin_grabbing")
        self.frame.id = 0

    def grab(self, timeout_s: float) -> Frame | None:
        assert self.lent == 0
        if self.pause.wait(0.001) and self.pause.wait(timeout_s):
            return None
        assert self.frame.id is not None
        self.frame.id += 1
        if self.frame.id == 3 and "frame" in self.fails:
            raise self.fails["frame"]
        self.frame.pixels = np.full((2, 4), self.frame.id % 256, np.uint8)
        self.lent += 1
        return self.frame

    def release(self, frame: Frame) -> None:
        self.lent -= 1

    def end_grabbing(self) -> None:
        self.note("end_grabbing")


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


class CalledBack(SteppedDevice, CallbackCamera):
    """Its SDK calls back, from a thread of its own."""

    threads = 1

    def __init__(self, **fails: BaseException) -> None:
        super().__init__(**fails)
        self.brought = self.released = self.read_count = 0
        self.sdk = Sdk()

    @property
    def outstanding(self) -> int:
        return 0

    def begin_grabbing(self, deliver: Callable[[Any], None]) -> None:
        self.note("begin_grabbing")
        self.sdk = Sdk(self.threads)

        def count_and_deliver(image: Image) -> None:
            self.brought += 1
            deliver(image)

        self.sdk.start(count_and_deliver)

    def read(self, image: Image) -> Frame | None:
        self.read_count += 1
        if image[0, 0] == 3 and "frame" in self.fails:
            raise self.fails["frame"]
        return Frame(image, None, None)

    def end_grabbing(self) -> None:
        self.sdk.stop()
        self.note("end_grabbing")


class Lending(CalledBack):
    """An SDK that wants each image back."""

    @property
    def outstanding(self) -> int:
        return self.brought - self.released

    def release(self, image: Image) -> None:
        self.released += 1


class Pooled(Lending):
    """An SDK with a pool of threads."""

    threads = 3
    from_several_threads = True


class Run:
    """Counts callbacks, and lets a test wait for them."""

    def __init__(self, camera: SteppedDevice) -> None:
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
