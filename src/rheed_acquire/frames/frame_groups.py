"""Which frames of a chunk become one of the stream's, and their mean.

What a chunk of the camera becomes follows from that chunk alone: its frames, their ids and their stamps. So
whoever finds it in the ring of a process that is gone makes the same frames of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.reduction import Reduction

_UNEVEN = 1.5
"""Of a chunk's usual step: where the stamps of frames without ids step further, frames are missing."""


def groups(
    frame_ids: NDArray[np.int64], timestamps_ns: NDArray[np.int64], reduction: Reduction
) -> tuple[NDArray[np.intp], int]:
    """Find the frames of a chunk that become one of the stream's each.

    One of every N is taken by its place in the chunk. A mean is made of N frames with none missing between
    them, by their ids or else by their stamps: after a gap a new group begins, and what was begun before is
    left out. A chunk without a whole group is the mean of its longest run of frames, so that none is empty.

    Parameters
    ----------
    frame_ids, timestamps_ns
        (N,) int64 each, N >= 1, as `rheed_acquire.frames.ring.Chunk` has them.

    Returns
    -------
    tuple of ndarray and int
        The place of each group's first frame, rising, at least one; and how many frames a group has.
    """
    count, size = len(frame_ids), reduction.frames
    if not reduction.is_mean:
        return np.arange(0, count, size), 1
    edges = [0, *(np.flatnonzero(_is_missing_before(frame_ids, timestamps_ns)) + 1).tolist(), count]
    runs = list(pairwise(edges))
    firsts = [first for begin, end in runs for first in range(begin, end - size + 1, size)]
    if firsts:
        return np.array(firsts, np.intp), size
    begin, end = max(runs, key=lambda run: run[1] - run[0])
    return np.array([begin], np.intp), end - begin


def _is_missing_before(frame_ids: NDArray[np.int64], timestamps_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a frame is missing before each but the first: (N - 1,)."""
    steps = np.diff(frame_ids)
    # Ids that mostly stay what they are number nothing.
    if (frame_ids >= 0).all() and 2 * np.count_nonzero(steps > 0) > len(steps):
        return steps > 1
    if len(steps) and (timestamps_ns >= 0).all():
        stepped = np.diff(timestamps_ns)
        usual = float(np.median(stepped))
        if usual > 0:
            return stepped > _UNEVEN * usual
    return np.zeros(len(steps), np.bool_)


def mean(frames: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the mean of frames (N, ...) of uint8 or uint16, rounded half up, to ``out`` of shape (...)."""
    count = len(frames)
    # 256 times 255, and half of 256, are in 16 bits.
    whole = np.uint16 if frames.dtype == np.uint8 and count <= 256 else np.uint32
    total = np.add.reduce(frames, axis=0, dtype=whole)
    total += whole(count // 2)
    np.floor_divide(total, whole(count), out=out, casting="unsafe")
