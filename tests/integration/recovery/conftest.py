"""What a process that was killed leaves in the spool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from rheed_acquire.frames.chunk_buffer import ChunkBuffer
from rheed_acquire.frames.ring import ChunkRing, chunk_of
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder

if TYPE_CHECKING:
    from tests.integration.conftest import Connect

FPS, CHUNK_SIZE, SHAPE = 10.0, 20, (6, 8)
START_NS = 1_800_000_000_000_000_000


class DeadProcess:
    """What a killed process leaves of one stream: the server's part is real, the rest is laid out."""

    def __init__(self, streamer: RHEEDStreamer, root: Path) -> None:
        before = set(root.iterdir()) if root.exists() else set()
        self.data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE, stream_name="Growth")
        streamer.close()
        (self.path,) = set(root.iterdir()) - before
        taken = StreamFolder.take(self.path)
        assert taken is not None
        self.folder = taken
        self._free: list[ChunkBuffer] = []
        self._ring: ChunkRing | None = None

    def in_ring(self, chunk_idx: int, frames: NDArray[np.uint8], utc_offset_ns: int = 0) -> ChunkBuffer:
        if not self._free:
            ring = self.folder.ring.make(4, CHUNK_SIZE, *SHAPE, utc_offset_ns)
            self._free = [buffer for _ in range(4) if (buffer := ring.acquire()) is not None]
            self._ring = ring
        buffer = self._free.pop()
        buffer.begin(chunk_idx)
        buffer.append(frames)
        return buffer

    def in_spool(self, chunk_idx: int, frames: NDArray[np.uint8]) -> None:
        stream = Stream(self.folder, ring_chunks=2, when_full=WhenFull.STOP)
        ring = self._ring if self._free else stream.ring(*SHAPE)
        assert ring is not None
        buffer = self._free[-1] if self._free else ring.acquire()
        assert buffer is not None
        buffer.begin(chunk_idx)
        buffer.append(frames)
        chunk = chunk_of(buffer, ring)
        chunk.date(START_NS / 1e6)
        content = encode_shard(chunk.frames)
        self.folder.add(describe_shard(stream, chunk, content.size), content)
        buffer.clear()
        if not self._free:
            self.folder.ring.remove()

    def die(self) -> None:
        self._free, self._ring = [], None  # the mappings of a process go with it
        self.folder.close(delete=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def leave(connect: Connect, local_server: LocalServer, root: Path) -> Iterator[Callable[..., DeadProcess]]:
    left: list[DeadProcess] = []

    def leave() -> DeadProcess:
        left.append(DeadProcess(connect(local_server), root))
        return left[-1]

    yield leave
    for process in left:
        process.die()
        process.folder.ring.remove()


@pytest.fixture
def open_run(local_server: LocalServer) -> Callable[[str], Any]:
    return lambda data_id: zarr.open_group(local_server.run_directory(data_id) / "frames.zarr", mode="r")
