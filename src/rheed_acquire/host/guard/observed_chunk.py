"""What an observer sees of a chunk: a copy that nobody else reads, and that cannot be written to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rheed_acquire.frames.gray_frames import GrayFrames, read_only_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.chunk import Chunk, Gap, TimeBase
    from rheed_acquire.frames.frame_form import FrameForm


@dataclass(frozen=True, slots=True, eq=False)
class ObservedChunk:
    """A chunk as the hook `rheed_chunk_completed` is given it.

    Its arrays are read-only and stay what they are for as long as somebody keeps them.

    Attributes
    ----------
    index
        Place in the stream, counted from 0.
    pixels, form
        The frames as the camera delivered them, and what they are (see `rheed_acquire.frames.chunk.Chunk`).
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
    pixels: NDArray[Any]
    form: FrameForm
    frame_ids: NDArray[np.int64]
    timestamps_ns: NDArray[np.int64]
    host_ns: NDArray[np.int64]
    gaps: tuple[Gap, ...]
    capture_start_ms_utc: float | None
    after_overrun: bool
    time_base: TimeBase
    since_ns: NDArray[np.int64] | None
    fps: float | None
    _gray: GrayFrames = field(repr=False)

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(N, H, W) uint8 gray, C-contiguous; made where it is first asked for, once.

        Raises
        ------
        MemoryError
            There is no room for it.
        """
        return self._gray.frames()

    @property
    def bit_depth(self) -> int:
        """Significant bits of a sample of `pixels`."""
        return self.form.bits

    @property
    def pixel_format(self) -> str:
        """Of `pixels`, in PFNC spelling."""
        return self.form.pixel_format

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        """Copy a chunk.

        Raises
        ------
        MemoryError
            There is no room for its frames.
        """
        pixels = _read_only(chunk.pixels)
        return cls(
            index=chunk.index,
            pixels=pixels,
            form=chunk.form,
            frame_ids=_read_only(chunk.frame_ids),
            timestamps_ns=_read_only(chunk.timestamps_ns),
            host_ns=_read_only(chunk.host_ns),
            gaps=chunk.gaps,
            capture_start_ms_utc=chunk.capture_start_ms_utc,
            after_overrun=chunk.after_overrun,
            time_base=chunk.time_base,
            since_ns=None if chunk.since_ns is None else _read_only(chunk.since_ns),
            fps=chunk.fps,
            _gray=GrayFrames(pixels, chunk.form, is_read_only=True),
        )

    def __len__(self) -> int:
        return len(self.pixels)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array, behind a buffer that says it is read-only: numpy's own flag could be set again."""
    copy = np.ascontiguousarray(array).copy()
    return read_only_view(copy)
