"""A run of 100,000 frames opened for analysis, and one of its frames read.

Beside the opening: zarr-python opens the same group and reads the arrays of its times and ids, as one would
by hand. Beside the frame: zarr-python reads it, and `open_run`'s whole chunk that it lies in.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._rounds import Spread, UnavailableError, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._table import Row
from rheed_acquire import open_run
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.layout import FRAME_IDS, FRAMES, GROUP, TIMES
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard

CHUNK_SIZE = 1000
HEIGHT, WIDTH = 48, 64
FPS = 100.0


def rows(quick: bool) -> Iterator[Row]:
    """Measure the opening, and the reading of one frame."""
    try:
        import dask
        import xarray  # noqa: F401
        import zarr
    except ImportError as error:
        raise UnavailableError(f'{error.name} is not installed: pip install ".[analysis]"') from None

    chunks = 10 if quick else 100
    with scratch_folder() as scratch, dask.config.set(scheduler="synchronous"):
        folder = _record(scratch / "run", chunks)

        def by_hand() -> Any:
            group: Any = zarr.open_group(folder / GROUP, mode="r")
            for name in (TIMES, FRAME_IDS):
                if name in group:
                    group[name][:]
            return group[FRAMES]

        place = chunks // 2 * CHUNK_SIZE + 1
        dataset, stored = open_run(folder), by_hand()
        sides: dict[str, Callable[[], object]] = {
            "open_run": lambda: open_run(folder),
            "zarr-python, by hand": by_hand,
            "one frame": lambda: dataset.frames[place].to_numpy(),
            "one frame by zarr-python": lambda: stored[place],
            "its chunk": lambda: dataset.frames[place - 1 : place - 1 + CHUNK_SIZE].to_numpy(),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for read in sides.values():
            read()
        for _, name in turns(list(sides), 4 if quick else 20):
            begun = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - begun)
    frames = f"{chunks * CHUNK_SIZE:,} frames"
    yield _row(f"{frames}, opened", seconds, "open_run", "zarr-python, by hand")
    yield _row(f"{frames}, one of them", seconds, "one frame", "one frame by zarr-python")
    yield _row(f"{frames}, one of them", seconds, "one frame", "its chunk")


def _row(case: str, seconds: dict[str, list[float]], ours: str, beside: str) -> Row:
    return (
        case,
        f"{short(1e3 * statistics.median(seconds[ours]))} ms, longest {short(1e3 * max(seconds[ours]))} ms",
        f"{beside} {short(1e3 * statistics.median(seconds[beside]))} ms",
        str(Spread.of_ratios(seconds[ours], seconds[beside])),
    )


def _record(folder: Path, chunks: int) -> Path:
    """Record a run as the local server does, all its chunks of the same noise."""
    folder.mkdir()
    declared = StreamDeclaration(
        name="growth",
        fps=FPS,
        rotations_per_min=0.0,
        rotational_period=None,
        project_id=None,
        azimuth_label=None,
    )
    run = RunWriter.create(folder, "00000001-0000-4000-8000-000000000000", declared)
    noise = np.random.default_rng(1).integers(0, 256, (CHUNK_SIZE, HEIGHT, WIDTH), np.uint8)
    shard = bytes(encode_shard(noise))
    for index in range(chunks):
        received = run.incoming_path()
        received.write_bytes(shard)
        start_ms = 1_700_000_000_000 + round(index * CHUNK_SIZE * 1000 / FPS)
        chunk = ChunkDeclaration(index, CHUNK_SIZE, HEIGHT, WIDTH, CHUNK_SIZE, start_ms)
        run.commit(received, chunk, is_as_sent=True)
    run.close("benchmark")
    return folder
