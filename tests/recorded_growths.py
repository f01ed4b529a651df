"""Runs whose growth rate, or whose pattern at each azimuth, is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import BucketPath
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard

FPS, SECONDS, CHUNK = 10.0, 16, 20
START_MS = 1_700_000_000_000


def record_growth(folder: Path, number: int, rate: float, *, lost_chunk: int | None = None) -> Path:
    """Record a run whose pictures oscillate at a rate, over a drift that is stronger."""
    seconds = np.arange(int(SECONDS * FPS)) / FPS
    levels = 100 + 20 * np.sin(2 * np.pi * rate * seconds) + 60 * seconds / SECONDS
    frames = np.broadcast_to(levels.astype(np.uint8)[:, None, None], (len(levels), 112, 266))
    return record_frames(folder, number, frames, lost_chunk=lost_chunk)


def record_frames(
    folder: Path,
    number: int,
    frames: NDArray[np.uint8],
    *,
    rotations_per_min: float = 0.0,
    lost_chunk: int | None = None,
    ends: bool = True,
    **links: object,
) -> Path:
    """Record frames (T, H, W), all chunks of them but one; links are its sample and its tags."""
    folder.mkdir()
    declared = StreamDeclaration(f"Growth {number}", FPS, rotations_per_min, 0.0, None, None)
    run = RunWriter.create(folder, f"{number:08}-0000-4000-8000-000000000000", declared)
    for index in range(len(frames) // CHUNK):
        if index == lost_chunk:
            continue
        chunk = np.ascontiguousarray(frames[index * CHUNK : (index + 1) * CHUNK])
        received = run.incoming_path()
        received.write_bytes(bytes(encode_shard(chunk)))
        start_ms = START_MS + round(index * CHUNK / FPS * 1000)
        count, height, width = chunk.shape
        run.commit(received, ChunkDeclaration(index, count, height, width, CHUNK, start_ms))
    if links:
        run.link(**links)
    if ends:
        run.close("test")
    return folder


def copy_into_bucket(folder: Path, there: BucketPath) -> BucketPath:
    """Put a folder into a bucket, file by file."""
    for file in folder.rglob("*"):
        if file.is_file():
            (there / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())
    return there
