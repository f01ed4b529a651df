"""The traces as far as a page can ask for them: fine for the last while, coarser for the rest."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.regions.regions import Region

LEVELS = 5
FACTOR = 16
KEPT = 1 << 15
"""Points of each level: at 1,000 frames/s 33 s of single frames, 9 min of 16 each, then 2 h, 37 h, 24 d."""
MOST_SHOWN = 1 << 10

Times = NDArray[np.float64]
Values = NDArray[np.float32]
_Float = TypeVar("_Float", np.float64, np.float32)


@dataclass(frozen=True, slots=True)
class Trace:
    """Traces of R regions at N times: ``utc_ms`` (N,), ``mean`` and ``maximum`` (R, N), NaN where unknown."""

    regions: tuple[Region, ...]
    utc_ms: Times
    mean: Values
    maximum: Values


class _Level:
    """Points of one coarseness, the last `KEPT` of them at least."""

    def __init__(self, rows: int) -> None:
        self.utc_ms = np.empty(2 * KEPT)
        self.mean = np.empty((rows, 2 * KEPT), np.float32)
        self.maximum = np.empty((rows, 2 * KEPT), np.float32)
        self.filled = 0
        self.forgotten = 0
        self.summed = 0  # of filled, how many are in the next level already

    def append(self, utc_ms: Times, mean: Values, maximum: Values) -> None:
        """Take points, at most `KEPT` at once."""
        if self.filled + len(utc_ms) > 2 * KEPT:
            drop = self.filled - KEPT
            for array in (self.utc_ms, self.mean, self.maximum):
                array[..., :KEPT] = array[..., drop : self.filled]
            self.filled = KEPT
            self.forgotten += drop
            self.summed -= drop
        here = slice(self.filled, self.filled + len(utc_ms))
        self.utc_ms[here], self.mean[:, here], self.maximum[:, here] = utc_ms, mean, maximum
        self.filled = here.stop

    def sum_up(self) -> tuple[Times, Values, Values] | None:
        """Take together what has come since the last time, `FACTOR` points each; None where too few have."""
        groups = (self.filled - self.summed) // FACTOR
        if not groups:
            return None
        here = slice(self.summed, self.summed + groups * FACTOR)
        self.summed = here.stop
        return (
            _means(self.utc_ms[here], FACTOR),
            _means(self.mean[:, here], FACTOR),
            self.maximum[:, here].reshape(len(self.maximum), groups, FACTOR).max(axis=2),
        )

    def with_rows(self, sources: Sequence[int | None]) -> _Level:
        """A copy whose rows are rows of this one; NaN where there is none."""
        copy = _Level(len(sources))
        copy.utc_ms, copy.filled = self.utc_ms, self.filled
        copy.forgotten, copy.summed = self.forgotten, self.summed
        for row, source in enumerate(sources):
            copy.mean[row] = np.nan if source is None else self.mean[source]
            copy.maximum[row] = np.nan if source is None else self.maximum[source]
        return copy


class TraceHistory:
    """Traces of the regions that are followed now; any thread may ask.

    A region keeps its past for as long as it stays where it is, whatever becomes of the others.

    Attributes
    ----------
    version
        Grows with each change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._regions: tuple[Region, ...] = ()
        self._levels = [_Level(0) for _ in range(LEVELS)]
        self.version = 0

    def append(
        self, regions: Sequence[Region], utc_ms: Times, mean: Values, maximum: NDArray[np.uint16]
    ) -> None:
        """Take what N frames gave: times (N,) in ms UTC, means and maxima (R, N).

        Times that lie before those already taken (a recording played again) begin anew.
        """
        with self._lock:
            self.version += 1
            first = self._levels[0]
            if first.filled and len(utc_ms) and utc_ms[0] < first.utc_ms[first.filled - 1]:
                self._levels = [_Level(len(self._regions)) for _ in range(LEVELS)]
            self._follow(tuple(regions))
            for begin in range(0, len(utc_ms), KEPT):
                here = slice(begin, begin + KEPT)
                points = (utc_ms[here], mean[:, here], maximum[:, here].astype(np.float32))
                for level in self._levels:
                    level.append(*points)
                    summed = level.sum_up()
                    if summed is None:
                        break
                    points = summed

    def _follow(self, regions: tuple[Region, ...]) -> None:
        before, now = ([region.box for region in some] for some in (self._regions, regions))
        if now != before:
            sources = [before.index(box) if box in before else None for box in now]
            self._levels = [level.with_rows(sources) for level in self._levels]
        self._regions = regions

    def latest(self) -> tuple[tuple[Region, ...], Values, Values]:
        """Return the regions with mean and maximum of the last frame, (R,) each; NaN before the first."""
        with self._lock:
            level = self._levels[0]
            if not level.filled:
                nothing = np.full(len(self._regions), np.nan, np.float32)
                return self._regions, nothing, nothing
            last = level.filled - 1
            return self._regions, level.mean[:, last].copy(), level.maximum[:, last].copy()

    def window(self, seconds: float | None) -> tuple[Trace, int]:
        """Return the last seconds (None: all) as finely as they are kept.

        Returns
        -------
        trace
            At most 2 * `KEPT` points.
        begun
            How many points of this coarseness lie before the first: with it, points can be grouped so that
            the groups stay the same as time goes on.
        """
        with self._lock:
            finest = self._levels[0]
            since = -np.inf if seconds is None else -1000 * seconds
            if finest.filled:
                since += finest.utc_ms[finest.filled - 1]
            return self._since(since)

    def since(self, utc_ms: float) -> tuple[Trace, int]:
        """Return what came after a time, in ms since 1970, UTC, as finely as it is kept; as `window`."""
        with self._lock:
            return self._since(np.nextafter(utc_ms, np.inf))

    def _since(self, since: float) -> tuple[Trace, int]:
        for level in self._levels:
            if not level.forgotten or (level.filled and level.utc_ms[0] <= since):
                break
        begin = int(np.searchsorted(level.utc_ms[: level.filled], since))
        here = slice(begin, level.filled)
        trace = Trace(
            self._regions,
            level.utc_ms[here].copy(),
            level.mean[:, here].copy(),
            level.maximum[:, here].copy(),
        )
        return trace, level.forgotten + begin


def thin_out(trace: Trace, begun: int) -> Trace:
    """Take points together until at most `MOST_SHOWN` remain: the mean of means, the maximum of maxima.

    Where frames are missing in between, a point of NaN interrupts the trace.
    """
    count = len(trace.utc_ms)
    together = 1
    while count > together * MOST_SHOWN:
        together *= 2
    skip = -begun % together
    groups = (count - skip) // together
    if together > 1 and groups:
        here = slice(skip, skip + groups * together)
        maximum = trace.maximum[:, here].reshape(len(trace.regions), groups, together).max(axis=2)
        trace = Trace(
            trace.regions,
            _means(trace.utc_ms[here], together),
            _means(trace.mean[:, here], together),
            maximum,
        )
    return _interrupted(trace)


def _interrupted(trace: Trace) -> Trace:
    steps = np.diff(trace.utc_ms)
    if not len(steps):
        return trace
    after = np.flatnonzero(steps > 4 * np.median(steps) + 250) + 1
    if not len(after):
        return trace
    between = (trace.utc_ms[after - 1] + trace.utc_ms[after]) / 2
    return Trace(
        trace.regions,
        np.insert(trace.utc_ms, after, between),
        np.insert(trace.mean, after, np.nan, axis=1),
        np.insert(trace.maximum, after, np.nan, axis=1),
    )


def _means(values: NDArray[_Float], together: int) -> NDArray[_Float]:
    shape = (*values.shape[:-1], values.shape[-1] // together, together)
    means: NDArray[_Float] = values.reshape(shape).mean(axis=-1, dtype=values.dtype)
    return means
