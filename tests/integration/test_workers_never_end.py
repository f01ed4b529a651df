"""Whatever is raised at whatever call of a worker, later chunks get through and the books add up."""

from __future__ import annotations

import gc
import itertools
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

import rheed_acquire
from rheed_acquire.cameras.camera import Frame
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk_buffer import FREE, ChunkBuffer
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing, chunk_of
from rheed_acquire.frames.ring_files import remove_files
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region
from rheed_acquire.streaming.intake import Intake
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.spool_entries import look_through
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_places import ring_folders
from rheed_acquire.streaming.stream_record import StreamRecord

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

CHUNKS, CHUNK_SIZE = 3, 20
STREAMS, SERVER = 2, "the server of the test"
SOURCE = str(Path(rheed_acquire.__file__).parent)
GIVING_BACK = ("release", "__exit__", "lock.release", "lock.__exit__", "RLock.release", "RLock.__exit__")
"""Of a lock: what an interpreter cannot do for want of memory, no program can make good."""

Site: TypeAlias = "tuple[str, int, str]"
"""A call: the file and the line that it stands in, and what is called."""


class RaisesOnce:
    """Raises at a call that this project's code makes in a thread, once; at none, it notes them all.

    Parameters
    ----------
    thread
        How the thread's name begins.
    site
        Where to raise; None for nowhere.
    """

    def __init__(self, thread: str, site: Site | None = None) -> None:
        self._thread, self._site = thread, site
        self._lock = threading.Lock()
        self.seen: dict[Site, None] = {}
        self.raised = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if not threading.current_thread().name.startswith(self._thread):
            sys.setprofile(None)
            return
        if event == "c_call":
            caller, callee = frame, argument.__qualname__
        elif event == "call" and frame.f_back is not None:
            caller, callee = frame.f_back, frame.f_code.co_qualname
        else:
            return
        if not caller.f_code.co_filename.startswith(SOURCE) or callee.endswith(GIVING_BACK):
            return
        site = (caller.f_code.co_filename.removeprefix(SOURCE), caller.f_lineno, callee)
        with self._lock:
            if site == self._site and not self.raised:
                self.raised = True
                raise MemoryError(f"at {site}")
            self.seen.setdefault(site)

    @contextmanager
    def in_new_threads(self) -> Iterator[None]:
        threading.setprofile(self)
        try:
            yield
        finally:
            threading.setprofile(None)


def every_call(thread: str, make_run: Callable[[RaisesOnce], None]) -> int:
    """Make the run once to see what is called, and once more for each call, raising there."""
    watched = RaisesOnce(thread)
    make_run(watched)
    for site in watched.seen:
        raising = RaisesOnce(thread, site)
        try:
            make_run(raising)
        except Exception as error:
            error.add_note(f"with an error raised at {site}")
            raise
    gc.collect()  # so that what a close that was prevented leaves is collected here
    return len(watched.seen)


def buffers_alive() -> list[ChunkBuffer]:
    return [one for one in gc.get_objects() if isinstance(one, ChunkBuffer)]


def expect_all_given_back(intake: Intake, alive_before: list[ChunkBuffer]) -> None:
    """Every buffer of the stream's ring came back, or was set aside; an ended stream's ring holds none."""
    ring = intake.stream._ring
    assert ring is not None
    if ring._closed:
        own = [one for one in buffers_alive() if all(one is not other for other in alive_before)]
        assert all(one.chunk_index == FREE for one in own)
    else:
        assert ring._free.qsize() + len(ring._aside) == ring._made


# Where it raises in a file's own close, the file is closed when it is forgotten.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("thread", ["encoder", "spooler", "upload", "reference-clock"])
def test_an_error_at_any_call_of_a_worker_costs_at_most_its_chunk(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    monkeypatch: pytest.MonkeyPatch,
    thread: str,
) -> None:
    if thread == "reference-clock":
        monkeypatch.delenv("ATOMSCALE_SKIP_CLOCK_SYNC")
    chunks = [make_frames(CHUNK_SIZE, seed=number) for number in range(CHUNKS)]

    def make_run(raises: RaisesOnce) -> None:
        alive_before = buffers_alive()
        with raises.in_new_threads():
            # A spooler has nothing to do where the server is quicker.
            streamer = connect(service, upload_workers=1, sync_always=thread == "spooler")
            data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
        intake = streamer._streams[data_id]
        delivery = intake.delivery
        for number, frames in enumerate(chunks):
            streamer.push(data_id, number, frames)
        report = streamer.finalize(data_id, drain_timeout_s=60.0)
        lost = dict(report["lost"])
        assert len(lost) <= 1
        assert report["chunks_uploaded"] + len(lost) == CHUNKS
        # A chunk that was given up lies in the ring still: its stream stays open, that it can be recovered.
        assert (report["chunks_pending"], report["closed"]) == (0, not lost)
        assert {index for owner, index in service.shards if owner == data_id} == set(range(CHUNKS)) - set(
            lost
        )
        expect_all_given_back(intake, alive_before)
        assert not delivery._window._running
        assert not delivery.spool._promised
        assert not delivery.spool._queue
        assert not delivery._write_behind._entries
        streamer.close()
        for folder in ring_folders(intake.stream.folder.path):
            remove_files(folder)

    assert every_call(thread, make_run) > 10


@pytest.fixture(scope="module")
def left_behind(make_frames: MakeFrames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool with streams that a process now gone has left: in each a shard, and a chunk in the ring."""
    root = tmp_path_factory.mktemp("left") / "spool"
    root.mkdir(mode=0o700)
    for number in range(STREAMS):
        name = f"left-{number}"
        record = StreamRecord(name, SERVER, name, 10.0, 0.0, CHUNK_SIZE, 1_800_000_000.0)
        folder = StreamFolder.create(root, record)
        ring = folder.make_ring(2, CHUNK_SIZE, 6, 8, 0)
        for index in range(2):
            buffer = ring.acquire()
            assert buffer is not None
            buffer.begin(index)
            buffer.append(make_frames(CHUNK_SIZE, seed=index))
            if index == 0:
                chunk = chunk_of(buffer, ring)
                chunk.date(1_800_000_000_000.0)
                content = encode_shard(chunk.frames)
                stream = Stream(folder, ring_chunks=2, when_full=WhenFull.STOP)
                folder.add(describe_shard(stream, chunk, content.size), content)
                buffer.clear()
        on_disk, *in_memory = ring_folders(folder.path)
        for place in in_memory:  # moved to where it is copied with the folder
            shutil.copytree(place, on_disk, dirs_exist_ok=True)
            remove_files(place)
        folder.close(delete=False)
    return root


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(900)
def test_an_error_at_any_call_of_the_recovery_costs_at_most_its_stream_until_the_next_start(
    service: FaultServer,
    connect: Connect,
    left_behind: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    streams = {f"left-{number}" for number in range(STREAMS)}
    spools = itertools.count()

    def make_run(raises: RaisesOnce) -> None:
        root = tmp_path / f"spool-{next(spools)}"
        shutil.copytree(left_behind, root)
        service.ended.clear()
        service.shards.clear()
        caplog.clear()
        options: dict[str, Any] = {"spool_folder": root, "server": SERVER, "upload_workers": 1}
        with connect(service, **options) as streamer:
            with raises.in_new_threads():
                mine = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
            for thread in threading.enumerate():
                if thread.name == "recovery":
                    thread.join()
            streamer.finalize(mine, drain_timeout_s=60.0)
        failed = streams - set(service.ended)
        assert len(failed) <= 1
        told = [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.ERROR]
        assert all(any(name in text for text in told) for name in failed)
        if look_through(root)[0]:  # what failed, or was not deleted to its end
            with connect(service, **options) as streamer:
                reports = streamer.recover(60.0)
            assert failed <= {report["data_id"] for report in reports if report["closed"]}
        assert streams <= set(service.ended)
        assert set(service.shards) == {(name, index) for name in streams for index in range(2)}
        assert look_through(root) == ([], [])  # at most an empty folder is left

    assert every_call("recovery", make_run) > 10


@pytest.mark.timeout(600)
def test_an_error_at_any_call_of_the_tap_costs_it_some_frames_and_no_more() -> None:
    def fail(error: Exception) -> None:
        raise error

    height, width = 4, 8
    whole = Region(name="whole", x=0, y=0, width=width, height=height)

    def make_run(raises: RaisesOnce) -> None:
        shown: list[int] = []
        newest = threading.Event()
        ring = ChunkRing(3, 10, height, width)
        chunks: list[Chunk] = []
        convert = make_copier("Mono8", height, width)
        accumulator = ChunkAccumulator(ring, convert, (height, width), 10.0, chunks.append, fail)

        def show(levels: object, number: int, utc_ms: object, form: object) -> None:
            shown.append(number)
            if number == 9:
                newest.set()

        tap = FrameTap([whole], show, lambda points, regions: None, looks_per_s=500.0)
        tap.watch(accumulator)
        with raises.in_new_threads():
            tap.begin(width, height, lambda stamps, arrived: arrived / 1e6)
        pixels = np.zeros((height, width), np.uint8)
        for number in range(9):
            accumulator.on_frame(Frame(pixels, number, None))
            threading.Event().wait(0.003)
        accumulator.on_frame(Frame(pixels, 9, None))
        accumulator.close()
        tap.complete(chunks[0], chunks[0].host_ns / 1e6)
        chunks[0].release()
        for number in range(10, 19):
            accumulator.on_frame(Frame(pixels, number, None))
        tap.stop()
        assert shown == sorted(shown)
        assert newest.is_set()

    process_clock()  # called by all, and computed once
    assert every_call("frame-tap", make_run) > 5


def test_a_quarantine_that_cannot_be_made_costs_its_chunk_alone(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, tmp_path: Path
) -> None:
    streamer = connect(service, upload_workers=2)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    folder = tmp_path / "spool" / data_id
    (folder / "quarantine").write_text("a file where the folder should be")
    service.fail("presign", 503, times=100_000)
    for number in range(6):
        streamer.push(data_id, number, make_frames(CHUNK_SIZE, seed=number))
        if number < 3:
            wait_for(folder / "shards" / f"{number}.json")
            (folder / "shards" / f"{number}.shard").write_bytes(b"damaged")
    service.recover()
    report = streamer.finalize(data_id, drain_timeout_s=60.0)
    lost = dict(report["lost"])
    assert set(lost) <= {0, 1, 2}
    assert lost
    assert all("cannot be set aside" in reason for reason in lost.values())
    assert report["chunks_uploaded"] == 6 - len(lost)
    assert report["chunks_pending"] == 0


def test_a_spool_that_is_away_for_a_while_costs_nothing(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, tmp_path: Path
) -> None:
    streamer = connect(service, upload_workers=2)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    folder = tmp_path / "spool" / data_id
    away = tmp_path / "away"
    service.fail("presign", 503, times=100_000)
    for number in range(3):
        streamer.push(data_id, number, make_frames(CHUNK_SIZE, seed=number))
        wait_for(folder / "shards" / f"{number}.json")
    folder.rename(away)
    service.recover()
    while "not there at present" not in (streamer.status(data_id).last_error or ""):
        threading.Event().wait(0.005)
    # Written nowhere else meanwhile, and uploaded from memory.
    streamer.push(data_id, 3, make_frames(CHUNK_SIZE, seed=3))
    while (data_id, 3) not in service.shards:
        threading.Event().wait(0.005)
    away.rename(folder)
    report = streamer.finalize(data_id, drain_timeout_s=60.0)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (4, [], True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120.0
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.002)
