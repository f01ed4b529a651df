"""Whether a camera's stamps can be believed, by what the arrivals of its frames allow.

Stamps come in every state: absent or 0 in between, all bits set, standing still, in other units than they
are said to be, set back or forward when the clock is synchronised. None of this is a loss of frames, and all
of it shows against this computer's clock, which is late but sure. Three laws hold for a clock that is right:

- a frame is captured after the one before it;
- a frame is captured before it arrives: its way takes no less time than the shortest seen. Frames that come
  at their regular pace are excused for as long as a queue may take that empties itself: until it has, nobody
  has seen the shortest way yet;
- of two clocks that disagree about how much time has passed, that one is right by which the camera keeps its
  declared pace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLACK_NS = 50_000_000
"""By how much arrivals are trusted to tell what a clock may say."""
CONFIRMED_BY = 5
"""So many stamps in a row that agree with each other and not with those before are a clock that was set."""
DISAGREE = 1 / 3
"""Two clocks that have seen one second and this much more or less do not tell the same time."""
DOUBT_NS = 1_000_000_000
"""A clock that has disagreed for so long is not believed any more."""
LONGEST_QUEUE_NS = 2_000_000_000
"""No driver holds frames of so much time and of `_QUEUED` periods more: a clock by which they come so much
sooner than after their first second is not believed any more."""

_PACE = 1.5
_LATEST_NS = 2**62  # 146 years
_MAX_SLOPE = 500e-6  # no crystal is worse
_MAX_FAST = 0.01  # nor is any clock that is of use
_QUEUED = 10  # buffers, the fewest that a driver is given


def is_stamp(stamps_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of (N,) stamps may be some: not those that say "unknown", nor such as no clock reaches."""
    some: NDArray[np.bool_] = (stamps_ns >= 0) & (stamps_ns < _LATEST_NS)
    return some


@dataclass(frozen=True, slots=True)
class Judged:
    """What a chunk's stamps are worth.

    Attributes
    ----------
    believed
        (N,) bool.
    counter_ns
        (N,) int64: the stamps without the counter's wraps; meaningless where they are not believed.
    anew
        (N,) bool: with this stamp, a believed one, the clock has begun anew.
    """

    believed: NDArray[np.bool_]
    counter_ns: NDArray[np.int64]
    anew: NDArray[np.bool_]


@dataclass(slots=True)
class _Kept:
    """The latest frame of a clock, and the least time that any of its frames was on the way."""

    stamp_ns: int
    host_ns: int
    least_ns: int

    def allows(self, stamp_ns: int, host_ns: int, regular_ns: int) -> bool:
        """Whether a frame after it can have been captured then."""
        step = stamp_ns - self.stamp_ns
        return step > 0 and (step <= regular_ns or host_ns - stamp_ns >= self.least_ns - SLACK_NS)

    def off_ns(self, stamp_ns: int, host_ns: int) -> int:
        """How far a frame's way is from the shortest seen."""
        return abs(host_ns - stamp_ns - self.least_ns)

    def take(self, stamp_ns: int, host_ns: int) -> None:
        # Two clocks drift apart: what was the least way an hour ago says less than it did.
        self.least_ns += round(_MAX_SLOPE * max(0, host_ns - self.host_ns))
        self.least_ns = min(self.least_ns, host_ns - stamp_ns)
        self.stamp_ns, self.host_ns = stamp_ns, host_ns


class StampJudge:
    """Judges a camera's stamps, chunk by chunk, in order.

    Parameters
    ----------
    period_ns
        From frame to frame as the run declares it.
    wraps_ns
        See `rheed_acquire.cameras.camera.CameraInfo.timestamp_wraps_ns`. A delivery that stalls for about as
        long cannot be told from a wrap.

    Attributes
    ----------
    frames, unknown, odd
        Stamps judged; of them, those that say nothing, and those that contradict their neighbours.
    wraps, restarts
        How often the counter wrapped, and began anew.
    jump_s
        The largest step of a clock that began anew, in seconds; 0 where none did.
    pace
        How many seconds of its own a clock counts in one that is not believed for it; else None.
    """

    def __init__(self, period_ns: float, *, wraps_ns: int | None = None) -> None:
        self._period_ns, self._wraps_ns = period_ns, wraps_ns
        self.frames = self.unknown = self.odd = self.wraps = self.restarts = 0
        self.jump_s = 0.0
        self.pace: float | None = None
        self.restarted()

    def restarted(self) -> None:
        """Begin anew, because the camera was opened again."""
        self._kept: _Kept | None = None
        self._rival: _Kept | None = None
        self._rival_frames = 0
        self._before: tuple[int, int] | None = None  # counter and arrival of the frame before, for wraps
        self._paced: NDArray[np.int64] | None = None  # stamp, arrival, id and place of the latest frame
        self._passed = np.zeros(3)  # since the pace was looked at: by stamps, by arrivals, by ids
        self._doubted_ns = 0.0
        # By stamps and by arrivals, once the clock's first second is over.
        self._since: NDArray[np.float64] | None = None
        self.pace = None

    def judge(
        self, stamps_ns: NDArray[np.int64], host_ns: NDArray[np.int64], ids: NDArray[np.int64]
    ) -> Judged:
        """Judge a chunk's stamps: (N,) each, with the arrivals and the camera's ids, negative for none."""
        count = len(stamps_ns)
        known = np.flatnonzero(is_stamp(stamps_ns))
        believed, anew = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        counter = stamps_ns.astype(np.int64)
        self.frames += count
        self.unknown += count - len(known)
        if not len(known) or self.pace is not None:
            return Judged(believed, counter, anew)
        counter[known] = self._unwrapped(stamps_ns[known], host_ns[known])
        # How many periods passed since the frame before that has a stamp.
        steps = np.diff(known, prepend=known[0] - 1)
        counted = np.diff(ids[known], prepend=ids[known[0]] - 1)
        periods = np.maximum(steps, np.where(ids[known] >= 0, counted, 0))
        regular = (_PACE * periods * self._period_ns + SLACK_NS).clip(max=2.0**62).astype(np.int64)
        if self._all_hold(counter[known], host_ns[known], regular):
            believed[known] = True
        else:
            self._one_by_one(known, counter, host_ns, regular, believed, anew)
        if not self._keeps_pace(believed, anew, counter, host_ns, ids):
            believed[:] = anew[:] = False
        return Judged(believed, counter, anew)

    def _all_hold(
        self, counter: NDArray[np.int64], host_ns: NDArray[np.int64], regular: NDArray[np.int64]
    ) -> bool:
        """Take all stamps of a chunk at once where none breaks a law: as good as always."""
        if self._rival is not None:
            return False
        waited = host_ns - counter
        least = np.minimum.accumulate(waited)
        if self._kept is not None:
            least = np.minimum(least, self._kept.least_ns)
        steps = np.diff(counter)
        holds = (steps > 0) & ((steps <= regular[1:]) | (waited[1:] >= least[:-1] - SLACK_NS))
        first, arrived = int(counter[0]), int(host_ns[0])
        if not holds.all() or (
            self._kept is not None and not self._kept.allows(first, arrived, int(regular[0]))
        ):
            return False
        if self._kept is None:
            self._kept = _Kept(first, arrived, arrived - first)
        self._kept.take(int(counter[-1]), int(host_ns[-1]))
        self._kept.least_ns = min(self._kept.least_ns, int(waited.min()))
        return True

    def _one_by_one(
        self,
        known: NDArray[np.intp],
        counter: NDArray[np.int64],
        host_ns: NDArray[np.int64],
        regular: NDArray[np.int64],
        believed: NDArray[np.bool_],
        anew: NDArray[np.bool_],
    ) -> None:
        rivals: list[int] = []  # those of this chunk
        for place, pace in zip(known.tolist(), regular.tolist(), strict=True):
            stamp, host = int(counter[place]), int(host_ns[place])
            if self._kept is None:
                self._kept = _Kept(stamp, host, host - stamp)
            elif self._kept.allows(stamp, host, pace) and not self._is_the_rivals(stamp, host, pace):
                self._kept.take(stamp, host)
                self._dismiss()
                rivals = []
            else:
                if self._rival is not None and self._rival.allows(stamp, host, pace):
                    self._rival.take(stamp, host)
                    self._rival_frames += 1
                    rivals.append(place)
                else:
                    self._dismiss()
                    self._rival, self._rival_frames = _Kept(stamp, host, host - stamp), 1
                    rivals = [place]
                if self._rival_frames >= CONFIRMED_BY:
                    self._enthrone()
                    believed[rivals] = True
                    anew[rivals[0]] = True
                continue
            believed[place] = True

    def _is_the_rivals(self, stamp_ns: int, host_ns: int, regular_ns: int) -> bool:
        """Whether a stamp that the clock allows is rather another's: one that was set back catches it up."""
        kept, rival = self._kept, self._rival
        if kept is None or rival is None or not rival.allows(stamp_ns, host_ns, regular_ns):
            return False
        return rival.off_ns(stamp_ns, host_ns) < kept.off_ns(stamp_ns, host_ns)

    def _dismiss(self) -> None:
        """Give up the stamps that were the beginning of another clock, perhaps."""
        self.odd += self._rival_frames
        self._rival, self._rival_frames = None, 0

    def _enthrone(self) -> None:
        """Take the clock that has come up for the one that holds."""
        assert self._kept is not None
        assert self._rival is not None
        jump = (self._kept.least_ns - self._rival.least_ns) / 1e9
        self.jump_s = max(self.jump_s, jump, key=abs)
        self.restarts += 1
        self._kept, self._rival, self._rival_frames = self._rival, None, 0
        self._passed[:] = 0.0
        self._since = None

    def _keeps_pace(
        self,
        believed: NDArray[np.bool_],
        anew: NDArray[np.bool_],
        counter: NDArray[np.int64],
        host_ns: NDArray[np.int64],
        ids: NDArray[np.int64],
    ) -> bool:
        places = np.flatnonzero(believed)
        if not len(places):
            return True
        frames = np.stack((counter[places], host_ns[places], ids[places], places))
        before = frames[:, :1] if self._paced is None else self._paced
        self._paced = frames[:, -1:] - np.array([[0], [0], [0], [len(believed)]])
        stamp_steps, waits, counted, passed = np.diff(np.concatenate((before, frames), axis=1), axis=1)
        within = ~anew[places]
        periods = np.maximum(passed, np.where(ids[places] >= 0, counted, 0))[within].sum()
        by_stamps, by_arrivals = stamp_steps[within].sum(), waits[within].sum()
        self._passed += (by_stamps, by_arrivals, periods * self._period_ns)
        if self._since is not None:
            self._since += (by_stamps, by_arrivals)
            told, waited = self._since.tolist()
            if told - waited > LONGEST_QUEUE_NS + _QUEUED * self._period_ns + _MAX_FAST * waited:
                self.pace = told / max(waited, 1.0)
                return False
        stamps, arrivals, declared = self._passed.tolist()
        apart = abs(stamps - arrivals) > SLACK_NS + DISAGREE * max(stamps, arrivals)
        wrong = apart and abs(stamps - declared) > abs(arrivals - declared)
        if wrong:
            self._doubted_ns += float(by_arrivals)
            if self._doubted_ns >= DOUBT_NS:
                self.pace = stamps / arrivals
        else:
            self._doubted_ns = 0.0
        if arrivals >= DOUBT_NS and not wrong:
            self._passed[:] = 0.0
            if self._since is None:
                self._since = np.zeros(2)
        return not wrong

    def _unwrapped(
        self, stamps_ns: NDArray[np.int64], host_ns: NDArray[np.int64]
    ) -> NDArray[np.int64] | NDArray[np.float64]:
        if self._wraps_ns is None:
            return stamps_ns
        last_stamp_ns, last_host_ns = self._before or (int(stamps_ns[0]), int(host_ns[0]))
        self._before = (int(stamps_ns[-1]), int(host_ns[-1]))
        steps, passed = (
            np.diff(stamps_ns, prepend=last_stamp_ns),
            np.diff(host_ns, prepend=last_host_ns),
        )
        wraps = np.rint((passed - steps) / self._wraps_ns).astype(np.int64).clip(min=0)
        # After a wrap the step is as long as the wait was; where the counter began anew, by chance only.
        wraps[abs(steps + wraps * self._wraps_ns - passed) > self._wraps_ns // 4] = 0
        counted = self.wraps + np.cumsum(wraps)
        self.wraps = int(counted[-1])
        unwrapped: NDArray[np.int64] = stamps_ns + counted * self._wraps_ns
        return unwrapped

    def findings(self) -> list[tuple[str, str]]:
        """What is wrong with the clock: of each kind its name, and a clause with the figures."""
        found = []
        pace = self.pace  # which another thread may be judging just now
        if pace is not None:
            found.append(("pace", f"it counts {pace:.3g} s in a second, so that arrivals date the frames"))
        if self.restarts:
            found.append(("set", f"it was set {self.restarts} times, by {self.jump_s:+.3g} s at most"))
        if self.odd:
            found.append(("odd", f"{self.odd} of {self.frames} stamps contradict those around them"))
        if 0 < self.unknown < self.frames:
            found.append(("unknown", f"{self.unknown} of {self.frames} frames have no stamp"))
        return found
