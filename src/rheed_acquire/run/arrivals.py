"""Silences of a camera that nothing else tells of: frames that a rate promised, and that did not come.

A camera without frame numbers and clock loses frames without a trace but this one: for a while nothing comes.
A silence costs frames unless what comes after it catches up, as frames do that were only held back. Frames
that come ever later are fewer than the rate has promised, too, with no silence among them.

`Arrivals` is told how many frames have come by when, some times a second, and reads no clock of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

SILENCE_S = 1.0
SILENCE_PERIODS = 4
"""Shorter than these, both of them, and than the gap tolerance, a silence is none: frames come in bursts, and
threads have to wait for a processor."""
SETTLE_S = 1.0
"""How long frames that were held back may take to come after a silence."""
PACED_S = 5.0
"""Frames of so long tell how fast a camera really is; in less a burst at the start would count too much."""
KEPT_SILENCES = 1000


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which the frames that the rate promises did not come, and were not caught up with.

    Attributes
    ----------
    begun_s, ended_s
        When the last frame before it came, and the first after it, or the end of the run.
    frames
        How many it may have cost, by the rate.
    is_settled
        Whether what could have caught up with it had the time to come before the end.
    """

    begun_s: float
    ended_s: float
    frames: int
    is_settled: bool = True

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended_s - self.begun_s


@dataclass(slots=True)
class _Pending:
    """A silence that is over, and may still be caught up with."""

    begun_s: float
    ended_s: float
    frames_before: int
    missing_before: int


class Arrivals:
    """Finds the silences of one connection to a camera.

    Parameters
    ----------
    fps
        What the run declares, in frames per second.
    tolerance_s
        A silence up to this is none (see `rheed_acquire.settings.run_settings.RunSettings.gap_tolerance`).
    fps_tolerance
        By which fraction the camera may be slower.

    Attributes
    ----------
    silences
        The first `KEPT_SILENCES`.
    """

    def __init__(self, fps: float, tolerance_s: float, fps_tolerance: float = 0.0) -> None:
        self._fps, self._fps_tolerance = fps, fps_tolerance
        self._uneven_s = max(SILENCE_S, SILENCE_PERIODS / fps)
        self._least_s = max(self._uneven_s, tolerance_s)
        self._habit_s = 0.0
        self._rested_s = 0.0
        self._first: tuple[float, int, int] | None = None
        self._last: tuple[float, int, int] | None = None
        self._pending: _Pending | None = None
        self.silences: list[Silence] = []

    def look(self, now_s: float, frames: int, missing: int) -> None:
        """Take note of how many frames have come, and how many are known to be missing."""
        pending = self._pending
        if pending is not None and now_s - pending.ended_s >= SETTLE_S:
            self._judge(pending, now_s, frames, missing)
        last = self._last
        if frames == (0 if last is None else last[1]):
            return
        if last is None:
            self._first = (now_s, frames, missing)
        elif self._uneven_s < now_s - last[0] <= self._least_s:
            self._rested_s += now_s - last[0]
        elif now_s - last[0] > self._least_s:
            if self._pending is not None:
                self._judge(self._pending, last[0], last[1], last[2])
            self._pending = _Pending(last[0], now_s, last[1], last[2])
        self._last = (now_s, frames, missing)

    def end(self, now_s: float, frames: int, missing: int, *, is_lost: bool) -> Silence | None:
        """Take note of the end of the connection.

        Parameters
        ----------
        is_lost
            Whether the camera was lost: what came last is told of that, then.

        Returns
        -------
        Silence or None
            The one that lasted until the end, if one did; it is not among `silences`.
        """
        self.look(now_s, frames, missing)
        last = self._last
        if self._pending is not None and last is not None:
            self._judge(self._pending, last[0], last[1], last[2])
        if is_lost or last is None or now_s - last[0] <= max(self._least_s, 2 * self._habit_s):
            return None
        return Silence(last[0], now_s, self._promised(last[0], now_s))

    @property
    def behind(self) -> int:
        """How many frames fewer had come with the last than the rate promised since the first, if any.

        Without those that are told of otherwise, by a silence or as missing, and without what the rate's
        tolerance and the habits of the camera allow; complete after `end`.
        """
        first, last = self._first, self._last
        if first is None or last is None:
            return 0
        passed_s = last[0] - first[0] - self._rested_s
        came = last[1] - first[1] + last[2] - first[2]
        behind = self._fps * passed_s - came - sum(silence.frames for silence in self.silences)
        allowed_s = max(self._uneven_s, 2 * self._habit_s) + self._fps_tolerance * passed_s
        return round(behind) if behind > self._fps * allowed_s else 0

    def _judge(self, pending: _Pending, now_s: float, frames: int, missing: int) -> None:
        """Say what a silence has cost, now that what could catch up with it has come."""
        self._pending = None
        silent_s = pending.ended_s - pending.begun_s
        promised = self._fps * silent_s
        # What came since at the camera's pace is no catching up; where less came, that is another silence's.
        came = frames - pending.frames_before - self._pace_before(pending) * (now_s - pending.ended_s)
        lost = promised - max(0.0, came)
        if lost <= promised / 2:
            self._habit_s = max(self._habit_s, silent_s)
            return
        lost -= missing - pending.missing_before  # the camera's own numbers tell of those
        if lost > promised / 2 and len(self.silences) < KEPT_SILENCES:
            is_settled = now_s - pending.ended_s >= SETTLE_S
            self.silences.append(Silence(pending.begun_s, pending.ended_s, round(lost), is_settled))

    def _pace_before(self, pending: _Pending) -> float:
        """Frames per second until a silence, of a camera that is faster than declared; else the declared."""
        first = self._first
        assert first is not None
        passed_s, came = pending.begun_s - first[0], pending.frames_before - first[1]
        return max(self._fps, came / passed_s) if passed_s >= PACED_S else self._fps

    def _promised(self, since_s: float, until_s: float) -> int:
        return max(0, round(self._fps * (until_s - since_s)))
