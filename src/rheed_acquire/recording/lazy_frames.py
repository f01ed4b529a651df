"""The frames of a run, and what was measured of them, as arrays that read only what they are asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.recording.reading import RecordedRun

ABSENT = -1
"""Place of a frame that never came."""


class LazyFrames:
    """An array of frames, each from its place in a run; those that never came read as 0.

    It is (T, H, W), in colour (T, H, W, 3).
    Indexing it reads. Frames that are not asked for are not decoded, also where they are in the same shard.
    It can be pickled, for workers in other processes.

    Parameters
    ----------
    run
        Which frames.
    places
        (T,) int64, where each lies in the run's array, or `ABSENT`.
    """

    def __init__(self, run: RecordedRun, places: NDArray[np.int64]) -> None:
        self._run = run
        self.shape = (len(places), *run.frame_shape)
        self.ndim = len(self.shape)
        self.dtype = run.dtype
        is_absent = places < 0
        shards = np.where(is_absent, ABSENT, places // run.shard_frames)
        # Frames that lie side by side in one shard are one block; those that never came are cut where the
        # shards would be that they are missing from.
        shards[is_absent] = -2 - np.flatnonzero(is_absent) // run.shard_frames
        is_cut = (shards[1:] != shards[:-1]) | (~is_absent[1:] & (np.diff(places) != 1))
        self._firsts = np.flatnonzero(np.concatenate([np.ones(min(1, len(places)), bool), is_cut]))
        self._places = places[self._firsts]

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """How many frames are in each block, and the extent of the other axes."""
        lengths = np.diff(self._firsts, append=self.shape[0])
        return tuple(lengths.tolist()) or (0,), *((length,) for length in self.shape[1:])

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read what basic indexing, or one list or mask of each axis (outer indexing), chooses."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [one for one in keys if one is Ellipsis]:
            gap = next(number for number, one in enumerate(keys) if one is Ellipsis)
            keys[gap : gap + 1] = [slice(None)] * (self.ndim + 1 - len(keys))
        frames = self._read(np.atleast_1d(np.arange(self.shape[0])[keys[0]]))
        for axis in range(len(keys) - 1, 0, -1):
            frames = frames[(*(slice(None),) * axis, keys[axis])]
        chosen: NDArray[Any] = frames[0] if isinstance(keys[0], int | np.integer) else frames
        return chosen

    def _read(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """(N, ...), these frames; those that lie side by side in one go."""
        places = self._places_of(numbers)
        starts = np.flatnonzero(np.diff(places, prepend=-9) != 1).tolist()
        pieces = list(pairwise([*starts, len(places)]))
        if len(pieces) == 1 and places[0] >= 0:
            return self._run.read(int(places[0]), int(places[0]) + len(places))
        frames = np.zeros((len(places), *self.shape[1:]), self.dtype)
        for first, end in pieces:
            place = int(places[first])
            if place >= 0:
                frames[first:end] = self._run.read(place, place + end - first)
        return frames

    def _places_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        blocks = np.searchsorted(self._firsts, numbers, side="right") - 1
        at = self._places[blocks]
        return np.where(at < 0, ABSENT, at + numbers - self._firsts[blocks])


class LazyTraces:
    """What an archive has of its regions in each frame, (T, R) float64; NaN for frames that never came.

    Parameters
    ----------
    run
        Whose.
    name
        ``region_mean`` or ``region_maximum``.
    places
        (T,) int64, where each frame lies in the run's array, or `ABSENT`.
    regions
        How many there are.
    """

    ndim, dtype = 2, np.dtype(np.float64)

    def __init__(self, run: RecordedRun, name: str, places: NDArray[np.int64], regions: int) -> None:
        self._run, self._name, self._places = run, name, places
        self.shape = (len(places), regions)

    def __getitem__(self, key: tuple[Any, Any]) -> NDArray[np.float64]:
        """Read what a slice, number or list of frames, and one of regions, chooses."""
        rows, columns = key
        places = np.atleast_1d(self._places[rows])
        there = np.flatnonzero(places >= 0)
        numbers = np.atleast_1d(np.arange(self.shape[1])[columns])
        values = np.full((len(places), len(numbers)), np.nan)
        if len(there):
            known = places[there]
            first = int(known.min())
            values[there] = self._run.traces(self._name, first, int(known.max()) + 1, numbers)[known - first]
        if isinstance(columns, int | np.integer):
            values = values[:, 0]
        chosen: NDArray[np.float64] = values[0] if isinstance(rows, int | np.integer) else values
        return chosen
