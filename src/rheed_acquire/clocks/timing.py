"""The computer's clock in UTC, and how a camera's goes beside it (see `rheed_acquire.clocks.camera_clock`).

Two clocks are at hand: this computer's, read when a frame arrives, which is late by an unknown transport
delay, and the camera's, which is exact in its steps but has its own origin and its own pace. Delays only ever
add: plotted over the camera's time, the difference "arrival less camera time" lies on or above a line, and
that line is the relation of the two clocks. Its height is taken from the frame that waited least in a sliding
window (the minimum filter of NTP, RFC 5905 section 10), its slope from the lower convex hull of a longer past
(S. B. Moon, P. Skelly, D. Towsley, "Estimation and Removal of Clock Skew from Network Delay Measurements",
IEEE INFOCOM 1999: of all lines that have every point above them, the one nearest to the points is the hull's
edge at their mean abscissa).
"""

from __future__ import annotations

import functools
import logging
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_MAX_SLOPE = 500e-6  # no crystal is worse; what looks steeper is a change of load
_BUCKETS_PER_WINDOW = 8
_BUCKETS = 256
_FORWARD_NS = 50_000_000  # below the envelope by more than this: the camera's clock was set forward
_GAP_NS = 1_000_000_000
_DOUBT = 4.0

_STEP_NS = 100_000_000
_NOISE_NS = 200_000
_FOLLOW_EVERY_NS = 1_000_000_000
_FOLLOW_PPM = 100.0


@dataclass(frozen=True, slots=True)
class Slew:
    """An offset that moves evenly towards its target: a clock that has it changes its pace, not its order.

    Attributes
    ----------
    begin_ns
        When it begins to move, as ``perf_counter_ns``.
    offset_ns, target_ns
        What is added to ``perf_counter_ns`` at first and in the end.
    ppm
        How fast it moves, in millionths; below a million, times with it never run backwards.
    """

    begin_ns: int
    offset_ns: int
    target_ns: int
    ppm: float

    def at(self, host_ns: int) -> int:
        """Give the offset at a ``perf_counter_ns``."""
        most = max(host_ns - self.begin_ns, 0) * self.ppm * 1e-6
        return self.offset_ns + round(min(max(self.target_ns - self.offset_ns, -most), most))


class HostClock:
    """Turns ``time.perf_counter_ns`` into UTC as this computer knows it.

    Anchored once: where somebody, or a time service, sets the wall clock by more than 100 ms in the middle of
    a run, the step is not followed, so that stamps stay even (`ignored_ns`; the reference clock of the server
    corrects what is wrong with all of them). Slow corrections are followed, at no more than 100 ppm: on
    Windows and macOS the performance counter is not disciplined, and would be off by seconds after days. Time
    that a sleeping Linux machine did not count is added at once. Any thread may use it.

    Parameters
    ----------
    wall_ns, steady_ns
        Stand in for ``time.time_ns`` and ``time.perf_counter_ns``.
    """

    def __init__(
        self, *, wall_ns: Callable[[], int] | None = None, steady_ns: Callable[[], int] | None = None
    ) -> None:
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        self._lock = threading.Lock()
        self.anchor()

    def anchor(self) -> None:
        """Take the wall clock as it is now for true; at the start of a run, never within one."""
        with self._lock:
            self._checked_ns, self._seen_ns = self._read()
            self._asleep_ns = _asleep_ns()
            self.ignored_ns = 0
            """Steps of the wall clock since the anchor that were not followed."""
            self._slew = Slew(self._checked_ns, self._seen_ns, self._seen_ns, 0.0)

    def utc_ns(self, host_ns: int) -> int:
        """Nanoseconds since 1970 in UTC of a ``perf_counter_ns`` reading."""
        if self._now_ns() - self._checked_ns >= _FOLLOW_EVERY_NS:
            self._follow()
        return host_ns + self._slew.at(host_ns)

    def now_ns(self) -> int:
        """Nanoseconds since 1970 in UTC."""
        return self.utc_ns(self._now_ns())

    def _now_ns(self) -> int:
        return self._steady_ns() if self._steady_ns else time.perf_counter_ns()

    def _read(self) -> tuple[int, int]:
        """When, and how far the wall clock is from ``perf_counter_ns``."""
        return offset_ns(self._now_ns, self._wall_ns or time.time_ns)

    def _follow(self) -> None:
        with self._lock:
            now, seen = self._read()
            change, elapsed = seen - self._seen_ns, now - self._checked_ns
            asleep = _asleep_ns()
            slept = asleep - self._asleep_ns
            self._checked_ns, self._seen_ns, self._asleep_ns = now, seen, asleep
            offset = self._slew.at(now)
            if slept > _STEP_NS:
                offset += slept
                change -= slept
            if abs(change) > _STEP_NS + elapsed * _MAX_SLOPE:
                self.ignored_ns += change
                logger.warning(
                    "this computer's clock was set by %+.3f s; stamps go on without the step", change / 1e9
                )
            target = seen - self.ignored_ns
            # What is within the noise of the reading itself is left alone, so that stamps are exactly even.
            if abs(target - offset) < _NOISE_NS:
                target = offset
            self._slew = Slew(now, offset, target, _FOLLOW_PPM)


def offset_ns(steady_ns: Callable[[], int], other_ns: Callable[[], int]) -> tuple[int, int]:
    """When, by the steady clock, and how far another clock is from it.

    A thread may be held up between any two readings: of several the least disturbed are taken.
    """
    readings = [(steady_ns(), other_ns(), steady_ns()) for _ in range(5)]
    before, other, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return after, other - (before + after) // 2


def _asleep_ns() -> int:
    """Time this machine has slept; 0 where ``perf_counter`` counts it, or nothing tells."""
    if sys.platform != "linux":
        return 0
    return offset_ns(time.perf_counter_ns, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME))[1]


@functools.cache
def process_clock() -> HostClock:
    """The one `HostClock` that everything in this process which stamps and corrects has in common."""
    return HostClock()


class Envelope:
    """The line below "arrival less camera time".

    It keeps the least delayed frame of each eighth of a window, 256 of them, so that memory is bounded and
    the work per chunk is that of one pass over its stamps.

    Parameters
    ----------
    window_ns
        How far around a time the least delayed frame is sought.
    """

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._width_ns = max(window_ns // _BUCKETS_PER_WINDOW, 1)
        # (camera time, arrival less camera time, arrival), in ns
        self._points: deque[tuple[int, int, int]] = deque(maxlen=_BUCKETS)
        self.slope: float | None = None
        """How much the difference grows per unit of the camera's time; None until enough is known."""

    def clear(self) -> None:
        """Forget everything: the camera's clock is another one now."""
        self._points.clear()
        self.slope = None

    def add(self, camera_ns: NDArray[np.int64], host_ns: NDArray[np.int64]) -> None:
        """Take frames in: (N,) camera times and (N,) arrivals."""
        if not len(camera_ns):
            return
        waited = host_ns - camera_ns
        level = (waited - waited[0]) - (self.slope or 0.0) * (camera_ns - camera_ns[0])
        edges = np.flatnonzero(np.diff(camera_ns // self._width_ns)) + 1
        for first, end in pairwise([0, *edges.tolist(), len(camera_ns)]):
            at = first + int(level[first:end].argmin())
            self._put(int(camera_ns[at]), int(waited[at]), int(host_ns[at]))

    def arrival_ns(self, camera_ns: int) -> int:
        """When a frame of this camera time would have arrived without delay, as ``perf_counter_ns``.

        Raises
        ------
        ValueError
            No frame was added since the last `clear`.
        """
        slope = self.slope or 0.0
        near = [point for point in self._points if abs(point[0] - camera_ns) <= self._window_ns]
        return camera_ns + min(
            waited + round(slope * (camera_ns - when)) for when, waited, _ in near or [self._points[-1]]
        )

    def _put(self, camera_ns: int, waited: int, host_ns: int) -> None:
        if self._points:
            last_ns, last_waited, last_host_ns = self._points[-1]
            late = waited - (self.arrival_ns(camera_ns) - camera_ns)
            gap = host_ns - last_host_ns > self._window_ns
            if late < -_FORWARD_NS or (gap and late > _GAP_NS):
                self.clear()
            elif camera_ns // self._width_ns <= last_ns // self._width_ns:
                if waited < last_waited + (self.slope or 0.0) * (camera_ns - last_ns):
                    self._points[-1] = (camera_ns, waited, host_ns)
                return
            else:
                self._fit()
        self._points.append((camera_ns, waited, host_ns))

    def _fit(self) -> None:
        """Find the slope; called when a bucket is complete."""
        base_ns, base_waited, _ = self._points[0]
        points = [(when - base_ns, waited - base_waited) for when, waited, _ in self._points]
        if len(points) < _BUCKETS_PER_WINDOW or points[-1][0] < 1.5 * self._window_ns:
            return
        hull: list[tuple[int, int]] = []
        for point in points:
            while len(hull) >= 2 and not _turns_up(hull[-2], hull[-1], point):
                hull.pop()
            hull.append(point)
        mean = sum(when for when, _ in points) / len(points)
        (x0, y0), (x1, y1) = next(edge for edge in pairwise(hull) if edge[1][0] >= mean)
        slope = (y1 - y0) / (x1 - x0)
        above = sum(y - y0 - slope * (x - x0) for x, y in points) / len(points)
        # The hull's corners are as uncertain as the points are scattered: that much slope is not believed, so
        # that mere noise tilts nothing.
        doubt = _DOUBT * above / points[-1][0]
        self.slope = math.copysign(min(max(abs(slope) - doubt, 0.0), _MAX_SLOPE), slope)


def _turns_up(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])
