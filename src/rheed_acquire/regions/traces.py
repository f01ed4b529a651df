"""The intensity of each region, frame by frame, in bounded memory.

Of the latest frames every value is kept; of the whole run, however long, a fixed number of buckets that
widen as it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rheed_acquire.frames.frame_form import Levels
    from rheed_acquire.regions.regions import Region

RECENT_FRAMES = 2**19
"""Frames whose values are all kept: 8.7 minutes at 1,000 frames/s; 14 bytes each for a region."""
BUCKETS = 4096
"""Most buckets that the whole run is kept in; even, so that two of them make one."""

_FIRST_CAPACITY = 2**12
_SLICE_BYTES = 2**22
_UINT32_AREA = {1: 2**24, 2: 2**16}
"""Pixels whose sum is below 2**32, by the bytes of each."""


@dataclass(frozen=True, slots=True)
class Points:
    """The values of R regions in N consecutive frames.

    Attributes
    ----------
    utc_ms
        (N,) float64: when each frame was captured, in ms since 1970 in UTC.
    mean
        (R, N) float32: mean gray level of the region.
    maximum
        (R, N) uint16: its brightest pixel.
    """

    utc_ms: NDArray[np.float64]
    mean: NDArray[np.float32]
    maximum: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class TraceOverview:
    """One region over the whole run, in B buckets of equally many frames each; the last may have fewer.

    Attributes
    ----------
    utc_ms
        (B,) float64: capture of the first frame of each bucket.
    frames
        (B,) int64: frames in it.
    lowest, mean, highest
        (B,) float32: least, mean and greatest of the frames' mean gray levels.
    maximum
        (B,) uint16: brightest pixel of all.
    """

    utc_ms: NDArray[np.float64]
    frames: NDArray[np.int64]
    lowest: NDArray[np.float32]
    mean: NDArray[np.float32]
    highest: NDArray[np.float32]
    maximum: NDArray[np.uint16]


class Trace:
    """One region's values since it was drawn.

    Parameters
    ----------
    recent
        Frames whose values are all kept.
    buckets
        Most buckets of the whole run; an even number.
    """

    def __init__(self, recent: int = RECENT_FRAMES, buckets: int = BUCKETS) -> None:
        if recent < 1 or buckets < 2 or buckets % 2:
            raise ValueError(
                f"recent is {recent} and must be 1 or more, buckets {buckets}, even and 2 or more"
            )
        self._recent_limit, self._buckets = recent, buckets
        self.frames = 0
        capacity = min(recent, _FIRST_CAPACITY)
        self._utc_ms = np.empty(capacity, np.float64)
        self._mean = np.empty(capacity, np.float32)
        self._maximum = np.empty(capacity, np.uint16)
        self._width = 1
        self._first_utc_ms = np.empty(buckets, np.float64)
        self._sum = np.empty(buckets, np.float64)
        self._lowest = np.empty(buckets, np.float32)
        self._highest = np.empty(buckets, np.float32)
        self._brightest = np.empty(buckets, np.uint16)

    def add(
        self, utc_ms: NDArray[np.float64], mean: NDArray[np.float32], maximum: NDArray[np.uint16]
    ) -> None:
        """Take the values of consecutive frames, (N,) each."""
        if not len(utc_ms):
            return
        self._grow(self.frames + len(utc_ms))  # first: what may fail for want of memory leaves all as it was
        self._add_to_buckets(utc_ms, mean, maximum)
        # Where more comes than is kept, numpy lets the last value for a place stand.
        places = np.arange(self.frames, self.frames + len(utc_ms)) % len(self._utc_ms)
        self._utc_ms[places] = utc_ms
        self._mean[places] = mean
        self._maximum[places] = maximum
        self.frames += len(utc_ms)

    def recent(
        self, frames: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.uint16]]:
        """Copy the latest values, oldest first: captures in ms UTC, mean and maximum, (N,) each.

        Parameters
        ----------
        frames
            The most that are wanted; by default all that are kept.
        """
        count = min(self.frames, len(self._utc_ms))
        if frames is not None:
            count = min(count, frames)
        start = (self.frames - count) % len(self._utc_ms)
        end = start + count
        parts = [slice(start, min(end, len(self._utc_ms))), slice(0, max(0, end - len(self._utc_ms)))]

        def latest(values: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([values[part] for part in parts])

        return latest(self._utc_ms), latest(self._mean), latest(self._maximum)

    def overview(self) -> TraceOverview:
        """Copy the whole run's buckets."""
        used = -(-self.frames // self._width)
        counts = np.full(used, self._width, np.int64)
        if used:
            counts[-1] = self.frames - (used - 1) * self._width
        return TraceOverview(
            utc_ms=self._first_utc_ms[:used].copy(),
            frames=counts,
            lowest=self._lowest[:used].copy(),
            mean=(self._sum[:used] / counts).astype(np.float32),
            highest=self._highest[:used].copy(),
            maximum=self._brightest[:used].copy(),
        )

    def _grow(self, frames: int) -> None:
        capacity = len(self._utc_ms)
        while capacity < min(frames, self._recent_limit):
            capacity = min(2 * capacity, self._recent_limit)
        if capacity > len(self._utc_ms):
            # Nothing has been overwritten yet: what there is lies in order from the start.
            self._utc_ms = np.resize(self._utc_ms, capacity)
            self._mean = np.resize(self._mean, capacity)
            self._maximum = np.resize(self._maximum, capacity)

    def _add_to_buckets(
        self, utc_ms: NDArray[np.float64], mean: NDArray[np.float32], maximum: NDArray[np.uint16]
    ) -> None:
        while self.frames + len(utc_ms) > self._buckets * self._width:
            self._widen()
        bucket = np.arange(self.frames, self.frames + len(utc_ms)) // self._width
        starts = np.flatnonzero(np.diff(bucket, prepend=-1))
        places = bucket[starts]
        sums = np.add.reduceat(mean, starts, dtype=np.float64)
        lowest = np.minimum.reduceat(mean, starts)
        highest = np.maximum.reduceat(mean, starts)
        brightest = np.maximum.reduceat(maximum, starts)
        if self.frames % self._width:  # the first of them has frames already
            open_one = places[0]
            sums[0] += self._sum[open_one]
            lowest[0] = min(lowest[0], self._lowest[open_one])
            highest[0] = max(highest[0], self._highest[open_one])
            brightest[0] = max(brightest[0], self._brightest[open_one])
            self._first_utc_ms[places[1:]] = utc_ms[starts[1:]]
        else:
            self._first_utc_ms[places] = utc_ms[starts]
        self._sum[places] = sums
        self._lowest[places] = lowest
        self._highest[places] = highest
        self._brightest[places] = brightest

    def _widen(self) -> None:
        """Make one bucket of two, and so room for as many frames again."""
        used = -(-self.frames // self._width)
        pairs, odd = used // 2, used % 2
        both, half = slice(0, 2 * pairs), slice(0, pairs)
        last = slice(pairs, pairs + odd)
        single = slice(2 * pairs, 2 * pairs + odd)
        for values, combine in (
            (self._first_utc_ms, lambda first, second: first),  # noqa: ARG005
            (self._sum, np.add),
            (self._lowest, np.minimum),
            (self._highest, np.maximum),
            (self._brightest, np.maximum),
        ):
            alone = values[single].copy()
            values[half] = combine(values[both][0::2], values[both][1::2])
            values[last] = alone
        self._width *= 2


class RegionTraces:
    """The traces of all regions; not for more than one thread at a time (see `FrameTap`).

    Parameters
    ----------
    recent, buckets
        See `Trace`.
    """

    def __init__(self, recent: int = RECENT_FRAMES, buckets: int = BUCKETS) -> None:
        self._recent, self._buckets = recent, buckets
        self._regions: tuple[Region, ...] = ()
        self._traces: tuple[Trace, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """Those that are followed."""
        return self._regions

    @property
    def traces(self) -> tuple[Trace, ...]:
        """One for each of them, in the same order."""
        return self._traces

    def follow(self, regions: Sequence[Region]) -> None:
        """Follow these regions from the next frame on; one whose pixels stay the same keeps its trace.

        They must lie within the frame (see `rheed_acquire.regions.regions.fit_regions`).
        """
        known = {str(region.box): trace for region, trace in zip(self._regions, self._traces, strict=True)}
        traces = []
        for region in regions:
            place = str(region.box)
            traces.append(known.pop(place) if place in known else Trace(self._recent, self._buckets))
        self._traces = tuple(traces)
        self._regions = tuple(regions)

    def add(self, frames: Levels, utc_ms: NDArray[np.float64]) -> Points:
        """Measure the regions in consecutive frames and keep what they say.

        Parameters
        ----------
        frames
            (N, H, W) uint8 or uint16.
        utc_ms
            (N,) float64: when each was captured.
        """
        points = measure(frames, utc_ms, self._regions)
        for trace, mean, maximum in zip(self._traces, points.mean, points.maximum, strict=True):
            trace.add(points.utc_ms, mean, maximum)
        return points


def measure(frames: Levels, utc_ms: NDArray[np.float64], regions: Sequence[Region]) -> Points:
    """Compute mean and maximum of each region in each frame, without a line of Python per frame.

    The mean is that of the exact sum: numpy's own in float64, rounded once to float32.

    Parameters
    ----------
    frames
        (N, H, W) uint8 or uint16; the regions lie within (H, W).
    utc_ms
        (N,) float64, passed on.
    """
    mean = np.empty((len(regions), len(frames)), np.float32)
    maximum = np.empty((len(regions), len(frames)), np.uint16)
    for number, region in enumerate(regions):
        rows, columns = region.box
        kind = np.uint32 if region.area <= _UINT32_AREA[frames.itemsize] else np.uint64
        # A few megabytes at a time: the maximum finds in the cache what the sum has read.
        step = max(1, _SLICE_BYTES // (region.area * frames.itemsize))
        for start in range(0, len(frames), step):
            part = slice(start, start + step)
            pixels = frames[part, rows, columns]
            mean[number, part] = pixels.sum(axis=(1, 2), dtype=kind) / region.area
            maximum[number, part] = pixels.max(axis=(1, 2))
    return Points(np.array(utc_ms, np.float64), mean, maximum)
