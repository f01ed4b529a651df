"""A fork of a process that streams is told so at its first call, and the parent goes on unharmed."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rheed_acquire.cameras.camera import Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, chunk_of
from rheed_acquire.streaming.frame_gatherer import FrameGatherer
from rheed_acquire.streaming.stream_places import is_in_use
from rheed_acquire.system.home_process import ForkedError

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no process forks on this system")
SIZE = 20


def in_a_fork(do: Callable[[], None]) -> str:
    """What a forked child says: nothing, or the traceback of what it raised."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reads)
            try:
                do()
            except BaseException:  # noqa: BLE001 - it is said to the parent
                os.write(writes, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that threads are not forked along is the point
def test_every_call_in_a_fork_names_spawn_and_the_parent_goes_on(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, tmp_path: Path
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    frames = make_frames(3 * SIZE).reshape(3, SIZE, 6, 8)
    ring = streamer.open_ring(data_id, 3, 6, 8)
    streamer.push(data_id, 0, frames[0])
    intake = streamer._intake(data_id)
    spool = intake.delivery.spool
    gatherer = FrameGatherer(intake)
    gatherer.take(frames[1][:5], None, 0.0, is_chunk=False)
    buffer = ring.wait(10)
    assert buffer is not None
    buffer.begin(2)
    buffer.append(frames[2])
    chunk = chunk_of(buffer, ring)
    calls: dict[str, Callable[[], object]] = {
        "initialize": lambda: streamer.initialize(10.0, 0.0, SIZE),
        "push": lambda: streamer.push(data_id, 3, frames[0]),
        "push_chunk": lambda: streamer.push_chunk(data_id, chunk),
        "run": lambda: streamer.run(data_id, iter(frames[0])),
        "open_ring": lambda: streamer.open_ring(data_id, 3, 6, 8),
        "status": lambda: streamer.status(data_id),
        "spool_status": lambda: streamer.spool_status(data_id),
        "finalize": lambda: streamer.finalize(data_id),
        "recover": streamer.recover,
        "clock_status": streamer.clock_status,
        "close": streamer.close,
        "gather": lambda: gatherer.take(255 - frames[1][:5], None, 0.0, is_chunk=False),
        "acquire": ring.acquire,
        "wait": ring.wait,
        "release": chunk.release,
        "take": spool.take,
        "leftovers": lambda: list(spool.leftovers()),
        "close_stream": lambda: spool.close_stream(data_id, delete=True),
    }

    def call_all() -> None:
        for name, call in calls.items():
            print(name, file=sys.stderr)
            with pytest.raises(ForkedError, match=rf'process {os.getppid()},.*start method "spawn"'):
                call()
        with streamer:
            pass
        gatherer.flush()

    assert in_a_fork(call_all) == ""
    assert is_in_use(tmp_path / "spool" / data_id)
    gatherer.take(frames[1][5:], None, 0.0, is_chunk=False)
    gatherer.flush()
    streamer.push_chunk(data_id, chunk)
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (3, [], True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frames_of_a_fork_are_not_mixed_into_the_parents_chunk(
    service: FaultServer, connect: Connect
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    ring = streamer.open_ring(data_id, 2, 6, 8)
    chunks: list[Chunk] = []

    def fail(error: Exception) -> None:
        raise error

    convert = make_copier("Mono8", 6, 8)
    accumulator = ChunkAccumulator(ring, convert, (6, 8), 10.0, chunks.append, fail)
    mine, others = np.full((6, 8), 1, np.uint8), np.full((6, 8), 2, np.uint8)
    for number in range(3):
        accumulator.on_frame(Frame(mine, number, None))
    said = in_a_fork(lambda: accumulator.on_frame(Frame(others, 3, None)))
    assert "ForkedError" in said
    accumulator.on_frame(Frame(mine, 3, None))
    accumulator.close()
    (chunk,) = chunks
    assert chunk.frames.shape == (4, 6, 8)
    assert (chunk.frames == 1).all()
    chunk.release()
    streamer.finalize(data_id)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_may_have_a_streamer_of_its_own(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, SIZE)

    def stream() -> None:
        from rheed_acquire.streaming import RHEEDStreamer

        with RHEEDStreamer("key-of-the-child", service.endpoint) as own:
            theirs = own.initialize(10.0, 0.0, SIZE)
            own.push(theirs, 0, make_frames(SIZE))
            assert own.finalize(theirs, drain_timeout_s=30)["closed"]

    assert in_a_fork(stream) == ""
    streamer.push(data_id, 0, make_frames(SIZE))
    assert streamer.finalize(data_id, drain_timeout_s=30)["closed"]
    assert len(service.shards) == 2


PARENT = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from pathlib import Path
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.stream_places import is_in_use

endpoint, spool = sys.argv[1], Path(sys.argv[2])
frames = np.zeros((20, 6, 8), np.uint8)
with RHEEDStreamer("key", endpoint, spool_folder=spool) as streamer:
    data_id = streamer.initialize(10.0, 0.0, 20)
    streamer.push(data_id, 0, frames)
    child = os.fork()
    if child == 0:
        sys.exit(7)  # through finally blocks, atexit and finalizers
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status
    assert is_in_use(spool / data_id), "the child let the parent's lock go"
    assert (spool / data_id / "stream.json").exists()
    streamer.push(data_id, 1, frames)
    report = streamer.finalize(data_id, 30.0)
    assert (report["chunks_uploaded"], report["closed"]) == (2, True), report
print("unharmed")
"""


def test_a_fork_that_ends_as_programs_do_takes_nothing_with_it(service: FaultServer, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, service.endpoint, str(tmp_path / "own spool")],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout == "unharmed\n", done.stderr
    assert "Traceback" not in done.stderr
