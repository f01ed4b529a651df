"""The ring: a fixed number of preallocated chunk buffers, filled in turn and given back when delivered.

All memory for frames is there before the first frame, so that the frame path allocates nothing and a run's
memory is ``count * capacity * (bytes of a frame + 24)`` bytes, and a few pages, however long it lasts. Frames
that are not 8-bit gray take ``height * width`` bytes more each, once somebody asks for their gray.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire.frames.chunk import Chunk, Gap, TimeBase
from rheed_acquire.frames.chunk_buffer import (
    CAPTURE_START_NS,
    NO_ID,
    NO_TIMESTAMP,
    ChunkBuffer,
    memory_needed,
)
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.gray_frames import GrayRooms
from rheed_acquire.frames.mapped_memory import never, plain_memories
from rheed_acquire.system.home_process import HomeProcess

if TYPE_CHECKING:
    from mmap import mmap


LEAST = 2
"""Buffers that a ring needs: one is filled while another is delivered."""


class ChunkRing:
    """Hands out buffers and takes them back; both may happen in any thread.

    Parameters
    ----------
    count
        Buffers in the ring, at least 2: one is filled while another is delivered.
    capacity
        Frames a buffer holds.
    height, width
        Of a frame, in pixels.
    memories
        ``count`` pieces of memory, such as mapped files (see `rheed_acquire.frames.ring_files`); by default
        plain memory of this process. Fewer, where ``make_memory`` makes the others.
    make_memory
        Makes the piece of a number, when `wait` finds none free; raises OSError where there is no room, and
        then those that are there must do.
    utc_offset_ns
        What added to ``time.perf_counter_ns`` gives nanoseconds since 1970 in UTC, for whoever has to date
        the frames without this process.
    form
        What the frames are, and how the stream's are made of them, also for whoever has to make them without
        this process.
    given_up
        Asked while plain memory is made whether nobody wants the ring any more; where it says so,
        `rheed_acquire.frames.mapped_memory.RingGivenUpError` is raised.
    """

    def __init__(
        self,
        count: int,
        capacity: int,
        height: int,
        width: int,
        memories: Sequence[mmap] | None = None,
        utc_offset_ns: int = 0,
        make_memory: Callable[[int], mmap] | None = None,
        given_up: Callable[[], bool] = never,
        form: ChunkForm = PLAIN,
    ) -> None:
        if count < LEAST or capacity < 1 or height < 1 or width < 1:
            raise ValueError(
                f"a ring needs at least 2 buffers of at least 1 frame of at least 1 x 1 pixels, "
                f"not {count} of {capacity} of {height} x {width}"
            )
        self.count, self.capacity, self.height, self.width = count, capacity, height, width
        if memories is None:
            nbytes = memory_needed(capacity, height, width, form.pixel_format)
            memories = plain_memories(count, nbytes, given_up)
        self._home = HomeProcess("this ring")
        self._free: queue.SimpleQueue[ChunkBuffer] = queue.SimpleQueue()
        self._keeping = self._closed = False
        self._aside: deque[ChunkBuffer] = deque()
        self._utc_offset_ns, self._make_memory = utc_offset_ns, make_memory
        self.form, self.rooms = form, GrayRooms(capacity)
        self._made = len(memories)
        self._growing = threading.Lock()
        for memory in memories:
            self._free.put(self._lay_out(memory))

    @property
    def nbytes(self) -> int:
        """Memory that the ring takes once all its buffers are made, in bytes."""
        return self.count * memory_needed(self.capacity, self.height, self.width, self.form.pixel_format)

    @property
    def available(self) -> int:
        """Buffers that nobody holds, those included that are yet to be made."""
        yet_to_be_made = self.count - self._made if self._make_memory is not None else 0
        return self._free.qsize() + yet_to_be_made

    @property
    def for_archive(self) -> int:
        """Buffers that are the archive's, where there is one."""
        return 0 if self.form.archive is None else self.count // 2

    def acquire(self) -> ChunkBuffer | None:
        """Take a free buffer, or None where there is none; never waits."""
        self._home.check()
        try:
            return self._free.get_nowait()
        except queue.Empty:
            return None

    def wait(self, timeout_s: float | None = None) -> ChunkBuffer | None:
        """Take a free buffer, making or waiting for one; None after ``timeout_s`` seconds without."""
        self._home.check()
        try:
            return self.acquire() or self._grow() or self._free.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def release(self, buffer: ChunkBuffer) -> None:
        """Give a buffer back; what it held is safe elsewhere."""
        self._home.check()
        if self._keeping:
            return
        buffer.clear()
        self._free.put(buffer)
        if self._closed:
            self.close()

    def set_aside(self, buffer: ChunkBuffer) -> None:
        """Leave what a buffer holds to whoever recovers the stream, as long as two others go round.

        Where fewer would, the one that was set aside first goes round again: a ring without buffers would
        lose every frame to come.
        """
        self._home.check()
        room = self.count - LEAST
        if not room:
            self.release(buffer)
            return
        if len(self._aside) >= room and not self._keeping:
            self.release(self._aside[0])
            del self._aside[0]
        if not self._closed:
            self._aside.append(buffer)

    def _grow(self) -> ChunkBuffer | None:
        with self._growing:
            if self._make_memory is None or self._made == self.count:
                return None
            try:
                memory = self._make_memory(self._made)
            except OSError:
                self._make_memory = None
                return None
            self._made += 1
        return self._lay_out(memory)

    def _lay_out(self, memory: mmap) -> ChunkBuffer:
        return ChunkBuffer(
            memory, self.capacity, self.height, self.width, self._utc_offset_ns, form=self.form
        )

    def close(self) -> None:
        """Let go of all buffers, and give none any more: each one's memory goes with its last holder.

        Windows deletes no file that is mapped.
        """
        self._home.check()
        self._closed, self._make_memory = True, None
        self._aside.clear()
        while self.acquire() is not None:
            pass

    def keep(self) -> None:
        """Take no buffer back any more: what they hold is left to whoever recovers the stream."""
        self._keeping = True


__all__ = ["NO_ID", "NO_TIMESTAMP", "Chunk", "ChunkBuffer", "ChunkRing", "Gap", "TimeBase", "chunk_of"]


def chunk_of(
    buffer: ChunkBuffer, ring: ChunkRing, gaps: tuple[Gap, ...] = (), *, after_overrun: bool = False
) -> Chunk:
    """Make the committed frames of a buffer a chunk, without a copy; its release frees the buffer."""
    count = buffer.committed

    def date(capture_start_ms_utc: float) -> None:
        buffer.cells[CAPTURE_START_NS] = round(capture_start_ms_utc * 1e6)

    return Chunk(
        index=buffer.chunk_index,
        pixels=buffer.frames[:count],
        form=buffer.frame_form,
        rooms=ring.rooms,
        frame_ids=buffer.frame_ids[:count],
        timestamps_ns=buffer.timestamps_ns[:count],
        host_ns=buffer.host_ns[:count],
        gaps=gaps,
        after_overrun=after_overrun,
        on_release=lambda: ring.release(buffer),
        on_date=date,
        on_safe=buffer.say_safe_with,
        on_set_aside=lambda: ring.set_aside(buffer),
    )
