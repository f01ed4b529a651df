"""What the base classes for cameras have in common: the bookkeeping of start, stop and close.

`GrabLoopCamera` and `CallbackCamera` differ in how a frame comes from the SDK. That each step of a device is
taken once and undone once, in whatever order a run calls, is here.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from rheed_acquire.cameras.camera import Camera, CameraError, OnFault, OnFrame
from rheed_acquire.cameras.fault_report import FaultReport

logger = logging.getLogger(__name__)


class Delivery(ABC):
    """How frames come to ``on_frame`` during one run of a camera, from its start to its stop.

    Attributes
    ----------
    stopping
        Whether no further frame is to be delivered.
    """

    def __init__(self, camera: SteppedCamera, on_frame: OnFrame, on_fault: OnFault) -> None:
        self.stopping = False
        self.camera, self.on_frame = camera, on_frame
        self.tell_fault = FaultReport(on_fault)

    def fail(self, error: BaseException) -> None:
        """Tell the run what has ended the delivery, whatever it is: no frame will come any more."""
        if not isinstance(error, CameraError):
            logger.debug("the delivery of frames failed", exc_info=error)
            device = self.camera.info.device
            told = CameraError(f"{device} could not deliver a frame: {type(error).__name__}: {error}")
            told.__cause__ = error
            error = told
        self.tell_fault(error)

    def end(self) -> None:
        """Deliver nothing any more, faults neither; what is running is not waited for."""
        self.stopping = True
        self.tell_fault.silence()

    @abstractmethod
    def begin(self) -> None:
        """Make the device send frames, and deliver them."""

    @abstractmethod
    def is_within(self) -> bool:
        """Say whether the calling thread is in ``on_frame``."""

    @abstractmethod
    def wait(self) -> None:
        """Return when no callback is running; `end` has been called."""


class SteppedCamera(Camera):
    """A camera that is written as steps: the base of `GrabLoopCamera` and `CallbackCamera`.

    Derive from one of these, which say how frames come. Of the steps a subclass implements those that its SDK
    has: they do nothing by themselves. Never two of them run at once, and each that succeeded is undone once:
    ``begin_grabbing`` by `end_grabbing`, opening by `disconnect`.
    """

    _delivery: Delivery | None
    _closed: bool
    _steps: threading.Lock

    # In place of __init__, which an author would have to remember to call.
    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: ARG004, D102
        camera = super().__new__(cls)
        camera._delivery, camera._closed, camera._steps = None, False, threading.Lock()
        return camera

    @abstractmethod
    def _new_delivery(self, on_frame: OnFrame, on_fault: OnFault) -> Delivery: ...

    def end_grabbing(self) -> None:
        """Make the device send no more frames. None is being delivered any more; the device may be gone."""

    def disconnect(self) -> None:
        """Give the device back. It is not grabbing any more, and may be gone."""

    def read_temperature_c(self) -> float | None:
        """Ask the device for its temperature in degrees Celsius; None where it has none.

        It may be grabbing meanwhile. A failure counts as None.
        """
        return None

    def write_adjustment(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure or gain, as `Camera.adjust` says; the device may be grabbing meanwhile."""
        return super().adjust(changes)

    def read_adjustable(self) -> Mapping[str, float]:
        """Read what `write_adjustment` can change, each by its name; the device may be grabbing meanwhile."""
        return {}

    def read_line(self, line: str) -> bool:
        """Read whether a line is high (see `Camera.line_is_high`); the device may be grabbing meanwhile."""
        return super().line_is_high(line)

    def report_fault(self, error: CameraError) -> None:
        """Tell the run that the device is gone, where something else than a frame has shown it.

        May be called from any thread. Only the first fault is told, and none while the camera is stopped.
        """
        delivery = self._delivery
        if delivery is not None:
            delivery.fail(error)

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """Begin to deliver frames.

        Raises
        ------
        CameraError
            The camera is closed, already started, or refuses to stream.
        """
        delivery = self._delivery
        if delivery is not None and delivery.stopping:
            self.stop()  # it was stopped from within a callback, and its device still grabs
        with self._steps:
            if self._closed or self._delivery is not None:
                raise CameraError(f"{self.info.device} is {'closed' if self._closed else 'already started'}")
            # Known before the first frame comes, which may stop the camera.
            delivery = self._delivery = self._new_delivery(on_frame, on_fault)
            try:
                delivery.begin()
            except BaseException:
                self._delivery = None
                delivery.end()
                delivery.wait()
                raise

    def stop(self) -> None:
        """End delivery.

        From within ``on_frame`` the call that is running is the last; the device stops with the next call of
        `stop`, `start` or `close` from elsewhere.
        """
        delivery = self._delivery
        if delivery is None:
            return
        delivery.end()
        if delivery.is_within():
            return
        delivery.wait()
        with self._steps:
            if self._delivery is delivery:
                delivery.wait()  # again, for a start that was under way
                self._delivery = None
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

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure or gain now; see `write_adjustment`."""
        with self._steps:
            if self._closed:
                raise CameraError(f"{self.info.device} is closed")
            return self.write_adjustment(changes)

    def adjustable(self) -> Mapping[str, float]:
        """What can be changed, as the device holds it now; see `read_adjustable`."""
        with self._steps:
            return {} if self._closed else self.read_adjustable()

    def line_is_high(self, line: str) -> bool:
        """Whether a line is high just now; see `read_line`."""
        with self._steps:
            if self._closed:
                raise CameraError(f"{self.info.device} is closed")
            return self.read_line(line)

    def temperature_c(self) -> float | None:
        """The device's temperature now; see `read_temperature_c`."""
        with self._steps:
            return None if self._closed else self.read_temperature_c()
