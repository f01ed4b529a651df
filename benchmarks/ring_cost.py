"""What the crash-safe ring costs the camera's callback: memory-mapped files against plain memory.

The same frames go through `ChunkAccumulator.on_frame` into rings in plain memory, in shared memory and on
disk, a chunk at a time in turn, so that whatever else the machine does meets all of them alike. The bare copy
beside them tells what the accumulator itself adds. Ratios are of the medians of one round; their spread is
that over the rounds.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._rounds import Spread, turns
from benchmarks._scratch import scratch_folder
from benchmarks._table import Row
from rheed_acquire.cameras.camera import Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk_buffer import memory_needed
from rheed_acquire.frames.mapped_memory import make_file
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.frames.ring_files import shared_memory_folder

SIZES = {(300, 500): 240, (2048, 2048): 60}
"""Height and width of the frames, and how many make a chunk."""
CHUNKS_PER_ROUND = 4
BUFFERS = 2


def rows(quick: bool) -> Iterator[Row]:
    """Measure every size in every memory."""
    for (height, width), capacity in SIZES.items():
        yield from _measure(height, width, capacity, 3 if quick else 9)


def _measure(height: int, width: int, capacity: int, rounds: int) -> Iterator[Row]:
    with scratch_folder() as on_disk:
        folders = {"ring on disk": on_disk}
        shared = shared_memory_folder(on_disk)
        if shared is not None:
            shared.mkdir(mode=0o700)
            folders = {"ring in shared memory": shared, **folders}
        try:
            yield from _compare(height, width, capacity, folders, rounds)
        finally:
            if shared is not None:
                shutil.rmtree(shared)


def _compare(height: int, width: int, capacity: int, folders: dict[str, Path], rounds: int) -> Iterator[Row]:
    nbytes = memory_needed(capacity, height, width)
    rings = {"plain memory": ChunkRing(BUFFERS, capacity, height, width)}
    for name, folder in folders.items():
        memories = [make_file(folder / f"{number}.ring", nbytes) for number in range(BUFFERS)]
        rings[name] = ChunkRing(BUFFERS, capacity, height, width, memories)
    source = np.random.default_rng(0).integers(0, 256, (8, height, width), np.uint8)
    accumulators = {name: _accumulator(ring) for name, ring in rings.items()}
    frames = [Frame(pixels, None, None) for pixels in source]
    feeds: dict[str, Callable[[int], list[int]]] = {"bare copy": _bare_copy(source, rings["plain memory"])}
    for name, accumulator in accumulators.items():
        feeds[name] = _feed(accumulator, frames)
    for feed in feeds.values():
        feed(BUFFERS * capacity)  # every page touched once

    times: dict[str, list[int]] = {name: [] for name in feeds}
    medians: dict[str, list[float]] = {name: [] for name in feeds}
    for _ in range(rounds):
        taken: dict[str, list[int]] = {name: [] for name in feeds}
        for _, name in turns(list(feeds), CHUNKS_PER_ROUND):
            taken[name] += feeds[name](capacity)
        for name, numbers in taken.items():
            times[name] += numbers
            medians[name].append(statistics.median(numbers))
    for name, numbers in times.items():
        yield (
            f"{height} x {width}, {name}",
            f"{statistics.median(numbers) / 1e3:.1f} us (99.9 %: {np.percentile(numbers, 99.9) / 1e3:.1f})",
            f"plain memory {statistics.median(times['plain memory']) / 1e3:.1f} us",
            str(Spread.of_ratios(medians[name], medians["plain memory"])),
        )


def _accumulator(ring: ChunkRing) -> ChunkAccumulator:
    def on_error(error: Exception) -> None:
        raise error

    layout = (ring.height, ring.width)
    return ChunkAccumulator(
        ring, make_copier("Mono8", *layout), layout, 100.0, on_chunk=Chunk.release, on_error=on_error
    )


def _feed(accumulator: ChunkAccumulator, frames: list[Frame]) -> Callable[[int], list[int]]:
    source = itertools.cycle(frames)

    def feed(count: int) -> list[int]:
        clock, on_frame, taken = time.perf_counter_ns, accumulator.on_frame, []
        for frame in itertools.islice(source, count):
            begun = clock()
            on_frame(frame)
            taken.append(clock() - begun)
        return taken

    return feed


def _bare_copy(source: NDArray[np.uint8], ring: ChunkRing) -> Callable[[int], list[int]]:
    frames = itertools.cycle(source)
    target = np.empty((BUFFERS * ring.capacity, ring.height, ring.width), np.uint8)
    slots = itertools.cycle(list(target))

    def feed(count: int) -> list[int]:
        clock, copy, taken = time.perf_counter_ns, np.copyto, []
        for frame, slot in itertools.islice(zip(frames, slots, strict=False), count):
            begun = clock()
            copy(slot, frame)
            taken.append(clock() - begun)
        return taken

    return feed
