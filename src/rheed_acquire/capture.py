"""The camera's side of a run: start it, notice when it is lost, open it again, and count over all of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rheed_acquire.accumulator import ChunkAccumulator
from rheed_acquire.camera import Camera, CameraEndedError, CameraError, CameraInfo
from rheed_acquire.findings import FindingCode
from rheed_acquire.limited_call import CallTimeoutError, LimitedCall
from rheed_acquire.report import Journal

if TYPE_CHECKING:
    from rheed_acquire.settings.run_settings import RunSettings

logger = logging.getLogger(__name__)

POLL_S = 0.05
CALL_LIMIT_S = 10.0
"""How long a call to stop or close a camera may take; stopping takes a frame's time, seconds at the most."""
OPEN_LIMIT_S = 30.0
REOPEN_PAUSE_S, REOPEN_PAUSE_CAP_S = 0.5, 5.0
ANSWER_LIMIT_S = 1.0
MIN_STALL_S = 5.0
STALL_PERIODS = 10
SETTLE_S = 0.5
"""After a camera could not be stopped: longer than a callback that is under way takes to copy its frame."""


class Capture:
    """One camera's frames, over as many connections as it takes.

    Parameters
    ----------
    settings
        Of the run.
    camera
        Opened, not started.
    reopen
        Opens the same camera again, with the same settings.
    make_accumulator
        Makes the accumulator for one connection, from the camera's info and the accumulators before.
    journal
        Where losses and returns are noted.
    on_interruption
        Called after a connection was lost and its last chunk handed over.
    """

    def __init__(
        self,
        settings: RunSettings,
        camera: Camera,
        reopen: Callable[[], Camera],
        make_accumulator: Callable[[CameraInfo, list[ChunkAccumulator]], ChunkAccumulator],
        journal: Journal,
        on_interruption: Callable[[], None],
    ) -> None:
        self._settings, self._reopen = settings, reopen
        self._make_accumulator, self._journal = make_accumulator, journal
        self._on_interruption = on_interruption
        self._camera: Camera | None = camera
        self._info = camera.info
        self._accumulators: list[ChunkAccumulator] = []
        self._fault: CameraError | None = None
        self._first_frame_s = 0.0
        self._silent: Camera | None = None
        self.statistics: dict[str, int] = {}

    @property
    def received(self) -> int:
        """Frames that the camera has handed over."""
        return sum(accumulator.received for accumulator in self._accumulators)

    @property
    def overrun(self) -> int:
        """Of those, the ones that found the ring full."""
        return sum(accumulator.overrun for accumulator in self._accumulators)

    @property
    def rejected(self) -> int:
        """Of those, the ones that could not be used."""
        return sum(accumulator.rejected for accumulator in self._accumulators)

    @property
    def frames_missing(self) -> int:
        """Frames that the camera has counted and not handed over."""
        return sum(accumulator.frames_missing for accumulator in self._accumulators)

    @property
    def gap_count(self) -> int:
        """How often such frames were missing."""
        return sum(accumulator.gap_count for accumulator in self._accumulators)

    @property
    def has_ids(self) -> bool:
        """Whether the camera numbers its frames."""
        return any(accumulator.has_ids for accumulator in self._accumulators)

    @property
    def id_restarts(self) -> int:
        """How often the camera's frame counter went backwards."""
        return sum(accumulator.id_restarts for accumulator in self._accumulators)

    def run(self, stop: threading.Event, stop_reason: Callable[[], str | None]) -> None:
        """Capture until the run's duration or frames are over, the source ends, or ``stop`` is set.

        A camera that is lost is opened again for up to ``reconnect_timeout`` seconds at a time; a recording
        that cannot be read on is not, as it would begin anew.

        Parameters
        ----------
        stop
            Ends the run when it is set.
        stop_reason
            Asked now and then; what it says, if anything, is why the run has to end.
        """
        begun_s = time.monotonic()
        lost_s: float | None = None
        why = ""
        pause_s = 0.0
        while self._camera is not None and not self._is_complete():
            received = self.received
            lost = self._connection(self._camera, begun_s, stop, stop_reason)
            if self.received > received:
                if lost_s is not None:
                    away = self._first_frame_s - lost_s
                    self._journal.problem(
                        FindingCode.CAMERA_AWAY, f"the camera was away for {away:.1f} s: {why}"
                    )
                lost_s, pause_s = None, 0.0
            if lost is None:
                return
            if self._info.recorded:
                self._journal.problem(FindingCode.RECORDING_BROKEN, lost)
                return
            if lost_s is None:
                lost_s, why = time.monotonic(), lost
                self._journal.event(f"the camera was lost: {lost}")
            self._on_interruption()
            self.close()
            # A camera that opens and gives no frame has not come back: the time goes on.
            self._camera = self._open_again(stop, lost_s + self._settings.reconnect_timeout, pause_s)
            pause_s = min(REOPEN_PAUSE_CAP_S, max(REOPEN_PAUSE_S, 2 * pause_s))
        if lost_s is not None:
            self._journal.problem(
                FindingCode.CAMERA_NOT_BACK, f"the camera was lost and did not come back: {why}"
            )

    def close(self) -> None:
        """Give the camera back; one that hangs is left behind after a time limit."""
        camera, self._camera = self._camera, None
        if camera is not None:
            self._limited(camera.close, "close-camera", is_lost=self._fault is not None)

    def temperature_c(self) -> float | None:
        """The camera's temperature; None where it has none, or let a question wait for more than a second."""
        camera = self._camera
        if camera is None or camera is self._silent:
            return None
        try:
            return LimitedCall(camera.temperature_c, "camera-temperature").within(ANSWER_LIMIT_S)
        except CallTimeoutError:
            self._silent = camera
        except Exception:
            logger.debug("no temperature", exc_info=True)
        return None

    def _connection(
        self,
        camera: Camera,
        begun_s: float,
        stop: threading.Event,
        stop_reason: Callable[[], str | None],
    ) -> str | None:
        """Capture from one connection; why it was lost, or None where the run is over."""
        self._fault = None
        accumulator = self._make_accumulator(self._info, self._accumulators)
        self._accumulators.append(accumulator)
        lost: str | None
        try:
            camera.start(accumulator.on_frame, lambda error: self._on_fault(camera, error))
        except CameraError as error:
            lost = str(error)
            if len(self._accumulators) == 1:  # it was never there, so that there is nothing to come back
                self._journal.problem(FindingCode.CAMERA_REFUSED, lost)
                lost = None
        else:
            lost = self._watch(accumulator, begun_s, stop, stop_reason)
        if self._info.recorded:
            accumulator.refuse()  # its thread may be waiting for room
        stopped = self._limited(camera.stop, "stop-camera", is_lost=lost is not None)
        for name, count in camera.statistics().items() if stopped else ():
            self.statistics[name] = self.statistics.get(name, 0) + count
        if not stopped:
            accumulator.refuse()
            time.sleep(SETTLE_S)
        accumulator.close()
        return lost

    def _watch(
        self,
        accumulator: ChunkAccumulator,
        begun_s: float,
        stop: threading.Event,
        stop_reason: Callable[[], str | None],
    ) -> str | None:
        """Wait for the end of the run, None, or of the connection: why."""
        duration = self._settings.duration
        stall_s = self._stall_s()
        seen, seen_s = 0, time.monotonic()
        first_frame_s: float | None = None
        while not accumulator.closed:
            now = time.monotonic()
            if accumulator.received != seen:
                seen, seen_s = accumulator.received, now
                if first_frame_s is None:
                    first_frame_s = self._first_frame_s = now
            elif stall_s is not None and now - seen_s > stall_s:
                return f"no frame came for {stall_s:g} s"
            pause = POLL_S
            if duration is not None:
                # The duration counts from the first frame: a camera that is slow to start loses nothing.
                is_first = len(self._accumulators) == 1
                since = first_frame_s if is_first and first_frame_s is not None else begun_s
                left = duration - (now - since)
                if left <= 0:
                    return None
                pause = min(pause, left)
            if stop.wait(pause):
                return None
            if isinstance(self._fault, CameraEndedError):
                self._journal.event(str(self._fault))
                return None
            if self._fault is not None:
                return str(self._fault)
            reason = stop_reason()
            if reason is not None:
                self._journal.problem(FindingCode.ENDED_EARLY, f"the run was ended early: {reason}")
                return None
        return None

    def _is_complete(self) -> bool:
        """Whether the run has all the frames that it was to have."""
        frames = self._settings.frames
        return frames is not None and sum(one.accumulated for one in self._accumulators) >= frames

    def _open_again(self, stop: threading.Event, deadline: float, pause_s: float) -> Camera | None:
        """Open the camera once more, after a pause; None where that fails for too long or the run is over."""
        stop.wait(min(pause_s, max(0.0, deadline - time.monotonic())))
        pause_s = max(REOPEN_PAUSE_S, pause_s)
        while not stop.is_set() and time.monotonic() < deadline:
            try:
                opening = LimitedCall(self._reopen, "open-camera", on_late=lambda camera: camera.close())
                camera = opening.within(OPEN_LIMIT_S)
            except (CameraError, CallTimeoutError) as error:
                logger.info("the camera cannot be opened yet: %s", error or "the call hangs")
            else:
                if _looks_like(camera.info, self._info):
                    return camera
                self._journal.event(f"the camera came back with other frames: {camera.info}")
                self._limited(camera.close, "close-camera")
                return None
            stop.wait(min(pause_s, max(0.0, deadline - time.monotonic())))
            pause_s = min(REOPEN_PAUSE_CAP_S, 2 * pause_s)
        return None

    def _stall_s(self) -> float | None:
        """After how many seconds without a frame the camera counts as lost; None for never."""
        if self._info.recorded:  # it may wait for room, and pause as it was recorded
            return None
        if self._settings.stall_timeout is not None:
            return self._settings.stall_timeout
        if self._info.fps is None:  # an outside trigger may take its time
            return None
        return max(MIN_STALL_S, STALL_PERIODS / self._info.fps)

    def _on_fault(self, camera: Camera, error: CameraError) -> None:
        if camera is self._camera:  # not one that was left behind and speaks late
            self._fault = error

    def _limited(self, call: Callable[[], None], name: str, *, is_lost: bool = False) -> bool:
        """Make a call that may hang or fail; False where it hangs."""
        try:
            LimitedCall(call, name).within(CALL_LIMIT_S)
        except CallTimeoutError:
            self._journal.event(f"{name} did not return within {CALL_LIMIT_S:g} s and was left behind")
            return False
        except CameraError as error:
            if is_lost:
                self._journal.event(str(error))
            else:
                self._journal.problem(FindingCode.CAMERA_CALL, str(error))
        return True


def _looks_like(info: CameraInfo, before: CameraInfo) -> bool:
    return (info.width, info.height, info.pixel_format) == (before.width, before.height, before.pixel_format)
