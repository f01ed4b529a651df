"""A push that fails has pushed nothing: it can be repeated, and nobody waits for its chunk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.frames.chunk_buffer import FREE
from rheed_acquire.frames.ring import chunk_of
from rheed_acquire.frames.ring_files import RingMemoryError
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.delivery import Delivery
from rheed_acquire.streaming.parcel import Parcel
from rheed_acquire.streaming.stream_ring import StreamRing

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

SIZE = 20
INTERRUPTIONS = [KeyboardInterrupt(), MemoryError(), SystemExit(1), OSError("no room")]


class Interrupted:
    """Raises at the next call of a method of an object or a class, in place of it or after it."""

    def __init__(self, owner: object, name: str, error: BaseException, *, after: bool = False) -> None:
        self.calls = 0
        original: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if after:
                original(*arguments, **named)
            setattr(owner, name, original)
            raise error

        setattr(owner, name, call)


def push(streamer: RHEEDStreamer, data_id: str, index: int, frames: Any) -> None:
    streamer.push(data_id, index, frames)


def run_singles(streamer: RHEEDStreamer, data_id: str, index: int, frames: Any) -> None:
    streamer.run(data_id, iter(frames))


def run_chunk(streamer: RHEEDStreamer, data_id: str, index: int, frames: Any) -> None:
    streamer.run(data_id, iter([frames]))


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("give", [push, run_singles, run_chunk])
def test_a_push_that_finds_no_ring_can_be_repeated(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    give: Callable[..., None],
    error: BaseException,
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    Interrupted(StreamRing, "make", error)
    frames = make_frames(SIZE)
    with pytest.raises(type(error)):
        give(streamer, data_id, 0, frames)
    give(streamer, data_id, 0, frames)
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["chunks_pending"], report["lost"]) == (1, 0, [])
    assert list(service.shards) == [(data_id, 0)]


def test_frames_too_large_for_any_ring_do_not_decide_the_size_of_the_stream(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1, 1 << 20, 1 << 20), (0, 0, 0))
    with pytest.raises(RingMemoryError):
        streamer.push(data_id, 0, huge)
    with pytest.raises(RingMemoryError):
        streamer.open_ring(data_id, 3, 1 << 20, 1 << 20)
    streamer.push(data_id, 0, make_frames(SIZE))
    assert streamer.finalize(data_id, drain_timeout_s=30)["chunks_uploaded"] == 1


@contextmanager
def disk_at_rest(delivery: Delivery) -> Iterator[None]:
    """Let the encoder wait, so that the ring fills."""
    may_go_on = threading.Event()
    encode = delivery._encoder.encode

    def wait(*arguments: Any, **more: Any) -> Any:
        may_go_on.wait(30)
        return encode(*arguments, **more)

    delivery._encoder.encode = wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        may_go_on.set()


@pytest.mark.parametrize("give", [push, run_singles, run_chunk])
def test_an_interruption_of_a_push_that_waits_for_room_takes_it_back(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, give: Callable[..., None]
) -> None:
    streamer = connect(service, ring_chunks=2)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    intake = streamer._intake(data_id)
    chunks = [make_frames(SIZE, seed=number) for number in range(3)]
    with disk_at_rest(intake.delivery):
        for number in range(2):
            streamer.push(data_id, number, chunks[number])
        ring = intake.stream._ring
        assert ring is not None
        Interrupted(ring, "wait", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            give(streamer, data_id, 2, chunks[2])
    give(streamer, data_id, 2, chunks[2])
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["chunks_pending"], report["lost"]) == (3, 0, [])
    assert {index for _, index in service.shards} == {0, 1, 2}


@pytest.mark.parametrize("after", [False, True])
def test_an_interruption_at_the_hand_over_leaves_the_chunk_with_one_of_both(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, *, after: bool
) -> None:
    """Before the hand-over it is the caller's; after it, it may be either's, and is encoded once at most."""
    streamer = connect(service, ring_chunks=3)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    intake = streamer._intake(data_id)
    ring = streamer.open_ring(data_id, 3, 6, 8)
    frames = make_frames(SIZE)
    buffer = ring.acquire()
    assert buffer is not None
    buffer.begin(0)
    buffer.append(frames)
    chunk = chunk_of(buffer, ring)
    Interrupted(intake.delivery, "deliver", KeyboardInterrupt(), after=after)
    with pytest.raises(KeyboardInterrupt):
        streamer.push_chunk(data_id, chunk)
    taken = chunk.on_release is None
    assert not taken or after
    if not taken:
        streamer.push_chunk(data_id, chunk)
    chunk.release()  # it is not the caller's any more: this does nothing to the ring
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["chunks_pending"], report["lost"]) == (1, 0, [])
    assert buffer.chunk_index == FREE  # its only holder gave it back


def test_a_chunk_that_is_refused_is_still_the_callers(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, SIZE)
    ring = streamer.open_ring(data_id, 2, 6, 8)
    streamer.push(data_id, 0, make_frames(SIZE))
    buffer = ring.wait(10)
    assert buffer is not None
    buffer.begin(0)
    buffer.append(make_frames(SIZE))
    chunk = chunk_of(buffer, ring)
    with pytest.raises(ValueError, match="pushed before"):
        streamer.push_chunk(data_id, chunk)
    assert chunk.on_release is not None
    chunk.release()
    assert streamer.finalize(data_id, drain_timeout_s=30)["chunks_uploaded"] == 1


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), MemoryError()], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize("where", ["register", "clock"])
def test_a_stream_that_cannot_be_begun_to_its_end_leaves_nothing(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    own_spool: Path,
    tmp_path: Path,
    error: BaseException,
    where: str,
) -> None:
    streamer = connect(service)
    first = streamer.initialize(10.0, 0.0, SIZE)
    delivery = streamer._intake(first).delivery
    if where == "register":
        Interrupted(delivery, "register", error)
    else:
        Interrupted(delivery.clock, "wait_first", error)
    with pytest.raises(type(error)):
        streamer.initialize(10.0, 0.0, SIZE)
    left = set(service.streams) - {first}
    assert left == set(service.ended)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [first]
    streamer.push(first, 0, make_frames(SIZE))
    assert streamer.finalize(first)["chunks_uploaded"] == 1
    assert streamer._delivery.current is None


def test_a_server_that_refuses_a_stream_leaves_no_thread(service: FaultServer, connect: Connect) -> None:
    service.fail("create_stream", 422, body={"detail": "no"})
    streamer = connect(service)
    with pytest.raises(StreamerError):
        streamer.initialize(10.0, 0.0, SIZE)
    assert streamer._delivery.current is None


def test_a_parcel_is_claimed_once() -> None:
    parcel = Parcel(stream=None, chunk=None)  # type: ignore[arg-type]
    assert [parcel.claim(), parcel.claim()] == [True, False]
