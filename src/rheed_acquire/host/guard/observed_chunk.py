"""What an observer sees of a chunk: a copy that nobody else reads, and that cannot be written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.ring import Chunk, Gap, TimeBase


@dataclass(frozen=True, slots=True, eq=False)
class ObservedChunk:
    """A chunk as the hook `rheed_chunk_completed` is given it.

    Its arrays are read-only and stay what they are for as long as somebody keeps them.

    Attributes
    ----------
    index
        Place in the stream, counted from 0.
    frames
        (N, H, W) uint8, C-contiguous.
    frame_ids
        (N,) int64, the camera's counter without its wrap-around; -1 where it has none.
    timestamps_ns
        (N,) int64, the camera's clock; -1 where it has none.
    host_ns
        (N,) int64, ``time.perf_counter_ns`` when each frame arrived.
    gaps
        Losses of the camera noticed within this chunk or just before its first frame.
    capture_start_ms_utc
        When the first frame was captured, in milliseconds since 1970 in UTC.
    after_overrun
        Whether frames were dropped before its first one because the ring was full.
    time_base
        By which clock `capture_start_ms_utc` is (see `rheed_acquire.frames.ring.Chunk`).
    since_ns
        (N,) int64: when each frame was captured, in nanoseconds since the first; None where it is not known.
    fps
        Frames per second by which the frames are evenly spaced from the first; None for the stream's.
    """

    index: int
    frames: NDArray[np.uint8]
    frame_ids: NDArray[np.int64]
    timestamps_ns: NDArray[np.int64]
    host_ns: NDArray[np.int64]
    gaps: tuple[Gap, ...]
    capture_start_ms_utc: float | None
    after_overrun: bool
    time_base: TimeBase
    since_ns: NDArray[np.int64] | None
    fps: float | None

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        """Copy a chunk.

        Raises
        ------
        MemoryError
            There is no room for its frames.
        """
        return cls(
            index=chunk.index,
            frames=_read_only(chunk.frames),
            frame_ids=_read_only(chunk.frame_ids),
            timestamps_ns=_read_only(chunk.timestamps_ns),
            host_ns=_read_only(chunk.host_ns),
            gaps=chunk.gaps,
            capture_start_ms_utc=chunk.capture_start_ms_utc,
            after_overrun=chunk.after_overrun,
            time_base=chunk.time_base,
            since_ns=None if chunk.since_ns is None else _read_only(chunk.since_ns),
            fps=chunk.fps,
        )

    def __len__(self) -> int:
        return len(self.frames)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array, behind a buffer that says it is read-only: numpy's own flag could be set again."""
    copy = np.ascontiguousarray(array).copy()
    shown = np.frombuffer(copy.reshape(-1).data.toreadonly(), copy.dtype)
    return shown.reshape(copy.shape)
