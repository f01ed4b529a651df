"""What a process left in the spool reaches the server through the next one, once, dated and bit by bit."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from rheed_acquire.frames.chunk_buffer import BOOT, CAPTURE_START_NS, COMMITTED, ChunkBuffer, this_boot
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.pixels import make_converter
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.frames.ring import chunk_of
from rheed_acquire.frames.ring_files import SUFFIX
from rheed_acquire.frames.rings_left import look_into
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.limits import SpoolLimits, WhenFull
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_places import ring_folders
from rheed_acquire.streaming.stream_record import read_record

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

FPS, CHUNK_SIZE, SHAPE = 10.0, 20, (6, 8)
START_NS = 1_800_000_000_000_000_000
RING_OF_VERSION_1 = Path(__file__).parents[1] / "unit" / "frames" / "version_1.ring"


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
        ring = stream.ring(*SHAPE) if not self._free else self._ring
        buffer = ring.acquire() if not self._free else self._free[-1]
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


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_whole_and_partial_chunks_left_in_the_ring_are_built_and_delivered(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    root: Path,
) -> None:
    frames = make_frames(CHUNK_SIZE + 7, *SHAPE)
    dead = leave()
    dead.in_ring(1, frames[CHUNK_SIZE:])
    dead.in_ring(0, frames[:CHUNK_SIZE])
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["data_id"], report["stream_name"]) == (dead.data_id, "Growth")
    assert (report["chunks_uploaded"], report["closed"]) == (2, True)
    assert (report["refused"], report["lost"], report["chunks_not_uploaded"]) == (None, [], 0)
    run = open_run(dead.data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_frames"][:].tolist() == [CHUNK_SIZE, 7]
    assert run.attrs["state"] == "closed"
    assert list(root.iterdir()) == []
    assert connect(local_server).recover() == []


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


@pytest.mark.parametrize("reduction", [Reduction(5), Reduction(5, is_mean=True)])
def test_what_the_ring_had_of_a_reduced_stream_is_reduced_and_delivered(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    reduction: Reduction,
) -> None:
    frames = make_frames(5 * CHUNK_SIZE + 12, *SHAPE)
    dead = leave()
    ring = dead.folder.ring.make(2, 5 * CHUNK_SIZE, *SHAPE, 0, form=ChunkForm(reduction=reduction))
    for index, part in enumerate((frames[: 5 * CHUNK_SIZE], frames[5 * CHUNK_SIZE :])):
        buffer = ring.acquire()
        buffer.begin(index)
        buffer.append(part)
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"], report["lost"]) == (2, True, [])
    recovered = open_run(dead.data_id)["frames"][:]
    if reduction.is_mean:
        whole = frames[: 5 * CHUNK_SIZE + 10].reshape(-1, 5, *SHAPE)
        np.testing.assert_array_equal(recovered, np.floor(whole.mean(axis=1) + 0.5).astype(np.uint8))
    else:
        np.testing.assert_array_equal(recovered, frames[::5])


@pytest.mark.parametrize("pixel_format", ["Mono12", "Mono12p", "Mono16", "RGB8", "BayerRG8"])
@pytest.mark.parametrize("bit_shift", [None, 2])
def test_what_the_ring_had_at_full_depth_is_delivered_as_the_streams_8_bits(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    pixel_format: str,
    bit_shift: int | None,
) -> None:
    form = ChunkForm(pixel_format, bit_shift if pixel_format.startswith("Mono") else None)
    frame = form.frame(*SHAPE)
    frames = (
        np.random.default_rng(0).integers(0, 1 << min(frame.bits, 12), (9, *frame.shape)).astype(frame.dtype)
    )
    dead = leave()
    buffer = dead.folder.ring.make(2, CHUNK_SIZE, *SHAPE, 0, form=form).acquire()
    buffer.begin(0)
    buffer.append(frames)
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"], report["lost"]) == (1, True, [])
    expected = np.zeros((9, *SHAPE), np.uint8)
    for one, gray in zip(frames, expected, strict=True):
        make_converter(pixel_format, *SHAPE, form.bit_shift)(one, gray)
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:9], expected)


def test_a_ring_of_the_first_version_is_delivered(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any
) -> None:
    dead = leave()
    (folder, *_) = reversed(ring_folders(dead.path))
    folder.mkdir(parents=True)
    content = bytearray(RING_OF_VERSION_1.read_bytes())
    content[8 * BOOT : 8 * BOOT + 8] = this_boot().to_bytes(8, "little")
    (folder / f"000{SUFFIX}").write_bytes(content)
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"]) == (1, True)
    run = open_run(dead.data_id)
    frames = run["frames"][-2:]
    np.testing.assert_array_equal(frames, np.arange(40, dtype=np.uint8).reshape(2, 4, 5))


def test_a_frame_written_and_not_committed_is_not_delivered(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(5, *SHAPE)
    dead = leave()
    buffer = dead.in_ring(0, frames)
    buffer.cells[COMMITTED] = 4
    dead.in_ring(1, frames[:0])
    dead.die()
    connect(local_server).recover()
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:], frames[:4])


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


@pytest.mark.parametrize("dated_by", ["header", "camera", "arrival"])
def test_a_chunk_from_the_ring_is_dated_as_well_as_it_can_be(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    dated_by: str,
) -> None:
    offset_ns = START_NS - 1_000_000_000
    dead = leave()
    buffer = dead.in_ring(0, make_frames(3, *SHAPE), offset_ns)
    buffer.host_ns[:3] = 1_000_000_000, 1_100_000_000, 1_200_000_000
    expected_ms = START_NS / 1e6
    if dated_by == "header":
        buffer.cells[CAPTURE_START_NS] = START_NS + 5_000_000
        expected_ms += 5
    elif dated_by == "camera":
        # The first frame came 30 ms late, the second at once: so the first was captured 30 ms before it came.
        buffer.timestamps_ns[:3] = 0, 130_000_000, 200_000_000
        expected_ms -= 30
    dead.die()
    connect(local_server).recover()
    (start_ms,) = open_run(dead.data_id)["chunk_start_unix_ms"][:].tolist()
    assert abs(start_ms - expected_ms) <= 1  # what a float of that size can hold, in whole milliseconds


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


def test_a_ring_that_was_cut_short_is_delivered_as_far_as_it_goes_and_named(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(3 * CHUNK_SIZE, *SHAPE).reshape(3, CHUNK_SIZE, *SHAPE)
    dead = leave()
    for chunk_idx in range(3):
        dead.in_ring(chunk_idx, frames[chunk_idx])
    dead.die()
    places = {}
    for folder in ring_folders(dead.path):
        for file in look_into(folder):
            if file.holds_chunk:
                assert file.buffer is not None
                places[file.buffer.chunk_index] = file.path
    pixels = SHAPE[0] * SHAPE[1]
    os.truncate(places[1], places[1].stat().st_size - 13 * pixels - 1)
    os.truncate(places[2], 600)
    (report,) = connect(local_server).recover()
    kept = CHUNK_SIZE - 14
    np.testing.assert_array_equal(
        open_run(dead.data_id)["frames"][: CHUNK_SIZE + kept],
        np.concatenate([frames[0], frames[1][:kept]]),
    )
    torn, cut = report["damaged"]
    assert "cut short before the first" in torn
    assert f"only {kept} of its {CHUNK_SIZE} frames" in cut
    # What nothing can be made of is kept, and the stream not forgotten.
    assert report["quarantined"] == 1
    (set_aside,) = (dead.path / "quarantine").iterdir()
    assert set_aside.name == places[2].name


def test_what_a_ring_held_before_a_restart_is_named_and_not_deleted_as_finished(
    connect: Connect, local_server: LocalServer, leave: Any, make_frames: MakeFrames
) -> None:
    dead = leave()
    buffer = dead.in_ring(0, make_frames(CHUNK_SIZE, *SHAPE))
    buffer.cells[BOOT] = 12345
    dead.die()
    (report,) = connect(local_server).recover()
    (named,) = report["damaged"]
    assert "restarted" in named
    assert report["quarantined"] == 1


def test_a_ring_is_freed_where_it_holds_nothing_though_chunks_wait_in_the_spool(
    connect: Connect, service: FaultServer, root: Path, make_frames: MakeFrames
) -> None:
    service.fail("presign", 503, times=100_000)
    streamer = connect(service)
    data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
    streamer.open_ring(data_id, 3, *SHAPE)
    streamer.push(data_id, 0, make_frames(CHUNK_SIZE, *SHAPE))
    wait_for(lambda: streamer.spool_status(data_id)["encoding"] == 0)
    assert any(list(look_into(folder)) for folder in ring_folders(root / data_id))
    assert streamer.finalize(data_id, drain_timeout_s=0.0)["chunks_pending"] == 1
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
