"""The ring of chunk buffers: fixed memory, handed out and taken back from any thread."""

from __future__ import annotations

import threading
import weakref
from mmap import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.frames.chunk_buffer import COMMITTED, FREE, ChunkBuffer, memory_needed
from rheed_acquire.frames.mapped_memory import plain_memory
from rheed_acquire.frames.ring import Chunk, ChunkRing, Gap, chunk_of


@given(st.integers(2, 5), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
def test_a_ring_hands_out_its_buffers_once_each_and_then_none(
    count: int, capacity: int, height: int, width: int
) -> None:
    ring = ChunkRing(count, capacity, height, width)
    taken = [ring.acquire() for _ in range(count)]
    assert None not in taken
    assert len({id(buffer) for buffer in taken}) == count
    assert ring.acquire() is None
    assert ring.wait(0.0) is None
    assert isinstance(taken[0], ChunkBuffer)
    ring.release(taken[0])
    assert ring.wait(0.0) is taken[0]


def test_a_rings_buffers_share_nothing_and_its_size_is_theirs_and_some_pages() -> None:
    ring = ChunkRing(3, 5, 4, 7)
    buffers = [buffer for _ in range(3) if (buffer := ring.acquire()) is not None]
    arrays = [array for b in buffers for array in (b.frames, b.frame_ids, b.timestamps_ns, b.host_ns)]
    assert [array.shape for array in arrays] == [(5, 4, 7), (5,), (5,), (5,)] * 3
    assert 0 <= ring.nbytes - sum(array.nbytes for array in arrays) <= 3 * 2 * 4096
    for n, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[n + 1 :])


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (2, 0, 1, 1), (2, 1, 0, 1), (2, 1, 1, 0)])
def test_a_ring_that_could_hold_nothing_is_refused(size: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 buffers"):
        ChunkRing(*size)


def test_a_buffers_slots_are_its_frames_in_order() -> None:
    buffer = ChunkRing(2, 3, 2, 2).acquire()
    assert buffer is not None
    for value, slot in enumerate(buffer.slots, 1):
        slot[...] = value
    assert buffer.frames[:, 0, 0].tolist() == [1, 2, 3]


def test_a_chunk_is_a_view_of_the_committed_frames_and_frees_its_buffer_once() -> None:
    ring = ChunkRing(2, 4, 2, 3)
    buffer, other = ring.acquire(), ring.acquire()
    assert buffer is not None
    assert other is not None
    buffer.begin(7)
    buffer.cells[COMMITTED] = 3
    gap = Gap(0, 1, 2)
    chunk = chunk_of(buffer, ring, (gap,))
    assert (chunk.index, len(chunk), chunk.gaps) == (7, 3, (gap,))
    assert chunk.frames.shape == (3, 2, 3)
    assert np.shares_memory(chunk.frames, buffer.frames)
    assert len(chunk.frame_ids) == len(chunk.timestamps_ns) == len(chunk.host_ns) == 3
    chunk.release()
    chunk.release()
    assert ring.acquire() is buffer
    assert ring.acquire() is None


def test_a_chunks_date_lies_beside_its_pixels_until_the_buffer_begins_another() -> None:
    ring = ChunkRing(2, 4, 2, 3)
    buffer = ring.acquire()
    assert buffer is not None
    buffer.begin(0)
    chunk = chunk_of(buffer, ring)
    assert (chunk.capture_start_ms_utc, buffer.capture_start_ns) == (None, None)
    chunk.date(1_700_000_000_000.25)
    assert chunk.capture_start_ms_utc == 1_700_000_000_000.25
    assert buffer.capture_start_ns == pytest.approx(1_700_000_000_000_250_000, abs=1000, rel=0)
    chunk.release()
    assert buffer.chunk_index == FREE
    buffer.begin(1)
    assert (buffer.chunk_index, buffer.committed, buffer.capture_start_ns) == (1, 0, None)
    chunk.date(3.0)
    assert buffer.capture_start_ns is None  # no longer the chunk's


def test_a_caller_that_waits_gets_the_buffer_that_another_thread_gives_back() -> None:
    ring = ChunkRing(2, 1, 1, 1)
    first, second = ring.acquire(), ring.acquire()
    assert first is not None
    assert second is not None
    got: list[ChunkBuffer | None] = []
    waiter = threading.Thread(target=lambda: got.append(ring.wait(60)))
    waiter.start()
    ring.release(second)
    waiter.join(60)
    assert got == [second]


def test_a_buffer_is_never_in_two_hands_however_many_threads_pass_it_round() -> None:
    ring = ChunkRing(3, 1, 1, 1)
    taken_twice: list[ChunkBuffer] = []
    held: set[int] = set()
    lock = threading.Lock()

    def pass_round() -> None:
        for _ in range(500):
            buffer = ring.wait(60)
            assert buffer is not None
            with lock:
                if id(buffer) in held:
                    taken_twice.append(buffer)
                held.add(id(buffer))
            with lock:
                held.discard(id(buffer))
            ring.release(buffer)

    threads = [threading.Thread(target=pass_round) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not taken_twice
    assert [ring.acquire() is not None for _ in range(4)] == [True, True, True, False]


def test_a_ring_that_grows_makes_a_buffer_only_when_none_is_free() -> None:
    made: list[int] = []

    def make(number: int) -> mmap:
        made.append(number)
        return plain_memory(memory_needed(2, 3, 4))

    ring = ChunkRing(3, 2, 3, 4, [plain_memory(memory_needed(2, 3, 4))], make_memory=make)
    first = ring.wait(0)
    assert first is not None
    ring.release(first)
    assert ring.wait(0) is first
    assert made == []
    others = [ring.wait(0) for _ in range(3)]
    assert made == [1, 2]
    assert others[0] is not None
    assert others[1] is not None
    assert others[2] is None
    assert ring.acquire() is None


def test_a_ring_that_cannot_grow_does_with_what_it_has() -> None:
    def make(number: int) -> mmap:
        raise OSError(28, "no space left")

    ring = ChunkRing(3, 2, 3, 4, [plain_memory(memory_needed(2, 3, 4))], make_memory=make)
    only = ring.wait(0)
    assert only is not None
    assert ring.wait(0) is None
    ring.release(only)
    assert ring.wait(0) is only


def taken(ring: ChunkRing, index: int) -> Chunk:
    buffer = ring.acquire()
    assert buffer is not None
    buffer.begin(index)
    buffer.append(np.full((1, 2, 3), index, np.uint8))
    return chunk_of(buffer, ring)


def test_a_chunk_set_aside_stays_in_the_ring_as_long_as_two_others_go_round() -> None:
    ring = ChunkRing(4, 1, 2, 3)
    chunks = [taken(ring, index) for index in range(4)]
    buffers = [chunk.frames for chunk in chunks]
    for chunk in chunks[:3]:
        chunk.set_aside()
        chunk.release()  # it is not this holder's any more
    # Of three set aside the first has gone round again, and the other two keep what they hold.
    again = taken(ring, 9)
    assert again.frames is not None
    assert [int(frames[0, 0, 0]) for frames in buffers] == [9, 1, 2, 3]
    assert ring.acquire() is None


def test_a_ring_of_two_keeps_none_aside() -> None:
    ring = ChunkRing(2, 1, 2, 3)
    taken(ring, 0).set_aside()
    assert ring.acquire() is not None
    assert ring.acquire() is not None


def test_a_chunk_handed_over_is_released_by_its_new_holder_alone() -> None:
    ring = ChunkRing(2, 1, 2, 3)
    ring.acquire()
    chunk = taken(ring, 0)
    handed = chunk.hand_over()
    chunk.release()
    assert ring.acquire() is None
    chunk.take_back(handed)
    handed.release()
    assert ring.acquire() is None
    chunk.release()
    chunk.release()
    assert ring.acquire() is not None
    assert ring.acquire() is None


def test_a_ring_that_is_closed_gives_its_memory_back_but_for_a_chunk_that_somebody_holds() -> None:
    memories = [plain_memory(memory_needed(2, 3, 4)) for _ in range(4)]
    alive = [weakref.ref(memory) for memory in memories]
    ring = ChunkRing(4, 2, 3, 4, memories)
    del memories
    held, aside, late = ring.acquire(), ring.acquire(), ring.acquire()
    assert held is not None
    assert aside is not None
    assert late is not None
    held.begin(0)
    held.append(np.full((2, 3, 4), 7, np.uint8))
    chunk = chunk_of(held, ring)
    ring.set_aside(aside)
    del held, aside
    ring.close()
    assert ring.wait(0.0) is None
    ring.release(late)  # as a camera that was hung may do
    del late
    assert sum(memory() is not None for memory in alive) == 1
    assert (chunk.frames == 7).all()
    chunk.release()
    del chunk
    assert not any(memory() is not None for memory in alive)


def test_a_closed_ring_grows_no_more() -> None:
    memories = [plain_memory(memory_needed(2, 3, 4)) for _ in range(2)]
    ring = ChunkRing(3, 2, 3, 4, memories, make_memory=lambda _: plain_memory(memory_needed(2, 3, 4)))
    ring.close()
    assert ring.wait(0.0) is None
