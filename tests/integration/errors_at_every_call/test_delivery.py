"""Whatever is raised at whatever call of the delivery, later chunks get through and the books add up."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.frames.chunk_buffer import FREE, ChunkBuffer
from rheed_acquire.frames.ring_files import remove_files
from rheed_acquire.streaming.intake import Intake
from rheed_acquire.streaming.stream_places import ring_folders

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.errors_at_every_call.conftest import EveryCall, RaisesOnce
    from tests.integration.fault_server import FaultServer

CHUNKS, CHUNK_SIZE = 3, 20


def buffers_of_this_run() -> list[ChunkBuffer]:
    return [one for one in gc.get_objects() if isinstance(one, ChunkBuffer)]


def expect_all_given_back(intake: Intake) -> None:
    """Every buffer of the stream's ring came back, or was set aside; an ended stream's ring holds none."""
    ring = intake.stream._ring
    assert ring is not None
    if ring._closed:
        assert all(one.chunk_index == FREE for one in buffers_of_this_run())
    else:
        assert ring._free.qsize() + len(ring._aside) == ring._made


# Where it raises in a file's own close, the file is closed when it is forgotten.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("thread", ["encoder", "spooler", "upload", "url-ahead", "reference-clock"])
def test_an_error_at_any_call_of_a_worker_costs_at_most_its_chunk(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    monkeypatch: pytest.MonkeyPatch,
    thread: str,
    every_call: EveryCall,
) -> None:
    if thread == "reference-clock":
        monkeypatch.delenv("ATOMSCALE_SKIP_CLOCK_SYNC")
    chunks = [make_frames(CHUNK_SIZE, seed=number) for number in range(CHUNKS)]

    def make_run(raises: RaisesOnce) -> None:
        with raises.in_new_threads():
            # A spooler has nothing to do where the server is quicker.
            streamer = connect(service, upload_workers=1, sync_always=thread == "spooler")
            data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
        intake = streamer._intake(data_id)
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
        expect_all_given_back(intake)
        assert not delivery._window._running
        assert not delivery.spool._promised
        assert not delivery.spool._queue
        assert not delivery._write_behind._entries
        streamer.close()
        for folder in ring_folders(intake.stream.folder.path):
            remove_files(folder)

    assert every_call(thread, make_run) > 10
