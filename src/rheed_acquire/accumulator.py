"""Frames in, chunks out: the room between the camera's callback and everything slow.

`ChunkAccumulator.on_frame` runs in the camera SDK's own thread. Per frame it copies the pixels once, into a
buffer that lies ready, writes three integers beside them, and compares a few more. Whatever costs more is
done per chunk, or only when something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING

from rheed_acquire.camera import CameraError, Frame
from rheed_acquire.chunk_buffer import COMMITTED, ChunkBuffer
from rheed_acquire.ring import NO_ID, NO_TIMESTAMP, Chunk, ChunkRing, Gap, chunk_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.pixels import Converter


WAIT_S = 0.1
"""How long a source that can wait is held, before `refuse` and `close` are heeded."""


class ChunkAccumulator:
    """Gathers a camera's frames into chunks.

    Every frame of the run is counted once: ``received = accumulated + overrun + rejected``.

    Parameters
    ----------
    ring
        Where chunks are built. While it has no free buffer, the newest frames are dropped and counted as
        overrun: the camera's thread never waits, unless ``waits``.
    convert
        Writes a frame's pixels as 8-bit gray into a slot (see `rheed_acquire.pixels.make_converter`); raises
        where their shape is not `layout`.
    layout
        Shape that every ``frame.pixels`` must have.
    fps
        Rate that the stream declares, in frames per second.
    on_chunk
        Called with each chunk, in the camera's thread: it must only pass it on.
    on_error
        Called at most once, when a frame cannot be used; the accumulator is closed then.
    gap_tolerance_s
        A frame that would stand this many seconds off its true time, were the chunk's frames evenly spaced
        from its start, ends the chunk early and begins the next.
    frame_id_cycle
        See `rheed_acquire.camera.CameraInfo.frame_id_cycle`.
    frame_limit
        Frames after which the accumulator closes by itself, or None.
    first_chunk_index, first_frame
        Where in the run this accumulator begins, when it is not the first.
    waits
        Whether `on_frame` waits for a free buffer instead (see `rheed_acquire.camera.CameraInfo.recorded`).
    """

    def __init__(
        self,
        ring: ChunkRing,
        convert: Converter,
        layout: tuple[int, ...],
        fps: float,
        on_chunk: Callable[[Chunk], None],
        on_error: Callable[[CameraError], None],
        *,
        gap_tolerance_s: float = 0.1,
        frame_id_cycle: int | None = None,
        frame_limit: int | None = None,
        first_chunk_index: int = 0,
        first_frame: int = 0,
        waits: bool = False,
    ) -> None:
        self._ring, self._convert, self._layout = ring, convert, layout
        self._on_chunk, self._on_error = on_chunk, on_error
        self._period_ns = 1e9 / fps
        self._tolerance_ns = round(gap_tolerance_s * 1e9)
        # When each frame of a chunk is due after the first, so that nothing is multiplied per frame.
        self._due_ns = [round(n * self._period_ns) for n in range(ring.capacity)]
        self._cycle = frame_id_cycle
        self._limit = frame_limit
        self._waits = waits

        self._buffer: ChunkBuffer | None = None
        self._slots: list[NDArray[np.uint8]] = []
        self._filled = 0
        self._room = 0
        self._first_timestamp_ns: int | None = None
        self._missing_ns = 0
        self._gaps: list[Gap] = []
        self._next_id: int | None = None
        self._id_base = 0
        self._after_overrun = False
        self._overrun_before = 0
        self._chunk_index = self._first_chunk_index = first_chunk_index
        self._first_frame = first_frame
        self._handed_over = 0
        self._closed = False

        self.received = 0
        self.overrun = 0
        self.rejected = 0
        self.frames_missing = 0
        self.gap_count = 0
        self.id_restarts = 0

    @property
    def accumulated(self) -> int:
        """Frames that lie in a chunk, handed over or still being filled."""
        return self._handed_over + self._filled

    @property
    def chunks(self) -> int:
        """Chunks handed over."""
        return self._chunk_index - self._first_chunk_index

    @property
    def has_ids(self) -> bool:
        """Whether the camera numbers its frames."""
        return self._next_id is not None

    @property
    def filling(self) -> tuple[ChunkBuffer, int] | None:
        """For another thread to look at: the buffer being filled, and how many frames came before it.

        None while there is none, or it is just changing.
        """
        before, buffer = self._handed_over, self._buffer
        return None if buffer is None or before != self._handed_over else (buffer, before)

    @property
    def closed(self) -> bool:
        """Whether frames are taken no more: after `close`, the frame limit, or an unusable frame."""
        return self._closed

    @property
    def _position(self) -> int:
        """Place in the run, counted from 0, of the frame that has just come."""
        return self._first_frame + self.received - 1

    def on_frame(self, frame: Frame) -> None:
        """Take one frame; the callback that a camera's `start` is given. Never raises."""
        if self._closed:
            return
        now = perf_counter_ns()
        self.received += 1
        frame_id = frame.id
        if frame_id != self._next_id:
            self._look_at_id(frame_id)
        if frame_id is not None:
            self._next_id = frame_id + 1
            frame_id += self._id_base
        else:
            frame_id = NO_ID
        timestamp_ns = frame.timestamp_ns
        filled = self._filled
        if filled:
            first_ns = self._first_timestamp_ns
            if timestamp_ns is not None and first_ns is not None:
                off_ns = timestamp_ns - first_ns - self._due_ns[filled]
            else:
                off_ns = self._missing_ns
            # Where it would stand too far off its true time, it begins the next chunk.
            if off_ns > self._tolerance_ns or off_ns < -self._tolerance_ns:
                self._end_early()
                filled = 0
        if not filled and not self._begin(timestamp_ns):
            if self._closed:  # while it waited: the frame was never taken
                self.received -= 1
            elif frame.pixels.shape != self._layout:
                self._reject_shape(frame)
            else:
                self.overrun += 1
            return
        buffer = self._buffer
        assert buffer is not None
        try:
            # It looks at the shape itself: to do so here as well would only be to do it twice.
            self._convert(frame.pixels, self._slots[filled])
        except Exception as error:  # noqa: BLE001
            if frame.pixels.shape != self._layout:
                self._reject_shape(frame)
            else:
                self._reject(f"the pixels of frame {self._position} of the run cannot be read: {error}")
            return
        try:
            buffer.id_cells[filled] = frame_id
            buffer.timestamp_cells[filled] = NO_TIMESTAMP if timestamp_ns is None else timestamp_ns
        except ValueError:
            # What some drivers give for "unknown": all 64 bits set.
            self._reject(
                f"the id {frame_id} or the timestamp {timestamp_ns} of frame {self._position} of the run "
                "is beyond 63 bits: the camera or its driver does not really have one"
            )
            return
        buffer.host_cells[filled] = now
        # A frame counts only now, with all its pixels and stamps in place.
        self._filled = buffer.cells[COMMITTED] = filled + 1
        if self._filled == self._room:
            self._hand_over()

    def refuse(self) -> None:
        """Take no more frames, from a camera that waits or could not be stopped; `close` follows."""
        self._closed = True

    def close(self) -> None:
        """Take no more frames and hand over the chunk begun. Call it once the camera has stopped."""
        self._closed = True
        if self._filled:
            self._hand_over()
        elif self._buffer is not None:
            self._ring.release(self._buffer)
            self._buffer = None

    def _begin(self, timestamp_ns: int | None) -> bool:
        """Start a chunk with the frame that has just come; False where the ring is full."""
        buffer = self._ring.acquire()
        while buffer is None and self._waits and not self._closed:
            buffer = self._ring.wait(WAIT_S)
        self._buffer = buffer
        if buffer is None:
            return False
        buffer.begin(self._chunk_index)
        self._after_overrun = self.overrun != self._overrun_before
        self._overrun_before = self.overrun
        self._slots = buffer.slots
        self._missing_ns = 0
        self._first_timestamp_ns = timestamp_ns
        self._room = self._ring.capacity
        if self._limit is not None:
            self._room = min(self._room, self._limit - self._handed_over)
        return True

    def _end_early(self) -> None:
        """Hand over before the frame that has just come; a gap right before it goes with the next chunk."""
        here = [gap for gap in self._gaps if gap.before_frame == self._position]
        self._gaps = [gap for gap in self._gaps if gap.before_frame < self._position]
        self._hand_over()
        self._gaps = here

    def _hand_over(self) -> None:
        buffer, count, gaps = self._buffer, self._filled, tuple(self._gaps)
        assert buffer is not None
        self._buffer, self._filled = None, 0
        self._gaps = []
        self._missing_ns = 0
        self._handed_over += count
        chunk = chunk_of(buffer, self._ring, gaps, after_overrun=self._after_overrun)
        self._chunk_index += 1
        if self._limit is not None and self._handed_over >= self._limit:
            self._closed = True
        self._on_chunk(chunk)

    def _look_at_id(self, frame_id: int | None) -> None:
        """Find out what an unexpected id means: the first frame, a wrap, a loss, or a counter begun anew."""
        expected = self._next_id
        if frame_id is None or expected is None:
            self._next_id = frame_id
            return
        missing = frame_id - expected
        first_missing_id = expected + self._id_base
        if self._cycle is not None and missing < 0 and missing % self._cycle <= self._cycle // 2:
            missing %= self._cycle
            self._id_base += self._cycle
        if missing < 0:
            self.id_restarts += 1
        elif missing > 0:
            self.gap_count += 1
            self.frames_missing += missing
            self._missing_ns += round(missing * self._period_ns)
            self._gaps.append(Gap(self._position, first_missing_id, missing))

    def _reject_shape(self, frame: Frame) -> None:
        self._reject(
            f"the camera changed its frames from shape {self._layout} to {frame.pixels.shape} "
            f"at frame {self._position} of the run"
        )

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        self._closed = True
        self._on_error(CameraError(reason))
