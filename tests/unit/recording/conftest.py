"""Runs as the local server records them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard

START_MS = 1_700_000_000_000
FPS = 30.0
DATA_ID = "00000001-0000-4000-8000-000000000000"


def begin_run(folder: Path) -> RunWriter:
    """Make a run without a chunk."""
    folder.mkdir(parents=True)
    declared = StreamDeclaration(
        name="growth",
        fps=FPS,
        rotations_per_min=6.0,
        rotational_period=300.0,
        project_id=None,
        azimuth_label="[110]",
    )
    return RunWriter.create(folder, DATA_ID, declared)


def add_chunk(run: RunWriter, index: int, frames: NDArray[np.uint8], chunk_size: int) -> None:
    """Put a chunk into it, captured at the place in time that its index says."""
    received = run.incoming_path()
    received.write_bytes(bytes(encode_shard(np.ascontiguousarray(frames))))
    count, height, width = frames.shape
    start_ms = START_MS + round(index * chunk_size * 1000 / FPS)
    run.commit(received, ChunkDeclaration(index, count, height, width, chunk_size, start_ms))


def record(
    folder: Path, chunks: Sequence[tuple[int, NDArray[np.uint8]]], chunk_size: int, *, closed: bool = True
) -> Path:
    """Record chunks, each with its index."""
    run = begin_run(folder)
    for index, frames in chunks:
        add_chunk(run, index, frames, chunk_size)
    if closed:
        run.close("test")
    return folder
