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

PACED_NS = 200_000_000
"""Frames of so much time tell how fast a camera really is."""
LISTED = 1000
"""A report names this many pauses one by one, and as many gaps."""


@dataclass(slots=True)
class _Pending:
    """Pauses, one soon after the other, with which frames may still catch up."""

    seconds: list[float] = field(default_factory=list)
    left_ns: float = 0.0
    surplus: float = 0.0
    """Frames that have come since, less those that the rate promises for the time."""


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
        self._lost: list[float] = []
        self._pending: _Pending | None = None
        self._before: tuple[NDArray[np.int64], CaptureTimes] | None = None

    @property
    def lost(self) -> list[float]:
        """Those that have not been caught up with so far, in seconds: the first `LISTED`."""
        pending = self._pending
        if pending is None or self._is_made_up(pending):
            return self._lost
        return [*self._lost, *pending.seconds][:LISTED]

    def interrupt(self) -> None:
        """Note that what comes next cannot be held against what came before."""
        self._judge()
        self._before = None

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
        unexplained = (steps > allowed) & (np.diff(ids[places]) <= frames) & ~anew
        if self._pending is None:
            ahead = int(unexplained.argmax()) if unexplained.any() else len(steps)
            # Not by frames that come at once: those have waited, as at the start of a run.
            if steps[:ahead].sum() >= PACED_NS:
                pace_ns = float(np.quantile(steps[:ahead] / frames[:ahead], 0.9, method="higher"))
                self._pace_ns = min(max(pace_ns, 1.0), self._period_ns)
            if ahead == len(steps):
                return
        self._follow(steps, frames, unexplained, anew)

    def _follow(
        self,
        steps: NDArray[np.int64],
        frames: NDArray[np.intp],
        unexplained: NDArray[np.bool_],
        anew: NDArray[np.bool_],
    ) -> None:
        """Take pauses up, and count what comes after each."""
        for place, surplus in enumerate((frames - steps / self._pace_ns).tolist()):
            if unexplained[place]:
                if self._pending is not None and len(self._pending.seconds) == LISTED:
                    self._judge()
                pending = self._pending = self._pending or _Pending()
                pause_ns = steps[place] - np.round((frames[place] - 1) * self._period_ns)
                pending.seconds.append(float(pause_ns) / 1e9)
                pending.left_ns = SETTLE_S * 1e9 + 2 * self._period_ns
            elif self._pending is not None:
                self._pending.left_ns -= int(steps[place])
                if anew[place] or self._pending.left_ns < 0:
                    self._judge()
                else:
                    self._pending.surplus += surplus

    def _judge(self) -> None:
        self._lost, self._pending = self.lost, None

    def _is_made_up(self, pending: _Pending) -> bool:
        """Whether most of the frames that a rate promises for the pauses have come after them."""
        promised = sum(pending.seconds) * 1e9 / self._period_ns - len(pending.seconds)
        return pending.surplus >= promised / 2
