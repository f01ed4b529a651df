"""Whatever is raised at whatever call of the recovery, the other streams arrive, and the one later."""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.frames.ring import chunk_of
from rheed_acquire.frames.ring_files import remove_files
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.spool_entries import look_through
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_places import ring_folders
from rheed_acquire.streaming.stream_record import StreamRecord

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.errors_at_every_call.conftest import EveryCall, RaisesOnce
    from tests.integration.fault_server import FaultServer

CHUNK_SIZE = 20
STREAMS, SERVER = 2, "the server of the test"


@pytest.fixture(scope="module")
def left_behind(make_frames: MakeFrames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool with streams that a process now gone has left: in each a shard, and a chunk in the ring."""
    root = tmp_path_factory.mktemp("left") / "spool"
    root.mkdir(mode=0o700)
    for number in range(STREAMS):
        name = f"left-{number}"
        record = StreamRecord(name, SERVER, name, 10.0, 0.0, CHUNK_SIZE, 1_800_000_000.0)
        folder = StreamFolder.create(root, record)
        ring = folder.ring.make(2, CHUNK_SIZE, 6, 8, 0)
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
    every_call: EveryCall,
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
