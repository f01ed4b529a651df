"""One camera that stays open and running while previews and runs take turns with its frames.

Who takes a turn is a `Borrower` (see `rheed_acquire.run.lent_camera`). At first the camera is opened; who
comes later, while it runs well, is lent what is open. At any time one of the borrowers has the frames: the
preview, which rests while a run has them, or the run. What changes hands is one attribute, which is looked up
for each frame in the camera's own thread, so that no frame is lost or taken twice between two of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from rheed_acquire.cameras.camera import Camera, CameraError, CameraInfo, CaptureRequest, Frame, OnFrame
from rheed_acquire.frames.accumulator import ChunkAccumulator

logger = logging.getLogger(__name__)

_LOOK_S = 0.0002
_OPENING_S = 0.1
_UNDER_WAY_S = 1.0
"""Longer than any callback that is under way takes to copy its frame."""


class Borrower(Protocol):
    """Who takes turns with the camera's frames."""

    accumulator: ChunkAccumulator | None
    """Takes them; None while it is not begun."""

    def tell(self, error: CameraError) -> None:
        """Say what has become of the camera."""

    def resume_after(self, other: Borrower) -> OnFrame:
        """Make what takes the first frame after another borrower's."""


class HeldCamera:
    """Opens the camera, lends it, and closes it when nobody has it any more.

    Parameters
    ----------
    open_camera
        Opens it; the camera keeps to its contract (see `rheed_acquire.host.guard`).
    """

    def __init__(self, open_camera: Callable[[CaptureRequest], Camera]) -> None:
        self._open = open_camera
        self._opening = threading.Lock()
        self.lock = threading.RLock()
        """Taken where the camera is lent, started, stopped or given back; for no frame."""
        self.connection: Connection | None = None

    @property
    def is_well(self) -> bool:
        """Whether a preview has its frames, and nothing is known to be wrong with it."""
        connection = self.connection
        if connection is None or connection.fault is not None:
            return False
        rester = connection.rester
        return rester is not None and connection.taker is rester and rester.accumulator is not None

    @property
    def info(self) -> CameraInfo | None:
        """What it is, while it is open."""
        connection = self.connection
        return None if connection is None else connection.info

    def connect(self, request: CaptureRequest, before: Connection | None) -> Connection:
        """Find what is open, or open the camera: anew, where ``before`` is what is open and was lost.

        Raises
        ------
        RheedAcquireError
            It cannot be opened.
        """
        while not self._opening.acquire(timeout=_OPENING_S):
            if request.given_up():
                raise CameraError("the camera is not wanted any more")
        try:
            with self.lock:
                now = self.connection
                if now is not None and now is not before and now.fault is None:
                    return now
            if now is not None:
                self._end(now)
            camera = self._open(request)
            try:
                connection = Connection(camera, camera.info)
            except CameraError:
                _close(camera)
                raise
            with self.lock:
                self.connection = connection
                return connection
        finally:
            self._opening.release()

    def _end(self, connection: Connection) -> None:
        """Close what was lost, and tell those who wait for their turn with it."""
        with self.lock:
            if self.connection is connection:
                self.connection = None
            others = list(connection.borrowers)
            connection.is_closed = True
        for other in others:
            other.tell(CameraError("the camera was opened again"))
        _close(connection.camera)


class Connection:
    """One opening of the camera, whose frames go to one borrower at a time.

    Attributes
    ----------
    taker
        Who has the frames.
    rester
        Who has them whenever nobody else does.
    fault
        The camera's own, once it has told one.
    measured_fps
        Of a camera that does not say its rate: that, and over how many frames it was measured. None where it
        was not, since it was opened or since its exposure was changed.
    set_ns
        When it was opened, or its exposure was changed last, as ``time.perf_counter_ns``.
    """

    def __init__(self, camera: Camera, info: CameraInfo) -> None:
        self.camera, self.info = camera, info
        self.measured_fps: tuple[float, int] | None = None
        self.set_ns = time.perf_counter_ns()
        self.borrowers: list[Borrower] = []
        self.taker: Borrower | None = None
        self.rester: Borrower | None = None
        self.fault: CameraError | None = None
        self.is_running = self.is_closed = False
        self._pass_on: OnFrame = to_nobody
        self._is_busy = False

    def start(self, pass_on: OnFrame) -> None:
        """Start the camera."""
        self._pass_on = pass_on
        self.camera.start(self.on_frame, self.on_fault)
        self.is_running = True

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """See `Camera.adjust`; with another exposure a camera that does not say its rate may have another."""
        held = self.camera.adjust(changes)
        if "exposure_us" in changes and self.info.fps is None:
            self.info = replace(self.info, fps_at_most=None, fps_limited_by=None)
            self.set_ns = time.perf_counter_ns()
            self.measured_fps = None
        return held

    def on_frame(self, frame: Frame) -> None:
        """Pass a frame on; what the camera is started with."""
        self._is_busy = True
        self._pass_on(frame)
        self._is_busy = False

    def on_fault(self, error: CameraError) -> None:
        """Pass on what the camera says of its end."""
        self.fault = self.fault or error
        taker = self.taker
        if taker is not None:
            taker.tell(error)

    def direct(self, pass_on: OnFrame) -> None:
        """Pass the frames to come on to another; returns when none is under way to the one before.

        Who is called says that it is busy before it looks where to, so that whoever finds it idle after the
        change knows that no frame goes the old way any more.
        """
        self._pass_on = pass_on
        late_s = time.perf_counter() + _UNDER_WAY_S
        while self._is_busy and time.perf_counter() < late_s:
            time.sleep(_LOOK_S)

    def switch(self, pass_on: OnFrame) -> None:
        """Do so from within the camera's own call."""
        self._pass_on = pass_on


def to_nobody(frame: Frame) -> None:
    """Take a frame that nobody wants."""


def _close(camera: Camera) -> None:
    try:
        camera.close()
    except CameraError as error:  # it was lost, and nothing else is to be expected of it
        logger.info("%s", error)
