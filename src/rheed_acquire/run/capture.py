"""The camera's side of a run: start it, notice its loss, go on when it is back, and count over all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from rheed_acquire.cameras.camera import (
    Camera,
    CameraEndedError,
    CameraError,
    CameraInfo,
    CameraLostError,
    OnFault,
)
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.host.guard.camera import CameraHangsError
from rheed_acquire.run.arrivals import Arrivals
from rheed_acquire.run.attendance import MIN_STALL_S, STALL_PERIODS, Attendance
from rheed_acquire.run.presence import Absence, without_figures
from rheed_acquire.run.reopening import Reopening
from rheed_acquire.run.report import Journal
from rheed_acquire.run.run_end import RunEnd

if TYPE_CHECKING:
    from rheed_acquire.settings.run_settings import RunSettings

POLL_S = 0.05
SILENT_S = 30.0
"""Rest of a camera that did not answer what it was asked; the computer may have been busy."""
SAME_FAULTS = 3
"""A camera that never gave a frame, and says so often what is wrong with it, will not come to give one."""
SETTLE_S = 0.5
"""After a camera could not be stopped: longer than a callback that is under way takes to copy its frame."""

T = TypeVar("T")
StartCamera: TypeAlias = Callable[[Camera, ChunkAccumulator, OnFault], float | None]


def start_camera(camera: Camera, accumulator: ChunkAccumulator, on_fault: OnFault) -> None:
    """Start a camera whose frames are all the accumulator's."""
    camera.start(accumulator.on_frame, on_fault)


class Capture:
    """One camera's frames, over as many connections as it takes.

    Parameters
    ----------
    settings
        Of the run.
    camera
        Opened, not started.
    fps
        What the run declares, in frames per second.
    reopen
        Opens the same camera again, with the same settings; given what says that there is no use for it any
        more.
    make_accumulator
        Makes the accumulator for one connection, from the camera's info and the accumulators before.
    journal
        Where losses and returns are noted.
    on_interruption
        Called after a connection was lost and its last chunk handed over.
    start
        Has the accumulator take the camera's frames, and says since when the run's duration counts, in
        seconds of ``time.perf_counter``; None for its first frame.
    rests
        Whether the camera's frames go to another meanwhile.

    Attributes
    ----------
    attendance
        When the camera was there and gave frames, and when not; complete when `run` has returned.
    statistics
        The counters of all connections, added up.
    """

    def __init__(
        self,
        settings: RunSettings,
        camera: Camera,
        fps: float,
        reopen: Callable[[Callable[[], bool]], Camera],
        make_accumulator: Callable[[CameraInfo, list[ChunkAccumulator]], ChunkAccumulator],
        journal: Journal,
        on_interruption: Callable[[], None],
        start: StartCamera = start_camera,
        rests: Callable[[], bool] = lambda: False,
    ) -> None:
        self._start, self._rests = start, rests
        self._settings, self._fps = settings, fps
        self._make_accumulator, self._journal = make_accumulator, journal
        self._on_interruption = on_interruption
        self._camera: Camera | None = camera
        self._info = camera.info
        self._accumulators: list[ChunkAccumulator] = []
        self.attendance = Attendance(camera.info, fps, journal)
        self._reopening = Reopening(
            reopen,
            camera.info,
            self.attendance.presence,
            settings.reconnect_timeout,
            lambda camera: self._call(camera, camera.close, is_lost=True),
        )
        self._ended_s: float | None = None
        self._faults: list[str] = []
        self._fault: CameraError | None = None
        self._silent: tuple[Camera | None, float] = None, 0.0
        self._failed: Camera | None = None
        # Never released: of several threads that ask, one tells, and once.
        self._silence_told = threading.Lock()
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
    def id_quirks(self) -> tuple[int, int, int]:
        """How many frames bear the id of the one before, a lower one, and one that fits to nothing."""
        ids = [accumulator.ids for accumulator in self._accumulators]
        return sum(one.repeated for one in ids), sum(one.restarts for one in ids), sum(one.odd for one in ids)

    @property
    def absence(self) -> Absence | None:
        """The time without the camera that lasts; None while it is there. Any thread may ask."""
        return self.attendance.presence.absence

    @property
    def silent_s(self) -> float | None:
        """Since when no frame has come, in seconds; None before the first, and for a recording."""
        last_s = self.attendance.presence.last_frame_s
        if last_s is None or self._info.recorded:
            return None
        return max(0.0, (self._ended_s or time.perf_counter()) - last_s)

    @property
    def _taken(self) -> int:
        """Frames that lie in chunks, or did."""
        return sum(accumulator.accumulated for accumulator in self._accumulators)

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
        end = RunEnd(self._settings.duration, stop, stop_reason, self._journal)
        try:
            self._capture(end)
        finally:
            # Every way out passes here.
            self.attendance.conclude(self._ended_s or time.perf_counter(), self.received)
            asked, taken = self._settings.frames, self._taken
            if asked is not None and taken < asked:
                self._journal.warn(
                    FindingCode.FEWER_FRAMES, f"the run ended with {taken} of the {asked} frames asked for"
                )

    def _capture(self, end: RunEnd) -> None:
        """Capture from one connection after another."""
        while self._camera is not None:
            begun_s = time.perf_counter()
            lost = self._connection(self._camera, end)
            if lost is None or self._is_complete():
                return
            if self._info.recorded:
                self._journal.problem(FindingCode.RECORDING_BROKEN, lost)
                return
            self.attendance.lost(time.perf_counter(), lost)
            self._on_interruption()
            self.close()
            if self._is_hopeless():
                return
            self._camera = self._reopening.open(end, begun_s)

    def _is_hopeless(self) -> bool:
        """Whether the camera has never given a frame, and always for the same reason."""
        return not self.received and any(
            self._faults.count(fault) >= SAME_FAULTS for fault in set(self._faults)
        )

    def close(self) -> None:
        """Give the camera back; one that hangs is left behind after a time limit."""
        camera, self._camera = self._camera, None
        if camera is not None:
            self._call(camera, camera.close, is_lost=self.absence is not None)

    def temperature_c(self) -> float | None:
        """The camera's temperature; None where it cannot tell. One that hangs is let alone for a while."""
        return self._told("the temperature is", lambda camera: camera.temperature_c(), None)

    def adjustable(self) -> Mapping[str, float]:
        """What can be changed of the camera, as it holds it now; empty where it cannot tell."""
        return self._told("exposure and gain are", lambda camera: camera.adjustable(), {})

    def _told(self, what: str, ask: Callable[[Camera], T], unknown: T) -> T:
        """What the camera says of itself, or what stands for that it does not."""
        camera, (silent, until_s) = self._camera, self._silent
        if camera is None or (camera is silent and time.monotonic() < until_s):
            return unknown
        try:
            return ask(camera)
        except CameraError as error:
            if isinstance(error, CameraHangsError):
                self._silent = camera, time.monotonic() + SILENT_S
            # A camera that is just being lost says so in its own time.
            is_lost = camera is not self._camera or self._fault is not None
            if not is_lost and self._silence_told.acquire(blocking=False):
                self._journal.warn(FindingCode.CAMERA_SILENT, f"{what} unknown: {error}")
        return unknown

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change the camera's exposure or gain; see `Camera.adjust`.

        Raises
        ------
        CameraError
            The camera refuses, hangs, or is away.
        """
        return self._present().adjust(changes)

    def line_is_high(self, line: str) -> bool:
        """Whether a line of the camera is high just now; see `Camera.line_is_high`, and `adjust`."""
        return self._present().line_is_high(line)

    def _present(self) -> Camera:
        camera = self._camera
        if camera is None or self.absence is not None:
            raise CameraLostError("the camera is away just now")
        return camera

    def _connection(self, camera: Camera, end: RunEnd) -> str | None:
        """Capture from one connection; why it was lost, or None where the run is over."""
        self._fault = None
        is_first = not self._accumulators
        accumulator = self._make_accumulator(self._info, self._accumulators)
        self._accumulators.append(accumulator)
        arrivals = Arrivals(self._fps, self._settings.gap_tolerance, self._settings.fps_tolerance)
        lost: str | None
        try:
            begun_s = self._start(camera, accumulator, lambda error: self._on_fault(camera, error))
        except CameraError as error:
            lost = str(error)
            self._note_fault(lost)
            if is_first:  # it was never there, so that there is nothing to come back
                self._journal.problem(FindingCode.CAMERA_REFUSED, lost)
                lost = None
        else:
            if begun_s is not None:
                end.count_from(begun_s)
            lost = self._watch(accumulator, arrivals, end, is_first=is_first, counts=begun_s is not None)
        # What comes from now on comes after the end. A camera that waits for room would wait for ever.
        accumulator.refuse()
        now_s = time.perf_counter()
        if lost is None:
            self._ended_s = now_s
        silence = arrivals.end(
            now_s, accumulator.received, accumulator.frames_missing, is_lost=lost is not None
        )
        has_ended = isinstance(self._fault, CameraEndedError) or self._is_complete()
        self.attendance.connection_ended(arrivals, None if has_ended else silence)
        if self._call(camera, camera.stop, is_lost=lost is not None):
            self._call(camera, lambda: self._add_statistics(camera), is_lost=lost is not None)
        else:
            time.sleep(SETTLE_S)
        accumulator.close()
        return lost

    def _watch(
        self,
        accumulator: ChunkAccumulator,
        arrivals: Arrivals,
        end: RunEnd,
        *,
        is_first: bool,
        counts: bool,
    ) -> str | None:
        """Wait for the end of the run, None, or of the connection: why."""
        stall_s = self._stall_s()
        seen_s = time.perf_counter()
        seen = 0
        is_over = False
        if is_first:
            self.attendance.started(seen_s)
        while True:
            # Before the count is read, so that no frame that came before goes uncounted.
            is_over, fault = is_over or accumulator.closed, self._fault
            now_s = time.perf_counter()
            arrivals.look(now_s, accumulator.received, accumulator.frames_missing)
            if accumulator.received != seen:
                if not seen and is_first and not counts:
                    end.count_from(now_s)
                seen, seen_s = accumulator.received, now_s
                self.attendance.frame_came(now_s)
            if self._rests():
                seen_s = now_s
            if is_over:
                return None
            if isinstance(fault, CameraEndedError):
                self._journal.event(str(fault))
                return None
            if fault is not None:
                self._note_fault(str(fault))
                return str(fault)
            if stall_s is not None and now_s - seen_s > stall_s:
                return f"no frame came for {stall_s:g} s"
            is_over = end.wait(POLL_S)

    def _note_fault(self, fault: str) -> None:
        if not self.received:
            self._faults.append(without_figures(fault))

    def _is_complete(self) -> bool:
        """Whether the run has all the frames that it was to have."""
        frames = self._settings.frames
        return frames is not None and self._taken >= frames

    def _stall_s(self) -> float | None:
        """After how many seconds without a frame the camera counts as lost; None for never."""
        if self._info.can_wait:  # it may wait for room, and pause as it was recorded
            return None
        if self._settings.stall_timeout is not None:
            return self._settings.stall_timeout
        if self._info.fps is None:  # an outside trigger may take its time
            return None
        return max(MIN_STALL_S, STALL_PERIODS / self._info.fps)

    def _on_fault(self, camera: Camera, error: CameraError) -> None:
        # The first, and not that of one which was left behind and speaks late.
        if camera is self._camera and self._fault is None:
            self._fault = error

    def _add_statistics(self, camera: Camera) -> None:
        for name, count in camera.statistics().items():
            self.statistics[name] = self.statistics.get(name, 0) + count

    def _call(self, camera: Camera, call: Callable[[], None], *, is_lost: bool = False) -> bool:
        """Make a call into a camera; False where it hangs and was left behind.

        That a call fails is a problem, but nothing else is to be expected of a camera that is lost, or that
        has failed already: most close by a stop.
        """
        try:
            call()
        except CameraError as error:
            if is_lost or camera is self._failed:
                self._journal.event(str(error), "warning")
            else:
                self._journal.problem(FindingCode.CAMERA_CALL, str(error))
            self._failed = camera
            return not isinstance(error, CameraHangsError)
        return True
