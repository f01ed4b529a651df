"""A chunk for two takers: the ring has its memory back from both, and a later process sees who has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.chunk_buffer import ChunkBuffer, Taker, memory_needed
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.ring import ChunkRing, chunk_of

HEIGHT, WIDTH = 3, 4


def chunk_in_ring(count: int = 2) -> tuple[ChunkRing, ChunkBuffer, Chunk]:
    ring = ChunkRing(count, 5, HEIGHT, WIDTH, form=ChunkForm("Mono12"))
    buffer = ring.acquire()
    assert buffer is not None
    buffer.begin(7)
    buffer.append(np.arange(5 * HEIGHT * WIDTH, dtype=np.uint16).reshape(5, HEIGHT, WIDTH))
    return ring, buffer, chunk_of(buffer, ring)


def free_buffers(ring: ChunkRing) -> int:
    taken = []
    while (buffer := ring.acquire()) is not None:
        taken.append(buffer)
    for buffer in taken:
        ring.release(buffer)
    return len(taken)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_ring_has_the_memory_back_when_both_have_released_it(order: tuple[int, int]) -> None:
    ring, buffer, chunk = chunk_in_ring()
    halves = chunk.split()
    chunk.release()  # it is no one's any more
    assert free_buffers(ring) == 1
    halves[order[0]].release()
    halves[order[0]].release()
    assert (free_buffers(ring), buffer.chunk_index) == (1, 7)
    assert [buffer.is_safe_with(one) for one in Taker] == [order[0] == 0, order[0] == 1]
    halves[order[1]].release()
    assert free_buffers(ring) == 2
    assert buffer.chunk_index == -1


@pytest.mark.parametrize(
    ("count", "archive", "half"), [(8, Path("archive"), 4), (5, Path("archive"), 2), (8, None, 0)]
)
def test_half_of_the_buffers_are_the_archives(count: int, archive: Path | None, half: int) -> None:
    assert ChunkRing(count, 5, HEIGHT, WIDTH, form=ChunkForm(archive=archive)).for_archive == half


def test_a_new_chunk_is_safe_with_nobody() -> None:
    ring, buffer, chunk = chunk_in_ring()
    stream, archive = chunk.split()
    stream.release()
    archive.release()
    again = next(one for one in (ring.acquire(), ring.acquire()) if one is buffer)
    assert again is not None
    again.begin(9)
    assert not any(again.is_safe_with(one) for one in Taker)


def test_what_one_leaves_to_a_later_recovery_stays_in_the_ring() -> None:
    ring, buffer, chunk = chunk_in_ring(3)
    stream, archive = chunk.split()
    stream.set_aside()
    archive.release()
    assert free_buffers(ring) == 2
    assert buffer.chunk_index == 7
    assert (buffer.is_safe_with(Taker.STREAM), buffer.is_safe_with(Taker.ARCHIVE)) == (False, True)


def test_the_archives_pixels_outlive_the_streams_gray() -> None:
    _, _, chunk = chunk_in_ring()
    stream, archive = chunk.split()
    expected = chunk.pixels.copy()
    assert stream.frames.dtype == np.uint8
    stream.release()
    np.testing.assert_array_equal(archive.pixels, expected)
    np.testing.assert_array_equal(archive.frames, expected >> 4)


def test_one_that_could_not_be_given_back_may_be_yet() -> None:
    ring, _, chunk = chunk_in_ring()
    failing: list[Exception] = [OSError("not now")]
    give_back: Callable[[], None] | None = chunk.on_release
    assert give_back is not None

    def release() -> None:
        if failing:
            raise failing.pop()
        give_back()

    chunk.on_release = release
    stream, archive = chunk.split()
    stream.release()
    with pytest.raises(OSError, match="not now"):
        archive.release()
    assert free_buffers(ring) == 1
    archive.release()
    assert free_buffers(ring) == 2


@pytest.mark.parametrize("version", [1, 2])
def test_chunks_of_earlier_versions_are_safe_with_nobody(version: int) -> None:
    memory: Any = bytearray(memory_needed(2, HEIGHT, WIDTH))
    buffer = ChunkBuffer(memory, 2, HEIGHT, WIDTH)
    buffer.begin(0)
    buffer.cells[1] = version
    for cell in range(10 if version == 1 else 12, 64):
        buffer.cells[cell] = 0
    assert not any(ChunkBuffer(memory).is_safe_with(one) for one in Taker)
