"""A chunk buffer's memory: what it says to another process, and at any moment."""

from __future__ import annotations

import mmap
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rheed_acquire.frames.chunk_buffer import (
    CAPTURE_START_NS,
    COMMITTED,
    FREE,
    HEADER_BYTES,
    MAGIC,
    NO_ID,
    NO_TIMESTAMP,
    PAGE_BYTES,
    ChunkBuffer,
    memory_needed,
)
from rheed_acquire.frames.mapped_memory import make_file
from rheed_acquire.frames.rings_left import left_behind, look_into

WRITES_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from rheed_acquire.frames.chunk_buffer import COMMITTED, ChunkBuffer, memory_needed
from rheed_acquire.frames.mapped_memory import make_file

path, capacity, height, width, utc_offset_ns = Path(sys.argv[1]), *map(int, sys.argv[2:])
memory = make_file(path, memory_needed(capacity, height, width))
buffer = ChunkBuffer(memory, capacity, height, width, utc_offset_ns)
buffer.begin(0)
print("begun", flush=True)
chunk_idx = 0
while True:
    # A chunk of frames that all show their number, over and over, each time as another chunk.
    for number in range(capacity):
        buffer.slots[number][...] = (number + chunk_idx) % 251
        buffer.id_cells[number] = number * 3 + chunk_idx
        buffer.timestamp_cells[number] = number * 5 + chunk_idx
        buffer.host_cells[number] = 1 + number * 7 + chunk_idx
        buffer.cells[COMMITTED] = number + 1
    buffer.clear()
    chunk_idx += 1
    buffer.begin(chunk_idx)
"""


def test_the_layout_is_as_documented() -> None:
    memory = bytearray(memory_needed(3, 2, 5))
    buffer = ChunkBuffer(memory, 3, 2, 5, utc_offset_ns=77)
    buffer.begin(6)
    buffer.append(np.arange(20, dtype=np.uint8).reshape(2, 2, 5))
    buffer.frame_ids[:] = (1, 2, 3)
    buffer.timestamps_ns[:] = (4, 5, 6)
    buffer.host_ns[:] = (7, 8, 9)
    buffer.cells[CAPTURE_START_NS] = 99
    numbers = np.frombuffer(memory, "<i8", (HEADER_BYTES // 8) + 9)
    assert memory[:8] == b"RHEEDRNG"
    assert numbers[:9].tolist() == [MAGIC, 2, 3, 2, 5, 2, 6, 99, 77]
    assert numbers[10:12].tolist() == [1, 0]
    assert numbers[64:].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert memory[PAGE_BYTES : PAGE_BYTES + 20] == bytes(range(20))
    assert len(memory) == PAGE_BYTES + 30


@pytest.mark.parametrize("capacity", [1, 149, 150, 240, 100_000])
def test_frames_begin_on_a_page_of_their_own_behind_the_numbers(capacity: int) -> None:
    needed = memory_needed(capacity, 1, 1) - capacity
    assert needed % PAGE_BYTES == 0
    assert needed - PAGE_BYTES < HEADER_BYTES + 24 * capacity <= needed


def test_a_buffer_is_free_until_a_chunk_begins_and_after_it_is_cleared() -> None:
    buffer = ChunkBuffer(bytearray(memory_needed(2, 1, 1)), 2, 1, 1)
    assert (buffer.chunk_index, buffer.committed, buffer.capture_start_ns) == (FREE, 0, None)
    buffer.begin(4)
    buffer.append(np.ones((2, 1, 1), np.uint8))
    buffer.cells[CAPTURE_START_NS] = 0
    assert (buffer.chunk_index, buffer.committed, buffer.capture_start_ns) == (4, 2, 0)
    buffer.clear()
    assert buffer.chunk_index == FREE
    buffer.begin(5)
    assert (buffer.chunk_index, buffer.committed, buffer.capture_start_ns) == (5, 0, None)


def test_arrays_are_appended_behind_one_another_without_ids_and_stamps() -> None:
    buffer = ChunkBuffer(bytearray(memory_needed(4, 1, 2)), 4, 1, 2)
    buffer.begin(0)
    before = time.perf_counter_ns()
    for start in (0, 10):
        buffer.append(np.arange(start, start + 4, dtype=np.uint8).reshape(2, 1, 2))
    assert buffer.frames.reshape(-1).tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert buffer.frame_ids.tolist() == [NO_ID] * 4
    assert buffer.timestamps_ns.tolist() == [NO_TIMESTAMP] * 4
    assert all(before <= stamp <= time.perf_counter_ns() for stamp in buffer.host_ns.tolist())
    assert buffer.committed == 4
    with pytest.raises(ValueError, match="do not fit"):
        buffer.append(np.zeros((1, 1, 2), np.uint8))
    assert buffer.committed == 4


def test_one_process_reads_what_another_has_written(tmp_path: Path) -> None:
    path = tmp_path / "buffer"
    memory = make_file(path, memory_needed(3, 4, 5))
    buffer = ChunkBuffer(memory, 3, 4, 5, utc_offset_ns=-8)
    buffer.begin(2)
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 5), np.uint8)
    buffer.append(frames)
    buffer.frame_ids[:2] = (10, 11)
    reader = (
        "import mmap, sys\n"
        "from rheed_acquire.frames.chunk_buffer import ChunkBuffer\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    buffer = ChunkBuffer(mmap.mmap(file.fileno(), 0))\n"
        "print(buffer.frames.shape, buffer.committed, buffer.chunk_index, buffer.utc_offset_ns,\n"
        "      buffer.capture_start_ns, buffer.frame_ids[:2].tolist(), buffer.frames[:2].tobytes().hex())\n"
    )
    arguments = [sys.executable, "-c", reader, str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == f"(3, 4, 5) 2 2 -8 None [10, 11] {frames.tobytes().hex()}"


@pytest.mark.parametrize(
    ("cell", "value"),
    [(0, 1), (1, 3), (10, 0), (2, 0), (2, -1), (3, 0), (4, -5), (2, 1 << 40), (4, 1 << 62), (3, 3)],
)
def test_memory_that_was_laid_out_otherwise_is_refused(cell: int, value: int) -> None:
    memory = bytearray(memory_needed(2, 2, 2000))
    cells = ChunkBuffer(memory, 2, 2, 2000).cells
    ChunkBuffer(memory)
    cells[cell] = value
    with pytest.raises(ValueError, match="chunk buffer"):
        ChunkBuffer(memory)


@pytest.mark.parametrize("size", [0, 8, HEADER_BYTES - 1, HEADER_BYTES, 3 * PAGE_BYTES])
def test_memory_without_a_header_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="chunk buffer"):
        ChunkBuffer(bytearray(size))


def test_memory_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        ChunkBuffer(bytearray(memory_needed(2, 2, 2) - 1), 2, 2, 2)


HOUR_NS = 3_600_000_000_000


def a_ring_left_behind(path: Path, utc_offset_ns: int) -> ChunkBuffer:
    memory = make_file(path / "000.ring", memory_needed(60, 30, 50))
    buffer = ChunkBuffer(memory, 60, 30, 50, utc_offset_ns)
    buffer.begin(5)
    buffer.append(np.full((60, 30, 50), 77, np.uint8))
    return buffer


@pytest.mark.parametrize("set_by_ns", [0, 5_000_000_000, HOUR_NS, -HOUR_NS])
def test_where_no_number_tells_boots_apart_a_sound_ring_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_by_ns: int
) -> None:
    """Also where the clock of the day was set meanwhile, on a computer that had run for longer."""
    set_by_ns = max(set_by_ns, -time.perf_counter_ns() // 2)
    monkeypatch.setattr("rheed_acquire.frames.chunk_buffer.this_boot", lambda: 0)
    a_ring_left_behind(tmp_path, time.time_ns() - time.perf_counter_ns() + set_by_ns)
    (file,) = look_into(tmp_path)
    assert file.trouble is None
    assert file.holds_chunk


@pytest.mark.parametrize("torn_by", ["shorter uptime", "longer uptime", "numbers", "last number"])
def test_where_no_number_tells_boots_apart_a_ring_that_may_be_torn_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn_by: str
) -> None:
    """After a loss of power the header may be there, and of the rest what had reached the disk."""
    monkeypatch.setattr("rheed_acquire.frames.chunk_buffer.this_boot", lambda: 0)
    moved_ns = HOUR_NS if torn_by == "shorter uptime" else 0
    buffer = a_ring_left_behind(tmp_path, time.time_ns() - time.perf_counter_ns() - moved_ns)
    match torn_by:
        case "shorter uptime":  # a minute then, and more today
            buffer.host_ns[:] = min(60_000_000_000, time.perf_counter_ns())
        case "longer uptime":
            buffer.host_ns[:] += HOUR_NS
        case "numbers":
            buffer.host_ns[:] = 0
            buffer.frames[:] = 0
        case "last number":
            buffer.host_ns[-1] = 0
    (file,) = look_into(tmp_path)
    assert file.trouble is not None
    assert not file.is_empty, "it is set aside, and not deleted"


@pytest.mark.parametrize("delay_ms", [0, 3, 20, 61])
def test_frames_committed_by_a_process_that_was_killed_are_intact(tmp_path: Path, delay_ms: int) -> None:
    shape = (40, 64, 80)
    path = tmp_path / "000.ring"
    utc_offset_ns = time.time_ns() - time.perf_counter_ns()
    arguments = [sys.executable, "-c", WRITES_UNTIL_KILLED, str(path), *map(str, (*shape, utc_offset_ns))]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"begun"
        time.sleep(delay_ms / 1000)
    finally:
        child.kill()
        child.communicate()
    ((_, buffer),) = left_behind(tmp_path)
    count, chunk_idx = buffer.committed, buffer.chunk_index
    assert 0 <= count <= shape[0]
    assert buffer.frames.shape == shape
    assert buffer.utc_offset_ns == utc_offset_ns
    if chunk_idx == FREE:
        return
    numbers = np.arange(count)
    expected = ((numbers + chunk_idx) % 251).astype(np.uint8)
    np.testing.assert_array_equal(
        buffer.frames[:count], np.broadcast_to(expected[:, None, None], (count, *shape[1:]))
    )
    assert buffer.frame_ids[:count].tolist() == (numbers * 3 + chunk_idx).tolist()
    assert buffer.timestamps_ns[:count].tolist() == (numbers * 5 + chunk_idx).tolist()
    assert buffer.host_ns[:count].tolist() == (1 + numbers * 7 + chunk_idx).tolist()


def test_committed_frames_are_seen_through_a_second_mapping_at_once(tmp_path: Path) -> None:
    path = tmp_path / "buffer"
    writer = ChunkBuffer(make_file(path, memory_needed(5, 3, 3)), 5, 3, 3)
    with path.open("r+b") as file:
        reader = ChunkBuffer(mmap.mmap(file.fileno(), 0))
    writer.begin(0)
    for number in range(5):
        writer.slots[number][...] = number + 1
        writer.cells[COMMITTED] = number + 1
        assert reader.committed == number + 1
        assert int(reader.frames[number, 2, 2]) == number + 1
