"""Which frames of an HDF5 dataset were ever written: what was not reads as a fill value, and is no frame."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_replay.axes import Axes


@dataclass(frozen=True, slots=True, eq=False)
class WrittenFrames:
    """What of a chunked dataset is there.

    Attributes
    ----------
    shape
        Of the axes along which frames follow each other.
    chunk
        How many frames a chunk has along each.
    numbers
        (C,) int64, rising: the places of the chunks that are there, in a grid of them.
    in_part
        How many of those are there without some part of their frames.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    numbers: NDArray[np.int64]
    in_part: int

    @property
    def _grid(self) -> tuple[int, ...]:
        return tuple(-(-size // step) for size, step in zip(self.shape, self.chunk, strict=True))

    @property
    def count(self) -> int:
        """Frames that are there."""
        sizes = np.ones(len(self.numbers), np.int64)
        for places, size, step in zip(
            np.unravel_index(self.numbers, self._grid), self.shape, self.chunk, strict=True
        ):
            sizes *= np.minimum(step, size - places * step)
        return int(sizes.sum())

    @property
    def end(self) -> int:
        """Along the first of the axes: where the last frame that is there ends."""
        last = np.unravel_index(self.numbers, self._grid)[0].max(initial=-1)
        return min(self.shape[0], (int(last) + 1) * self.chunk[0])

    def has(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of (N,) frames, by their places among all that there is room for, whether each is there."""
        places = np.unravel_index(frames, self.shape)
        chunks = tuple(place // step for place, step in zip(places, self.chunk, strict=True))
        return np.isin(np.ravel_multi_index(chunks, self._grid), self.numbers)

    def following(self, frame: int) -> int:
        """The first frame from this on that may be there, so that a long gap need not be read."""
        if len(self.shape) > 1:
            return frame
        (step,) = self.chunk
        place = int(np.searchsorted(self.numbers, frame // step))
        if place == len(self.numbers):
            return self.shape[0]
        return max(frame, int(self.numbers[place]) * step)


def find_written(path: Path, name: str, dataset: Any, axes: Axes) -> WrittenFrames | None:
    """Find which frames were ever written; None where all were, or the file does not tell.

    Raises
    ------
    CameraError
        None was.
    """
    if dataset.is_virtual or dataset.external or not axes.count:
        return None
    places = axes.frame_axes
    if dataset.chunks is None:
        if not dataset.id.get_storage_size():
            raise CameraError(f"{path}: {name} has room for {axes.count} frames, and none was written")
        return None
    look = getattr(dataset.id, "chunk_iter", None)
    if not places or look is None or axes.count >= 2**62:  # a header gone wrong
        return None
    shape = tuple(axes.shape[place] for place in places)
    chunk = tuple(dataset.chunks[place] for place in places)
    grid = [-(-size // step) for size, step in zip(shape, chunk, strict=True)]
    steps = [math.prod(grid[number + 1 :]) for number in range(len(grid))]
    found = array("q")

    def note(stored: Any) -> None:
        offsets = (stored.chunk_offset[place] // size for place, size in zip(places, chunk, strict=True))
        found.append(sum(at * step for at, step in zip(offsets, steps, strict=True)))

    look(note)
    numbers, parts = np.unique(np.frombuffer(found, np.int64), return_counts=True)
    if not len(numbers):
        raise CameraError(f"{path}: {name} has room for {axes.count} frames, and none was written")
    whole = math.prod(
        -(-size // dataset.chunks[place]) for place, size in enumerate(axes.shape) if place not in places
    )
    written = WrittenFrames(shape, chunk, numbers, int((parts < whole).sum()))
    return written if written.count < axes.count or written.in_part else None


def count_unmapped(dataset: Any) -> int:
    """Count the values of a virtual dataset that lie in none of its parts, where that can be told."""
    if not dataset.is_virtual:
        return 0
    sources = dataset.virtual_sources()
    if any("%" in source.file_name or "%" in source.dset_name for source in sources):
        return 0
    mapped = sum(source.vspace.get_select_npoints() for source in sources)
    return max(0, int(dataset.size) - int(mapped))
