"""The base class for cameras whose frames are fetched by a loop, as most SDKs want it.

The author of a backend says how frames are fetched; the thread that fetches them, the bookkeeping of start,
stop and close, and the way of a fault to the run are here.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from typing import ClassVar, Self

from rheed_acquire.cameras.camera import Camera, CameraError, Frame, OnFault, OnFrame
from rheed_acquire.cameras.fault_report import FaultReport

logger = logging.getLogger(__name__)


class GrabLoopCamera(Camera):
    """A camera whose frames are fetched, one after another, from a thread that this class runs.

    A subclass opens its device in ``__init__`` (nothing of this class has to be called there), tells `info`,
    and implements `grab`, and of the other steps those that its SDK has: they do nothing by themselves.
    `grab` and `release` are called by the grab thread alone. Of the others never two run at once, and none
    while the grab thread does; each that succeeded is undone once: `begin_grabbing` by `end_grabbing`,
    opening by `disconnect`.

    Attributes
    ----------
    grab_timeout_s
        How long one `grab` may wait for a frame, in seconds; `stop` may take so long.
    """

    grab_timeout_s: ClassVar[float] = 0.05

    _loop: _GrabLoop | None
    _closed: bool
    _steps: threading.Lock

    # In place of __init__, which an author would have to remember to call.
    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: ARG004, D102
        camera = super().__new__(cls)
        camera._loop, camera._closed, camera._steps = None, False, threading.Lock()
        return camera

    def begin_grabbing(self) -> None:
        """Make the device send frames.

        Raises
        ------
        CameraError
            It refuses; what was begun has been undone then, and `end_grabbing` does not follow.
        """

    @abstractmethod
    def grab(self, timeout_s: float) -> Frame | None:
        """Wait for the next frame; None where none has come within ``timeout_s`` seconds.

        The frame is passed on at once and may be the same object each time. `Frame.pixels` is the SDK's own
        buffer: the one copy that a frame needs is made behind ``on_frame``.

        Raises
        ------
        CameraError
            The device is gone (`CameraLostError`) or no frame will come any more. It goes to ``on_fault``,
            as does any other exception in the words of a `CameraError`.
        """

    def release(self, frame: Frame) -> None:
        """Give the buffer of a frame back to the SDK: it has been taken; nothing may point into it now."""

    def end_grabbing(self) -> None:
        """Make the device send no more frames. No `grab` is running any more; the device may be gone."""

    def disconnect(self) -> None:
        """Give the device back. It is not grabbing any more, and may be gone."""

    def read_temperature_c(self) -> float | None:
        """Ask the device for its temperature in degrees Celsius; None where it has none.

        It may be grabbing meanwhile. A failure counts as None.
        """
        return None

    def report_fault(self, error: CameraError) -> None:
        """Tell the run that the device is gone, where something else than `grab` has noticed.

        May be called from any thread. Only the first fault is told, and none while the camera is stopped.
        """
        loop = self._loop
        if loop is not None:
            loop.fault(error)

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """Begin to deliver frames.

        Raises
        ------
        CameraError
            The camera is closed, already started, or refuses to stream.
        """
        loop = self._loop
        if loop is not None and loop.stopping:
            self.stop()  # it was stopped from within a callback, and its device still grabs
        with self._steps:
            if self._closed or self._loop is not None:
                raise CameraError(f"{self.info.device} is {'closed' if self._closed else 'already started'}")
            loop = _GrabLoop(self, on_frame, FaultReport(on_fault))
            self.begin_grabbing()
            self._loop = loop
            loop.start()

    def stop(self) -> None:
        """End delivery.

        From within ``on_frame`` the call that is running is the last; the device stops with the next call of
        `stop`, `start` or `close` from elsewhere.
        """
        loop = self._loop
        if loop is None:
            return
        loop.stopping = True
        loop.fault.silence()
        if loop is threading.current_thread():
            return
        loop.join()
        with self._steps:
            if self._loop is loop:
                self._loop = None
                self.end_grabbing()

    def close(self) -> None:
        """Stop, and give the device back; not from within ``on_frame``, where its buffer is still lent."""
        with self._steps:
            was_closed, self._closed = self._closed, True
        try:
            self.stop()
        finally:
            if not was_closed:
                with self._steps:
                    self.disconnect()

    def temperature_c(self) -> float | None:
        """The device's temperature now; see `read_temperature_c`."""
        with self._steps:
            return None if self._closed else self.read_temperature_c()


class _GrabLoop(threading.Thread):
    """One run of a camera, from its start to its stop."""

    def __init__(self, camera: GrabLoopCamera, on_frame: OnFrame, fault: FaultReport) -> None:
        super().__init__(name=f"{camera.info.device.backend}-grab-loop", daemon=True)
        self.stopping = False
        self.fault = fault
        self._camera, self._on_frame = camera, on_frame

    def run(self) -> None:
        try:
            self._deliver()
        except CameraError as error:
            self.fault(error)
        # Whatever it is, the run has to learn that no frame will come any more.
        except BaseException as error:
            logger.debug("the grab loop failed", exc_info=True)
            device = self._camera.info.device
            fault = CameraError(f"{device} could not deliver a frame: {type(error).__name__}: {error}")
            fault.__cause__ = error
            self.fault(fault)

    def _deliver(self) -> None:
        camera, on_frame = self._camera, self._on_frame
        grab, release, timeout_s = camera.grab, camera.release, camera.grab_timeout_s
        lends = type(camera).release is not GrabLoopCamera.release
        while not self.stopping:
            frame = grab(timeout_s)
            if frame is None:
                continue
            try:
                on_frame(frame)
            finally:
                if lends:
                    release(frame)
