"""The ring: a fixed number of preallocated chunk buffers, filled in turn and given back when delivered.

All memory for frames is there before the first frame, so that the frame path allocates nothing and a run's
memory is ``count * capacity * (height * width + 24)`` bytes, and a few pages, however long it lasts.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from rheed_acquire.frames.chunk_buffer import (
    CAPTURE_START_NS,
    NO_ID,
    NO_TIMESTAMP,
    ChunkBuffer,
    memory_needed,
)
from rheed_acquire.frames.reduction import WHOLE, Reduction
from rheed_acquire.frames.ring_files import never, plain_memories
from rheed_acquire.system.home_process import HomeProcess

if TYPE_CHECKING:
    from mmap import mmap

    import numpy as np
    from numpy.typing import NDArray


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
    reduction
        How the stream's frames are made of these, for whoever has to make them without this process.
    given_up
        Asked while plain memory is made whether nobody wants the ring any more; where it says so,
        `rheed_acquire.frames.ring_files.RingGivenUpError` is raised.
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
        reduction: Reduction = WHOLE,
    ) -> None:
        if count < LEAST or capacity < 1 or height < 1 or width < 1:
            raise ValueError(
                f"a ring needs at least 2 buffers of at least 1 frame of at least 1 x 1 pixels, "
                f"not {count} of {capacity} of {height} x {width}"
            )
        self.count, self.capacity, self.height, self.width = count, capacity, height, width
        if memories is None:
            nbytes = memory_needed(capacity, height, width)
            memories = plain_memories(count, nbytes, given_up)
        self._home = HomeProcess("this ring")
        self._free: queue.SimpleQueue[ChunkBuffer] = queue.SimpleQueue()
        self._keeping = self._closed = False
        self._aside: deque[ChunkBuffer] = deque()
        self._utc_offset_ns, self._make_memory = utc_offset_ns, make_memory
        self.reduction = reduction
        self._made = len(memories)
        self._growing = threading.Lock()
        for memory in memories:
            self._free.put(self._lay_out(memory))

    @property
    def nbytes(self) -> int:
        """Memory that the ring takes once all its buffers are made, in bytes."""
        return self.count * memory_needed(self.capacity, self.height, self.width)

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
            memory, self.capacity, self.height, self.width, self._utc_offset_ns, reduction=self.reduction
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


__all__ = ["NO_ID", "NO_TIMESTAMP", "Chunk", "ChunkBuffer", "ChunkRing", "Gap", "chunk_of"]


TimeBase: TypeAlias = Literal["host", "wall", "reference"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that the camera counted and did not deliver.

    Attributes
    ----------
    before_frame
        Position in the run, counted from 0 over frames received, of the first frame after the gap.
    first_missing_id
        The camera's id of the first frame that is missing.
    missing
        How many are.
    """

    before_frame: int
    first_missing_id: int
    missing: int


@dataclass(slots=True, eq=False)
class Chunk:
    """Consecutive frames with their stamps, owned by whoever holds the chunk until `release`.

    Attributes
    ----------
    index
        Place in the stream, counted from 0.
    frames
        (N, H, W) uint8, C-contiguous; valid until `release`.
    frame_ids
        (N,) int64, the camera's counter without its wrap-around; `NO_ID` where it has none.
    timestamps_ns
        (N,) int64, the camera's clock; `NO_TIMESTAMP` where it has none.
    host_ns
        (N,) int64, ``time.perf_counter_ns`` when each frame arrived.
    gaps
        Losses of the camera noticed within this chunk or just before its first frame.
    after_overrun
        Whether frames were dropped before its first one because the ring was full.
    capture_start_ms_utc
        When the first frame was captured, in milliseconds since 1970 in UTC; None until it is known.
    time_base
        By which clock that is: ``host``, this process's `rheed_acquire.clocks.timing.process_clock`;
        ``wall``, this computer's ``time.time()``; or ``reference``, which needs no correction.
    since_ns
        (N,) int64: when each frame was captured, in nanoseconds since the first; None until it is known.
    fps
        Frames per second by which the frames are evenly spaced from the first; None for the stream's.
    """

    index: int
    frames: NDArray[np.uint8]
    frame_ids: NDArray[np.int64]
    timestamps_ns: NDArray[np.int64]
    host_ns: NDArray[np.int64]
    gaps: tuple[Gap, ...] = ()
    capture_start_ms_utc: float | None = None
    after_overrun: bool = False
    time_base: TimeBase = "wall"
    since_ns: NDArray[np.int64] | None = None
    fps: float | None = None
    on_release: Callable[[], None] | None = None
    on_date: Callable[[float], None] | None = None
    on_set_aside: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def date(self, capture_start_ms_utc: float, time_base: TimeBase = "wall") -> None:
        """Set when the first frame was captured, also for whoever finds the chunk without this process."""
        self.capture_start_ms_utc, self.time_base = capture_start_ms_utc, time_base
        if self.on_date is not None:
            self.on_date(capture_start_ms_utc)

    def release(self) -> None:
        """Give the memory back to the ring; only the first call does anything."""
        self._give_back(self.on_release)

    def set_aside(self) -> None:
        """Give the chunk up, but leave it in the ring for a later recovery (see `ChunkRing.set_aside`)."""
        self._give_back(self.on_set_aside)

    def _give_back(self, how: Callable[[], None] | None) -> None:
        held = self._let_go()
        if how is None:
            return
        try:
            how()
        except BaseException:  # it was not given back, and may be yet
            self.on_release, self.on_set_aside, self.on_date = held
            raise

    def hand_over(self) -> Chunk:
        """Make it another's: what its holder up to now does with it has no effect on the ring any more."""
        handed = replace(self)
        self._let_go()
        return handed

    def take_back(self, handed: Chunk) -> None:
        """Be the holder again of what was handed over."""
        self.on_release, self.on_set_aside, self.on_date = handed._let_go()

    def _let_go(
        self,
    ) -> tuple[Callable[[], None] | None, Callable[[], None] | None, Callable[[float], None] | None]:
        held = self.on_release, self.on_set_aside, self.on_date
        self.on_release = self.on_set_aside = self.on_date = None
        return held


def chunk_of(
    buffer: ChunkBuffer, ring: ChunkRing, gaps: tuple[Gap, ...] = (), *, after_overrun: bool = False
) -> Chunk:
    """Make the committed frames of a buffer a chunk, without a copy; its release frees the buffer."""
    count = buffer.committed

    def date(capture_start_ms_utc: float) -> None:
        buffer.cells[CAPTURE_START_NS] = round(capture_start_ms_utc * 1e6)

    return Chunk(
        index=buffer.chunk_index,
        frames=buffer.frames[:count],
        frame_ids=buffer.frame_ids[:count],
        timestamps_ns=buffer.timestamps_ns[:count],
        host_ns=buffer.host_ns[:count],
        gaps=gaps,
        after_overrun=after_overrun,
        on_release=lambda: ring.release(buffer),
        on_date=date,
        on_set_aside=lambda: ring.set_aside(buffer),
    )
