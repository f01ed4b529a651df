"""What a process left in the spool reaches the server through the next one, once, or the report says why."""

from __future__ import annotations

import dataclasses
import gc
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.integration.mapped_rings import rings_in_use
from tests.integration.recovery.conftest import CHUNK_SIZE, FPS, SHAPE, START_NS, DeadProcess
from tests.integration.waiting import wait_for

from rheed_acquire.frames.rings_left import look_into
from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.stream_places import ring_folders
from rheed_acquire.streaming.stream_record import read_record

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer


def test_who_recovers_is_told_of_every_chunk_once(
    connect: Connect, local_server: LocalServer, leave: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(CHUNK_SIZE, *SHAPE)
    # The second begins while the first is alive, and leaves that one's stream alone.
    for dead, chunks in ((leave(), 3), (leave(), 1)):
        for chunk_idx in range(chunks):
            dead.in_ring(chunk_idx, frames)
        dead.die()
    told: list[int] = []
    reports = connect(local_server).recover(on_chunks=told.append)
    assert sum(report["chunks_uploaded"] for report in reports) == sum(told) == 4
    assert min(told) >= 0


def test_shards_on_disk_are_delivered_with_the_stamps_they_had(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(2 * CHUNK_SIZE, *SHAPE)
    dead = leave()
    for chunk_idx in (1, 0):
        dead.in_spool(chunk_idx, frames[chunk_idx * CHUNK_SIZE :][:CHUNK_SIZE])
    dead.die()
    (report,) = connect(local_server).recover()
    assert report["chunks_uploaded"] == 2
    run = open_run(dead.data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_start_unix_ms"][:].tolist() == [START_NS / 1e6] * 2


def test_a_chunk_both_on_disk_and_in_the_ring_is_delivered_once(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(3 * CHUNK_SIZE, *SHAPE).reshape(3, CHUNK_SIZE, *SHAPE)
    dead = leave()
    dead.in_ring(0, frames[0])
    dead.in_spool(0, frames[0])
    dead.in_spool(1, frames[1])
    dead.in_ring(2, frames[2])
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"]) == (3, True)
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:], frames.reshape(-1, *SHAPE))


def test_a_damaged_shard_whose_chunk_is_still_in_the_ring_is_delivered_from_there(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(CHUNK_SIZE, *SHAPE)
    dead = leave()
    dead.in_ring(0, frames)
    dead.in_spool(0, frames)
    shard = dead.path / "shards" / "0.shard"
    shard.write_bytes(shard.read_bytes()[:-1])
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["lost"]) == (1, [])
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:], frames)


def test_a_damaged_shard_is_reported_kept_and_never_uploaded(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(2 * CHUNK_SIZE, *SHAPE)
    dead = leave()
    for chunk_idx in (0, 1):
        dead.in_spool(chunk_idx, frames[chunk_idx * CHUNK_SIZE :][:CHUNK_SIZE])
    shard = dead.path / "shards" / "1.shard"
    damaged = bytearray(shard.read_bytes())
    damaged[5] ^= 4
    shard.write_bytes(damaged)
    dead.die()
    (report,) = connect(local_server).recover()
    assert report["chunks_uploaded"] == 1
    ((chunk_idx, reason),) = report["lost"]
    assert chunk_idx == 1
    assert "changed on disk" in reason
    assert (dead.path / "quarantine" / "1.shard").read_bytes() == damaged
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:CHUNK_SIZE], frames[:CHUNK_SIZE])


def test_streams_of_another_server_are_left_alone(
    connect: Connect, local_server: LocalServer, leave: Any, make_frames: MakeFrames
) -> None:
    dead = leave()
    dead.folder.update(server="https://elsewhere.example")
    dead.in_spool(0, make_frames(3, *SHAPE))
    dead.die()
    before = {path: path.read_bytes() for path in dead.path.rglob("*") if path.is_file()}
    assert connect(local_server).recover() == []
    assert {path: path.read_bytes() for path in dead.path.rglob("*") if path.is_file()} == before


def test_what_is_past_its_retention_is_deleted_and_said_so(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    make_frames: MakeFrames,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ATOMSCALE_SKIP_CLOCK_SYNC")
    old, new = leave(), leave()
    for dead, age_s in ((old, 100.0), (new, 10.0)):
        dead.in_spool(0, make_frames(3, *SHAPE))
        created = time.time() - age_s
        dead.folder.update(created_unix_s=created, created_reference_unix_s=created)
        dead.die()
    limits = SpoolLimits(retention_s=50.0, keep_free_bytes=0)
    reports = connect(local_server, spool_limits=limits).recover()
    purged, delivered = reports if reports[0]["data_id"] == old.data_id else reversed(reports)
    assert (purged["data_id"], purged["chunks_purged"], purged["closed"]) == (old.data_id, 1, False)
    assert (delivered["chunks_uploaded"], delivered["chunks_purged"]) == (1, 0)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("wrong", ["this computer's clock now", "when it was made", "no server to ask"])
def test_a_clock_that_is_set_wrong_deletes_nothing(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    make_frames: MakeFrames,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    if wrong != "no server to ask":
        monkeypatch.delenv("ATOMSCALE_SKIP_CLOCK_SYNC")
    dead = leave()
    dead.in_spool(0, make_frames(3, *SHAPE))
    now = time.time()
    # By this computer's clock it is ten years old, since that was or is wrong.
    reference = {"this computer's clock now": now, "when it was made": None, "no server to ask": now - 1e9}
    dead.folder.update(created_unix_s=now - 3e8, created_reference_unix_s=reference[wrong])
    dead.die()
    limits = SpoolLimits(retention_s=50.0, keep_free_bytes=0)
    (report,) = connect(local_server, spool_limits=limits).recover()
    assert (report["chunks_uploaded"], report["chunks_purged"], report["closed"]) == (1, 0, True)


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        ("presign", {"status": 503}),
        ("presign", {"hang_up": "in_request"}),
        ("put", {"status": 503}),
        ("put", {"hang_up": "in_request"}),
        ("put", {"status": 503, "body": "x" * 100, "hang_up": "in_answer"}),
    ],
)
def test_a_ring_is_freed_where_it_holds_nothing_though_chunks_wait_in_the_spool(
    connect: Connect,
    service: FaultServer,
    root: Path,
    make_frames: MakeFrames,
    endpoint: str,
    fault: dict[str, Any],
) -> None:
    service.fail(endpoint, times=100_000, **fault)
    streamer = connect(service)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    streamer.open_ring(data_id, 3, *SHAPE)
    gc.disable()  # which would let go of the ring some time
    try:
        streamer.push(data_id, 0, make_frames(CHUNK_SIZE, *SHAPE))
        wait_for(lambda: streamer.spool_status(data_id)["encoding"] == 0)
        assert any(list(look_into(folder)) for folder in ring_folders(root / data_id))
        assert streamer.finalize(data_id, drain_timeout_s=0.0)["chunks_pending"] == 1
        assert rings_in_use(root) == []
    finally:
        gc.enable()
    assert not any(folder.exists() for folder in ring_folders(root / data_id))


def test_a_stream_that_the_server_has_closed_is_reported_and_kept(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames
) -> None:
    dead = DeadProcess(connect(service), root)
    dead.in_spool(0, make_frames(3, *SHAPE))
    dead.die()
    service.fail("presign", 409, body={"detail": "the stream is closed"})
    (report,) = connect(service).recover()
    assert "the stream is closed" in report["refused"]
    assert (report["chunks_uploaded"], [index for index, _ in report["lost"]]) == (0, [0])
    assert [path.name for path in (dead.path / "shards").iterdir() if path.suffix == ".shard"] == ["0.shard"]
    record = read_record(dead.path)
    assert record is not None
    assert "the stream is closed" in str(record.refused)


def test_initialize_begins_to_deliver_what_was_left_behind(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(CHUNK_SIZE, *SHAPE)
    dead = leave()
    dead.in_ring(0, frames)
    dead.die()
    streamer = connect(local_server)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    wait_for(lambda: not dead.path.exists())
    assert open_run(dead.data_id).attrs["state"] == "closed"
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:], frames)
    streamer.push(data_id, 0, frames)
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1


def test_what_could_not_be_uploaded_stays_and_the_next_process_delivers_it(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    service.fail("presign", 503, times=100_000)
    for chunk_idx in range(3):
        streamer.push(data_id, chunk_idx, make_frames(CHUNK_SIZE, *SHAPE, seed=chunk_idx))
    wait_for(lambda: streamer.spool_status(data_id)["chunks_spooled"] == 3)
    status = streamer.spool_status(data_id)
    assert (status["pushed"], status["uploaded"], status["failed"]) == (3, 0, 0)
    assert status["spooled"] + status["uploading"] == 3
    shards = sorted((root / data_id / "shards").glob("*.shard"))
    assert status["bytes"] == sum(path.stat().st_size for path in shards)
    report = streamer.finalize(data_id, drain_timeout_s=0.1)
    assert (report["drained"], report["closed"], report["chunks_pending"]) == (False, False, 3)
    assert service.ended == []
    kept = [path.read_bytes() for path in shards]

    service.recover()
    (report,) = connect(service).recover()
    assert (report["data_id"], report["chunks_uploaded"], report["closed"]) == (data_id, 3, True)
    assert [service.shards[data_id, chunk_idx] for chunk_idx in range(3)] == kept
    assert service.ended == [data_id]
    assert list(root.iterdir()) == []


def test_the_api_key_is_in_no_file_of_the_spool(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames
) -> None:
    key = "key-5ecret-of-the-test"
    streamer = connect(service, api_key=key)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    service.fail("presign", 500, times=1, body=f"cannot handle X-API-KEY: {key}")
    service.fail("put", 403, times=100_000, body=f"<Error>{service.url_query}</Error>")
    for chunk_idx in range(2):
        streamer.push(data_id, chunk_idx, make_frames(CHUNK_SIZE, *SHAPE))
    wait_for(lambda: len(service.requests_to("put")) > 3)
    streamer.finalize(data_id, drain_timeout_s=0.1)
    record = read_record(root / data_id)
    assert record is not None
    assert record.last_error
    files = [path for path in root.rglob("*") if path.is_file() and path.name != "lock"]
    assert len(files) >= 5
    secrets = (key, "Signature", "5ecret")
    assert [str(p) for p in files for secret in secrets if secret.encode() in p.read_bytes()] == []


def test_a_recovered_folder_that_was_copied_elsewhere_is_delivered_from_there(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    tmp_path: Path,
) -> None:
    frames = make_frames(CHUNK_SIZE, *SHAPE)
    dead = leave()
    dead.in_spool(0, frames)
    dead.die()
    moved = tmp_path / "another computer" / "spool"
    shutil.copytree(dead.path, moved / dead.path.name)
    (report,) = connect(local_server, spool_folder=moved).recover()
    assert (report["chunks_uploaded"], report["closed"]) == (1, True)
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:], frames)
    assert dataclasses.asdict(dead.folder.record)["refused"] is None
