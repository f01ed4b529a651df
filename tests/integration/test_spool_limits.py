"""Spools at their limits, and pushes that wait for the disk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.waiting import wait_for

from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming.limits import SpoolLimits, WhenFull

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

FPS, CHUNK_SIZE, SHAPE = 10.0, 20, (6, 8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where `connect` keeps the spool."""
    return tmp_path / "spool"


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_past_the_limit_chunks_go_from_memory_and_none_is_lost(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames, when_full: WhenFull
) -> None:
    one_shard = len(bytes(encode_shard(make_frames(CHUNK_SIZE, *SHAPE))))
    limits = SpoolLimits(max_bytes=one_shard + 100, keep_free_bytes=0, when_full=when_full)
    streamer = connect(service, spool_limits=limits, ring_chunks=2)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    service.fail("presign", 503, times=100_000)
    chunks = [make_frames(CHUNK_SIZE, *SHAPE, seed=seed) for seed in range(4)]
    for chunk_idx in range(3):
        streamer.push(data_id, chunk_idx, chunks[chunk_idx])
    wait_for(lambda: streamer.spool_status(data_id)["encoding"] == 0)
    stream = streamer._intake(data_id).stream
    wait_for(lambda: stream.report(closed=False)["chunks_spooled"] == 1 and stream._spool_trouble)
    assert len(list((root / data_id / "shards").glob("*.shard"))) == 1
    reason = streamer.status(data_id).stop_reason
    assert (reason is None) == (when_full is WhenFull.DROP)
    assert "spool is full" in (reason or "spool is full")
    # Both buffers of the ring are kept, so that a fourth chunk waits.
    pushed = threading.Thread(target=streamer.push, args=(data_id, 3, chunks[3]))
    pushed.start()
    pushed.join(0.2)
    assert pushed.is_alive()
    service.recover()
    pushed.join(30)
    assert not pushed.is_alive()
    report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (4, [], True)
    for chunk_idx, frames in enumerate(chunks):
        assert service.shards[data_id, chunk_idx] == bytes(encode_shard(frames))


def test_chunks_that_only_memory_had_room_for_are_recovered_from_the_ring(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames
) -> None:
    streamer = connect(service, spool_limits=SpoolLimits(max_bytes=10, keep_free_bytes=0))
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    service.fail("presign", 503, times=100_000)
    chunks = [make_frames(CHUNK_SIZE, *SHAPE, seed=seed) for seed in range(3)]
    for chunk_idx, frames in enumerate(chunks):
        streamer.push(data_id, chunk_idx, frames)
    streamer.finalize(data_id, drain_timeout_s=0.1)
    service.recover()
    (report,) = connect(service).recover()
    assert (report["chunks_uploaded"], report["closed"]) == (3, True)
    assert [service.shards[data_id, idx] for idx in range(3)] == [
        bytes(encode_shard(frames)) for frames in chunks
    ]
    assert list(root.iterdir()) == []


def test_with_sync_always_a_chunk_is_on_disk_when_push_returns(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames
) -> None:
    streamer = connect(service, sync_always=True)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    service.fail("presign", 503, times=100_000)
    for chunk_idx in range(3):
        streamer.push(data_id, chunk_idx, make_frames(CHUNK_SIZE, *SHAPE))
        assert (root / data_id / "shards" / f"{chunk_idx}.json").exists()
    service.recover()
    assert streamer.finalize(data_id)["chunks_uploaded"] == 3


@pytest.mark.timeout(60)
def test_with_sync_always_a_chunk_that_the_server_refuses_and_no_disk_takes_does_not_hang_push(
    connect: Connect, service: FaultServer, make_frames: MakeFrames
) -> None:
    limits = SpoolLimits(max_bytes=10, keep_free_bytes=0)
    streamer = connect(service, sync_always=True, spool_limits=limits)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    service.fail("presign", 409, times=1, body={"detail": "the stream is closed"})
    with pytest.raises(RuntimeError, match="given up"):
        streamer.push(data_id, 0, make_frames(CHUNK_SIZE, *SHAPE))


def test_a_stream_finalized_before_its_chunks_are_encoded_does_not_end_the_encoding_of_others(
    connect: Connect, service: FaultServer, make_frames: MakeFrames
) -> None:
    streamer = connect(service, compression_level=19)
    hurried, other = (streamer.initialize(FPS, 0.0, CHUNK_SIZE) for _ in range(2))
    for chunk_idx in range(4):
        streamer.push(hurried, chunk_idx, make_frames(CHUNK_SIZE, 300, 500))
    streamer.finalize(hurried, drain_timeout_s=0.0)
    streamer.push(other, 0, make_frames(CHUNK_SIZE, *SHAPE))
    report = streamer.finalize(other, drain_timeout_s=100.0)
    assert (report["chunks_uploaded"], report["closed"]) == (1, True)
