"""Where frames enter a stream: into its ring, and from there to the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.ring import Chunk, chunk_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.chunk_buffer import ChunkBuffer
    from rheed_acquire.streaming.delivery import Delivery
    from rheed_acquire.streaming.stream import Stream

POLL_S = 1.0


class Intake:
    """Takes the frames of one stream.

    Parameters
    ----------
    stream, delivery
        Whose frames, and who delivers them.
    sync_always
        Whether a chunk is taken only when it survives loss of power.
    """

    def __init__(self, stream: Stream, delivery: Delivery, *, sync_always: bool) -> None:
        self.stream, self.delivery = stream, delivery
        self._sync_always = sync_always

    def take_array(self, chunk_idx: int, frames: NDArray[np.uint8], start_ms: float) -> None:
        """Copy frames of shape (N, H, W), captured from ``start_ms`` on, into the ring and send them off.

        Raises
        ------
        ValueError, RuntimeError
            See `Stream.check`.
        """
        _, height, width = frames.shape
        self.stream.admit(chunk_idx, frames.shape)
        buffer = self.wait_for_buffer(height, width)
        buffer.begin(chunk_idx)
        buffer.append(frames)
        self.send(buffer, start_ms)

    def take_chunk(self, chunk: Chunk) -> None:
        """Send off a chunk that lies in a ring; raises as `take_array`."""
        self.stream.admit(chunk.index, chunk.frames.shape)
        self._deliver(chunk)

    def wait_for_buffer(self, height: int, width: int) -> ChunkBuffer:
        """Take a buffer of the stream's ring, waiting until one is free.

        Raises
        ------
        RuntimeError
            The delivery was closed, or the server and the disk take no more: nobody will ever free one.
        """
        ring = self.stream.ring(height, width, grows=True)
        while (buffer := ring.wait(POLL_S)) is None:
            self._check_open()
            refused = self.stream.folder.record.refused
            if refused is not None:
                raise RuntimeError(f"the ring of stream {self.stream.data_id} is full for good: {refused}")
        return buffer

    def send(self, buffer: ChunkBuffer, start_ms: float) -> None:
        """Send off what a buffer of the stream's ring holds."""
        _, height, width = buffer.frames.shape
        chunk = chunk_of(buffer, self.stream.ring(height, width))
        chunk.date(start_ms)
        self._deliver(chunk)

    def _deliver(self, chunk: Chunk) -> None:
        self._check_open()
        safe = self.delivery.deliver(self.stream, chunk)
        while self._sync_always and not safe.wait(POLL_S):
            self._check_open()
        lost = self.stream.reason_lost(chunk.index) if self._sync_always else None
        if lost is not None:
            raise RuntimeError(f"chunk {chunk.index} of stream {self.stream.data_id} was given up: {lost}")

    def _check_open(self) -> None:
        if self.delivery.closing:
            raise RuntimeError(f"stream {self.stream.data_id} was closed")
