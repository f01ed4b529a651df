"""The emulated Basler cameras, and what takes their frames as a run would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from rheed_acquire import Camera, CameraError, CaptureRequest, Frame
from rheed_acquire_basler import BaslerSettings, open_camera

FIRST, SECOND = "0815-0000", "0815-0001"
PATIENCE_S = 20.0


class Recorder:
    """Takes copies of frames as a run would, and waits for a number of them."""

    def __init__(self, act: Callable[[int], None] | None = None) -> None:
        self.ids: list[int | None] = []
        self.stamps: list[int | None] = []
        self.pixels: list[NDArray[Any]] = []
        self.objects: set[int] = set()
        self.threads: set[int] = set()
        self.faults: list[CameraError] = []
        self._act = act
        self._changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        with self._changed:
            self.ids.append(frame.id)
            self.stamps.append(frame.timestamp_ns)
            self.pixels.append(frame.pixels.copy())
            self.objects.add(id(frame))
            self.threads.add(threading.get_ident())
            self._changed.notify_all()
        if self._act is not None:
            self._act(len(self.ids))

    def on_fault(self, error: CameraError) -> None:
        with self._changed:
            self.faults.append(error)
            self._changed.notify_all()

    def wait_for(self, frames: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self.ids) >= frames or self.faults, PATIENCE_S)
        assert not self.faults
        assert len(self.ids) >= frames

    def wait_for_fault(self) -> CameraError:
        with self._changed:
            assert self._changed.wait_for(lambda: self.faults, PATIENCE_S)
        return self.faults[0]


def basler(request: CaptureRequest | None = None, **settings: Any) -> Camera:
    """Open the first emulated camera, small and quick unless told otherwise."""
    chosen: dict[str, Any] = {"serial": FIRST, "width": 64, "height": 48, "exposure_us": 1000.0} | settings
    return open_camera(BaslerSettings(**chosen), request or CaptureRequest(fps=200))


def record(camera: Camera, frames: int) -> Recorder:
    recorder = Recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for(frames)
    camera.stop()
    return recorder
