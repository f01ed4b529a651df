"""Take frames of a source as a run does, and keep copies of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from rheed_acquire import Camera, CameraError, CaptureRequest, Frame
from rheed_acquire_video import VideoSettings, open_camera

LIMIT_S = 60.0
"""Against hangs."""


class Taking:
    """What a camera has delivered so far.

    Attributes
    ----------
    pixels, stamps
        Of each frame, in order.
    faults
        As they were told.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.pixels: list[NDArray[Any]] = []
        self.stamps: list[int | None] = []
        self.faults: list[CameraError] = []
        self._changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        with self._changed:
            self.pixels.append(frame.pixels.copy())
            self.stamps.append(frame.timestamp_ns)
            self._changed.notify_all()

    def on_fault(self, error: CameraError) -> None:
        with self._changed:
            self.faults.append(error)
            self._changed.notify_all()

    def wait(self, what: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(what, LIMIT_S), f"{len(self.pixels)} frames, faults: {self.faults}"

    def wait_for_frames(self, number: int) -> None:
        self.wait(lambda: len(self.pixels) >= number or bool(self.faults))
        assert len(self.pixels) >= number, self.faults

    def wait_for_fault(self) -> CameraError:
        self.wait(lambda: bool(self.faults))
        return self.faults[0]


@contextmanager
def taking(fps: float | None = None, **settings: Any) -> Iterator[Taking]:
    """Open a source with these settings and take its frames until the block ends."""
    with open_camera(VideoSettings(**settings), CaptureRequest(fps=fps)) as camera:
        taken = Taking(camera)
        camera.start(taken.on_frame, taken.on_fault)
        yield taken
        camera.stop()
