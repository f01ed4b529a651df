"""Gathers the single frames that `RHEEDStreamer.run` is given into chunks; whole chunks pass through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.frames.chunk_buffer import ChunkBuffer
from rheed_acquire.streaming.intake import Intake
from rheed_acquire.system.home_process import disown_in_forks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPACING_TOLERANCE_MS = 100.0


class FrameGatherer:
    """Fills one buffer at a time.

    Parameters
    ----------
    intake
        Of the stream that the frames belong to.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake, self._stream = intake, intake.stream
        self._buffer: ChunkBuffer | None = None
        self._start_ms = 0.0
        self._end_ms = float("-inf")
        disown_in_forks(self)

    def take(
        self, frames: NDArray[np.uint8], start_ms: float | None, arrived_ms: float, *, is_chunk: bool
    ) -> None:
        """Take frames of shape (N, H, W): a chunk of its own, or to be added to the one begun.

        ``start_ms`` is the first frame's capture start where it is known, ``arrived_ms`` when the frames
        were handed over.
        """
        count, height, width = frames.shape
        if start_ms is None:
            start_ms = max(arrived_ms - count / self._stream.fps * 1000, self._end_ms)
            evenly_spaced = True
        else:
            evenly_spaced = abs(start_ms - self._end_ms) <= SPACING_TOLERANCE_MS
        fits = self._buffer is None or self._buffer.frames.shape[1:] == (height, width)
        if is_chunk or not evenly_spaced or not fits:
            self.flush()
        if self._buffer is None:
            self._buffer = self._intake.begin(self._stream.next_idx, (count, height, width))
            self._start_ms = start_ms
        self._buffer.append(frames)
        filled = self._buffer.committed
        self._end_ms = self._start_ms + filled / self._stream.fps * 1000
        if is_chunk or filled == self._stream.chunk_size:
            self.flush()

    def disown(self) -> None:
        """Forget the chunk begun: it is the parent's."""
        self._buffer = None

    def flush(self) -> None:
        """Deliver the chunk begun, if there is one."""
        buffer, self._buffer = self._buffer, None
        if buffer is None:
            return
        if buffer.committed:
            self._intake.send(buffer, self._start_ms)
        else:  # interrupted before its first frame
            self._intake.drop(buffer)
