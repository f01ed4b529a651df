"""Pauses of a camera by its own clock: steps longer than its rate allows and its frame ids explain.

A pause costs frames unless what comes after it catches up. A clock that dates frames as they are handed
over, as many an SDK has it, pauses wherever a thread had to wait: the frames that waited follow at once, and
none is missing. `rheed_acquire.run.arrivals` judges silences in the same way, by the arrivals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.run.arrivals import SETTLE_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.clocks.camera_clock import CaptureTimes

PACED_NS, PACED_STEPS = 200_000_000, 4
"""Frames of so much time, and so many steps from one to the next, tell how fast a camera really is."""
_LATEST = 512
"""By so many steps it is told."""
LISTED = 1000
"""A report names this many pauses one by one, and as many gaps."""


@dataclass(frozen=True, slots=True)
class Between:
    """Steps from a chunk to the next that cost no frame: how many frames they lead on, and for how long."""

    frames: int = 0
    ns: int = 0

    def __add__(self, other: Between) -> Between:
        return Between(self.frames + other.frames, self.ns + other.ns)


@dataclass(slots=True)
class _Pending:
    """Pauses, one soon after the other, with which frames may still catch up."""

    seconds: list[float] = field(default_factory=list)
    left_ns: float = 0.0
    came: int = 0
    """Frames that have come since."""
    surplus: float = 0.0
    """These, less those that the rate promises for the time."""
    between: Between = Between()
    """Of the pauses, those that lie between two chunks."""


class Pauses:
    """Finds the pauses of a camera, chunk by chunk, in order.

    Parameters
    ----------
    longest_ns
        Step of the clock from one frame to the next that is not a pause.
    period_ns
        From frame to frame as the run declares it.
    """

    def __init__(self, longest_ns: int, period_ns: float) -> None:
        self._longest_ns, self._period_ns = longest_ns, period_ns
        # A camera that is faster than declared does not catch up with anything by that.
        self._pace_ns = period_ns
        self._paced = np.empty(0, np.int64), np.empty(0, np.intp)
        self._lost: list[float] = []
        self._pending: _Pending | None = None
        self._between = Between()
        self._before: tuple[NDArray[np.int64], CaptureTimes] | None = None

    @property
    def lost(self) -> list[float]:
        """Those that have not been caught up with so far, in seconds: the first `LISTED`."""
        pending = self._pending
        if pending is None or self._is_made_up(pending):
            return self._lost
        return [*self._lost, *pending.seconds][:LISTED]

    @property
    def between(self) -> Between:
        """What lies between two chunks by the camera's clock, without what was lost there."""
        pending = self._pending
        return self._between + pending.between if pending and self._is_made_up(pending) else self._between

    @property
    def is_pending(self) -> bool:
        """Whether a pause may still be caught up with."""
        return self._pending is not None

    def interrupt(self) -> None:
        """Note that what comes next cannot be held against what came before."""
        self._judge()
        self._before = None

    def complete(self) -> None:
        """Note that all frames have come that were asked for: what might have caught up is not waited for."""
        pending = self._pending
        if pending is not None and 0 < pending.came <= 2 * pending.surplus:
            self._pending = None
            if pending.between.frames:
                # As long as it would take at the camera's pace, so that the rate is that of the others.
                self._between += Between(pending.between.frames, round(pending.surplus * self._pace_ns))

    def add(self, ids: NDArray[np.int64], times: CaptureTimes) -> None:
        """Look at a chunk: (N,) ids of its frames, negative for none, and when they were captured."""
        counter, by_camera, anew = times.counter_ns, times.by_camera, times.anew
        before, self._before = self._before, (ids, times)
        if before is not None:
            earlier = before[1]
            ids = np.concatenate((before[0][-1:], ids))
            counter = np.concatenate((earlier.counter_ns[-1:], counter))
            by_camera = np.concatenate((earlier.by_camera[-1:], by_camera))
            anew = np.concatenate((earlier.anew[-1:], anew))
        # Only what one clock has seen on both sides: arrivals are late for reasons of their own.
        places = np.flatnonzero(by_camera)
        steps, frames, anew = np.diff(counter[places]), np.diff(places), anew[places[1:]]
        allowed = self._longest_ns + np.round((frames - 1) * self._period_ns).astype(np.int64)
        # Where the ids jump the loss is known already: a gap of the camera, or an overrun of ours.
        numbered = np.diff(ids[places]) <= frames
        unexplained = (steps > allowed) & numbered & ~anew
        between = Between()
        leads_on = before is not None and bool(by_camera[0]) and len(steps) > 0 and steps[0] > 0
        if leads_on and numbered[0] and not anew[0]:
            between = Between(int(frames[0]), int(steps[0]))
        if not unexplained[:1].any():
            self._between += between
        if self._pending is None:
            ahead = int(unexplained.argmax()) if unexplained.any() else len(steps)
            self._learn_pace(steps[:ahead], frames[:ahead])
            if ahead == len(steps):
                return
        self._follow(steps, frames, unexplained, anew, between)

    def _learn_pace(self, steps: NDArray[np.int64], frames: NDArray[np.intp]) -> None:
        steps = np.concatenate((self._paced[0], steps))[-_LATEST:]
        frames = np.concatenate((self._paced[1], frames))[-_LATEST:]
        self._paced = steps, frames
        if steps.sum() >= PACED_NS and len(steps) >= PACED_STEPS:
            self._pace_ns = min(max(_pace(steps, frames), 1.0), self._period_ns)

    def _follow(
        self,
        steps: NDArray[np.int64],
        frames: NDArray[np.intp],
        unexplained: NDArray[np.bool_],
        anew: NDArray[np.bool_],
        between: Between,
    ) -> None:
        """Take pauses up, the first maybe between two chunks, and count what comes after each."""
        for place, surplus in enumerate((frames - steps / self._pace_ns).tolist()):
            if unexplained[place]:
                if self._pending is not None and len(self._pending.seconds) == LISTED:
                    self._judge()
                pending = self._pending = self._pending or _Pending()
                pause_ns = steps[place] - np.round((frames[place] - 1) * self._period_ns)
                pending.seconds.append(float(pause_ns) / 1e9)
                pending.left_ns = SETTLE_S * 1e9 + 2 * self._period_ns
                if place == 0:
                    pending.between += between
            elif self._pending is not None:
                self._pending.left_ns -= int(steps[place])
                if anew[place] or self._pending.left_ns < 0:
                    self._judge()
                else:
                    self._pending.came += int(frames[place])
                    self._pending.surplus += surplus

    def _judge(self) -> None:
        self._lost, self._between, self._pending = self.lost, self.between, None

    def _is_made_up(self, pending: _Pending) -> bool:
        """Whether most of the frames that a rate promises for the pauses have come after them."""
        promised = sum(pending.seconds) * 1e9 / self._period_ns - len(pending.seconds)
        return pending.surplus >= promised / 2


def _pace(steps: NDArray[np.int64], frames: NDArray[np.intp]) -> float:
    """From frame to frame, in nanoseconds: not by frames that have waited, as at the start of a run."""
    paces = steps / frames
    # Some may come at once all the time: from the first one that did not to the last.
    apart = np.flatnonzero(paces >= steps.sum() / frames.sum())
    among = slice(apart[0] + 1, apart[-1] + 1)
    mean = steps[among].sum() / frames[among].sum() if len(apart) > 1 else 0.0
    return max(float(mean), float(np.quantile(paces, 0.9, method="higher")))
