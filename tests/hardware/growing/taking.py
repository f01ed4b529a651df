"""Take frames of a growing file or folder as a run does, and keep copies of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rheed_acquire import Camera, CameraError, CaptureRequest, Frame
from rheed_acquire_growing import GrowingSettings, open_camera

LIMIT_S = 60.0
"""Against hangs."""


class Taking:
    """What a camera has delivered so far.

    Parameters
    ----------
    hold_s
        See `taking`.

    Attributes
    ----------
    pixels, ids, stamps
        Of each frame, in order.
    faults
        As they were told.
    """

    def __init__(self, hold_s: float = 0.0) -> None:
        self._hold_s = hold_s
        self.camera: Camera | None = None
        self.pixels: list[NDArray[Any]] = []
        self.ids: list[int | None] = []
        self.stamps: list[int | None] = []
        self.faults: list[CameraError] = []
        self.refused: Exception | None = None
        self._changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        time.sleep(self._hold_s)
        with self._changed:
            self.pixels.append(frame.pixels.copy())
            self.ids.append(frame.id)
            self.stamps.append(frame.timestamp_ns)
            self._changed.notify_all()

    def on_fault(self, error: CameraError) -> None:
        with self._changed:
            self.faults.append(error)
            self._changed.notify_all()

    def opened(self, camera: Camera) -> None:
        with self._changed:
            self.camera = camera
            self._changed.notify_all()

    def wait(self, what: Callable[[], bool]) -> None:
        limit_s = time.monotonic() + LIMIT_S
        with self._changed:
            while not (met := what()) and self.refused is None and time.monotonic() < limit_s:
                self._changed.wait(0.02)
        if self.refused is not None:
            raise self.refused
        assert met, f"{len(self.pixels)} frames, faults: {self.faults}"

    def wait_for_frames(self, number: int) -> None:
        self.wait(lambda: len(self.pixels) >= number or bool(self.faults))
        assert len(self.pixels) >= number, self.faults

    def wait_for_fault(self) -> CameraError:
        self.wait(lambda: bool(self.faults))
        return self.faults[0]


class _Told(logging.Handler):
    """Hears the camera say that it waits."""

    is_waiting = False

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting for the first frame" in record.getMessage():
            self.is_waiting = True


@contextmanager
def taking(path: Path, fps: float | None = None, hold_s: float = 0.0, **settings: Any) -> Iterator[Taking]:
    """Open a camera, which waits for what is not there yet, and take its frames until the block ends.

    Parameters
    ----------
    hold_s
        How long each frame is held, as by a run that does not keep up.
    """
    taken = Taking(hold_s)
    over = threading.Event()

    def take() -> None:
        request = CaptureRequest(fps=fps, given_up=over.is_set)
        try:
            with open_camera(GrowingSettings(path=path, **settings), request) as camera:
                taken.opened(camera)
                camera.start(taken.on_frame, taken.on_fault)
                over.wait()
                camera.stop()
        except Exception as error:  # noqa: BLE001 - told by whoever waits
            taken.refused = error

    told = _Told()
    logger = logging.getLogger("rheed_acquire.growing")
    logger.addHandler(told)
    thread = threading.Thread(target=take, name="taking")
    thread.start()
    try:
        # What is there already is known by then.
        taken.wait(lambda: taken.camera is not None or told.is_waiting)
        yield taken
    finally:
        logger.removeHandler(told)
        over.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()
