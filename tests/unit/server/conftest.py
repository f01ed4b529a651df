"""Streams as clients of the local server make them, and a store to put them into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard
from numpy.typing import NDArray

from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.shards import ABSENT, encode_index
from rheed_acquire.server.store import StreamStore

HEIGHT, WIDTH, CHUNK_SIZE = 5, 7, 4
FPS = 100.0
START = 1_700_000_000_000


def make_frames(count: int, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)


def encode_shard(frames: NDArray[np.uint8]) -> bytes:
    """As the streamer does; all-black frames are left out."""
    data, extents = b"", []
    for frame in frames:
        compressed = zstandard.compress(frame.tobytes(), 3)
        extents.append((len(data), len(compressed)) if frame.any() else ABSENT)
        data += compressed if frame.any() else b""
    return data + encode_index(extents)


def declare(index: int, frames: NDArray[np.uint8], chunk_size: int = CHUNK_SIZE) -> ChunkDeclaration:
    count, height, width = frames.shape
    return ChunkDeclaration(index, count, height, width, chunk_size, START + index * 1000, 12.0, 0.5)


DECLARATION = StreamDeclaration("Growth run 42", FPS, 15.0, FPS * 4, "project", "[110]")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StreamStore]:
    store = StreamStore(tmp_path / "runs")
    yield store
    store.release()
