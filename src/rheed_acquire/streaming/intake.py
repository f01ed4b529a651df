"""Where frames enter a stream: into its ring, and from there to the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.frames.ring import Chunk, chunk_of
from rheed_acquire.streaming.parcel import Parcel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.frames.chunk_buffer import ChunkBuffer
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
        ValueError, RuntimeError, RingMemoryError
            See `Stream.check` and `begin`; nothing was taken then.
        """
        buffer = self.begin(chunk_idx, frames.shape)
        try:
            buffer.append(frames)
        except BaseException:
            self.drop(buffer)
            raise
        self.send(buffer, start_ms)

    def take_chunk(self, chunk: Chunk) -> None:
        """Send off a chunk that lies in a ring; where it raises as `take_array`, it is still the caller's."""
        self.stream.admit(chunk.index, chunk.shape)
        self._deliver(chunk)

    def begin(self, chunk_idx: int, shape: tuple[int, int, int]) -> ChunkBuffer:
        """Admit a chunk and take a buffer of the stream's ring for it, waiting until one is free.

        It goes to `send` or `drop`. Where this raises, interrupted for one, nothing was admitted.

        Raises
        ------
        RingMemoryError
            There is no room for the ring.
        RuntimeError
            The delivery was closed, or the server and the disk take no more: nobody will ever free one.
        """
        self.stream.admit(chunk_idx, shape)
        try:
            buffer = self._wait_for_buffer(*shape[1:])
            buffer.begin(chunk_idx)
        except BaseException:
            self.stream.withdraw(chunk_idx)
            raise
        return buffer

    def send(self, buffer: ChunkBuffer, start_ms: float) -> None:
        """Send off what a buffer of the stream's ring holds; raises as `take_array`."""
        _, height, width = buffer.frames.shape
        chunk = chunk_of(buffer, self.stream.ring(height, width))
        try:
            chunk.date(start_ms)
            self._deliver(chunk)
        except BaseException:
            chunk.release()
            raise

    def drop(self, buffer: ChunkBuffer) -> None:
        """Give a buffer back that `begin` gave, and take the admission of its chunk back."""
        _, height, width = buffer.frames.shape
        self.stream.withdraw(buffer.chunk_index)
        self.stream.ring(height, width).release(buffer)

    def _wait_for_buffer(self, height: int, width: int) -> ChunkBuffer:
        ring = self.stream.ring(height, width, grows=True)
        while (buffer := ring.wait(POLL_S)) is None:
            self._check_open()
            refused = self.stream.folder.record.refused
            if refused is not None and not self.delivery.is_writing(self.stream.data_id):
                raise RuntimeError(f"the ring of stream {self.stream.data_id} is full for good: {refused}")
        return buffer

    def _deliver(self, chunk: Chunk) -> None:
        """Hand a chunk to the encoder; where it raises before that has it, its admission is taken back."""
        parcel = Parcel(self.stream, chunk.hand_over(), disk_first=self._sync_always)
        try:
            self._check_open()
            self.delivery.deliver(parcel)
            while self._sync_always and not parcel.safe.wait(POLL_S):
                self._check_open()
            lost = self.stream.reason_lost(chunk.index) if self._sync_always else None
            if lost is not None:
                raise RuntimeError(  # noqa: TRY301
                    f"chunk {chunk.index} of stream {self.stream.data_id} was given up: {lost}"
                )
        except BaseException:
            # An interruption may come at any instruction: only who claims it first may have it.
            if parcel.claim():
                chunk.take_back(parcel.chunk)
                self.stream.withdraw(chunk.index)
            raise

    def _check_open(self) -> None:
        if self.delivery.closing:
            raise RuntimeError(f"stream {self.stream.data_id} was closed")
