"""What a run says of the times when its camera gave no frames: as they happen, and all of it at the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rheed_acquire.cameras.camera import CameraInfo
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.findings import FindingCode
from rheed_acquire.run.arrivals import Arrivals, Silence
from rheed_acquire.run.presence import Absence, Presence
from rheed_acquire.run.report import Journal, Stretch

if TYPE_CHECKING:
    from rheed_acquire.run.pushed_frames import PushedFrames

MIN_STALL_S = 5.0
STALL_PERIODS = 10
"""The longer of the two is a silence after which a camera that comes by itself counts as lost."""
START_UP_S = 2.0
"""How long such a camera may take from its start to its first frame without a word about it."""
TOLD_ABSENCES = 20
"""So many are told one by one."""


class Attendance:
    """Follows a camera's presence and tells the journal of it.

    Parameters
    ----------
    info
        The camera's.
    fps
        What the run declares, in frames per second: by it frames that did not come are estimated.
    journal
        That is told.

    Attributes
    ----------
    presence
        What is known at the moment.
    silences
        Those in the middle of a connection that nothing caught up with (see `rheed_acquire.run.arrivals`).
    silent_end
        The one that lasted until the end of the run, if one did.
    behind
        How many frames fewer came than the rate promised, with nothing else that tells of them.
    held_back
        How many had not come of those that were held back before the run had all that it was to have.
    """

    def __init__(self, info: CameraInfo, fps: float, journal: Journal) -> None:
        self._info, self._fps, self._journal = info, fps, journal
        self.presence = Presence()
        self.silences: list[Silence] = []
        self.silent_end: Silence | None = None
        self.behind = self.held_back = 0

    def started(self, now_s: float) -> None:
        """Note that the camera was started for the first time."""
        self.presence.started(now_s)

    def frame_came(self, now_s: float) -> None:
        """Note that there are new frames."""
        presence = self.presence
        is_first = presence.last_frame_s is None and presence.absence is None
        if is_first and self._info.fps is not None and not self._info.recorded:
            self._tell_late_start(now_s - presence.started_s, self._info.fps)
        absence = presence.frame_came(now_s)
        if absence is not None and len(presence.past) <= TOLD_ABSENCES:
            self._journal.problem(
                FindingCode.CAMERA_AWAY,
                f"the camera was away for {absence.lasted_s(now_s):.1f} s: {absence.reason}",
                frames=self._cost_of(absence),
            )

    def lost(self, now_s: float, why: str) -> None:
        """Note that the camera is gone."""
        if self.presence.lost(now_s, why):
            self._journal.event(f"the camera was lost: {why}", "error")

    def connection_ended(self, arrivals: Arrivals, silent_end: Silence | None) -> None:
        """Take in what the arrivals of one connection tell; those of a recording tell nothing."""
        if self._info.recorded:
            return
        self.silences += arrivals.silences
        self.behind += 0 if self._info.can_wait else arrivals.behind
        self.silent_end = silent_end

    def complete(self, pushed: PushedFrames) -> None:
        """Note that all frames have come that were asked for: what might have caught up is not waited for.

        A silence just before the end is none where the last frames came as fast as those that were held back.
        """
        if self.silences and not self.silences[-1].is_settled and pushed.ends_catching_up(self._fps):
            self.held_back += self.silences.pop().frames

    def conclude(self, now_s: float, frames_received: int) -> None:
        """Say in what state the camera was when the run ended."""
        presence, silence = self.presence, self.silent_end
        more = presence.past[TOLD_ABSENCES:]
        absence = presence.run_ended(now_s)
        if more:
            self._journal.problem(
                FindingCode.CAMERA_AWAY,
                f"the camera was away {len(more)} more times, for "
                f"{sum(one.lasted_s(now_s) for one in more):.1f} s in all",
                frames=sum(map(self._cost_of, more)),
            )
        if absence is not None and not frames_received:
            self._journal.problem(
                FindingCode.NO_FRAME,
                f"the camera delivered no frame: {absence.reason}{_in_vain(absence)}",
                advice="",  # the reason says more than what is to be done where none is known
            )
        elif absence is not None:
            self._journal.problem(
                FindingCode.CAMERA_NOT_BACK,
                f"the camera was lost and did not come back: {absence.reason}{_in_vain(absence)}",
                frames=self._cost_of(absence),
            )
        elif silence is not None:
            self._journal.problem(
                FindingCode.SILENT_END,
                f"no frame came in the last {silence.seconds:.1f} s of the run",
                frames=silence.frames,
            )

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The times without frames, oldest first; complete after `conclude`."""
        stretches = [
            _stretch(one.since_s, one.lasted_s(one.since_s), self._cost_of(one), one.reason)
            for one in self.presence.past
        ]
        silences = self.silences if self.silent_end is None else [*self.silences, self.silent_end]
        stretches += [_stretch(one.begun_s, one.seconds, one.frames, "no frame came") for one in silences]
        return tuple(sorted(stretches, key=lambda one: one.begun_utc))

    def _tell_late_start(self, waited_s: float, fps: float) -> None:
        text = f"the first frame came {waited_s:.1f} s after the camera was started"
        if waited_s > max(MIN_STALL_S, STALL_PERIODS / fps):
            self._journal.problem(FindingCode.LATE_START, text, frames=max(0, round(fps * waited_s) - 1))
        elif waited_s > max(START_UP_S, STALL_PERIODS / fps):
            self._journal.warn(FindingCode.LATE_START, text)

    def _cost_of(self, absence: Absence) -> int:
        """How many frames the declared rate would have given between the last before and the first after."""
        return max(0, round(self._fps * absence.lasted_s(absence.since_s)) - 1)


def _in_vain(absence: Absence) -> str:
    """Say how long the camera was away at the end, and how often it was tried to open it again."""
    seconds, attempts = absence.lasted_s(absence.since_s), absence.attempts
    if not attempts:
        return ""
    times = f"{attempts} attempt{'' if attempts == 1 else 's'}"
    return f" ({times} to open it again in the last {seconds:.1f} s of the run)"


def _stretch(begun_s: float, seconds: float, frames: int, why: str) -> Stretch:
    begun_utc_ns = process_clock().utc_ns(round(begun_s * 1e9))
    return Stretch(datetime.fromtimestamp(begun_utc_ns / 1e9, UTC), seconds, frames, why)
