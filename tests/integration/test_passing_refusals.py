"""What a server, or something before it, refuses today is tried again; a stream is not ended over a hole."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.api import Timeouts

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

FOREVER = 100_000


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": 10.0, "rotations_per_min": 0.0, "chunk_size": 20}
    return streamer.initialize(**arguments | changes)


def until_failed(streamer: RHEEDStreamer, data_id: str, what: str) -> None:
    """Wait until the latest failed attempt says this."""
    deadline = time.monotonic() + 30
    while what not in (streamer.status(data_id).last_error or ""):
        assert time.monotonic() < deadline, streamer.status(data_id).last_error
        threading.Event().wait(0.01)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 400, 401, 402, 403, 405, 407, 413, 422, 451])
@pytest.mark.parametrize("endpoint", ["presign", "end"])
def test_a_refusal_that_passes_costs_no_chunk(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, endpoint: str, status: int
) -> None:
    streamer = connect(service, upload_workers=2)
    data_id = initialize(streamer)
    service.fail(endpoint, status, times=5, body={"detail": "not now"})
    for chunk_idx in range(3):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (3, [], True)
    assert service.shards == {
        (data_id, idx): bytes(encode_shard(make_frames(20, seed=idx))) for idx in range(3)
    }


@pytest.mark.parametrize("status", [401, 403, 422, 302])
def test_what_is_refused_until_the_time_is_over_waits_in_the_spool_and_keeps_the_stream_open(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, status: int
) -> None:
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20, seed=0))
    while streamer.status(data_id).chunks_uploaded < 1:
        threading.Event().wait(0.01)
    service.fail("presign", status, times=FOREVER, body={"detail": "not now"})
    streamer.push(data_id, 1, make_frames(20, seed=1))
    until_failed(streamer, data_id, str(status))
    report = streamer.finalize(data_id, drain_timeout_s=0.2)
    assert (report["chunks_pending"], report["closed"], report["lost"]) == (1, False, [])
    assert service.ended == []
    streamer.close()

    service.recover()
    (recovered,) = connect(service).recover(drain_timeout_s=30)
    assert (recovered["data_id"], recovered["closed"], recovered["lost"]) == (data_id, True, [])
    assert service.ended == [data_id]
    assert service.shards == {
        (data_id, idx): bytes(encode_shard(make_frames(20, seed=idx))) for idx in range(2)
    }


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_gateway_that_does_not_find_the_server_does_not_speak_for_it(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, status: int
) -> None:
    streamer = connect(service)
    data_id = initialize(streamer)
    for body in ("<html><h1>404 Not Found</h1></html>", "404 page not found", ""):
        service.fail("presign", status, body=body)
    streamer.push(data_id, 0, make_frames(20))
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (1, [], True)


def test_a_key_is_blamed_only_where_its_refusal_lasts(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service, upload_workers=1)
    data_id = initialize(streamer)
    said = []
    for _ in range(4):
        service.fail("presign", 401, times=2, body={"detail": "Invalid API key"})
        service.fail("presign", 503)
    streamer.push(data_id, 0, make_frames(20))
    while streamer.status(data_id).chunks_uploaded < 1:
        said.append(streamer.status(data_id).last_error or "")
        threading.Event().wait(0.001)
    assert not any("AS_API_KEY" in text for text in said)

    service.fail("presign", 401, times=FOREVER, body={"detail": "Invalid API key"})
    streamer.push(data_id, 1, make_frames(20))
    until_failed(streamer, data_id, "refuses the API key (HTTP 401); check AS_API_KEY")
    service.recover()
    assert streamer.finalize(data_id)["chunks_uploaded"] == 2


def test_a_stream_is_not_ended_while_a_chunk_that_was_given_up_waits(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20, seed=0))
    while streamer.status(data_id).chunks_uploaded < 1:
        threading.Event().wait(0.01)
    service.fail("presign", 503, times=FOREVER)
    streamer.push(data_id, 1, make_frames(20, seed=1))
    until_failed(streamer, data_id, "503")
    # As where encoding or spooling fails for good: the chunk is lost to this process, and not to the next.
    streamer._intake(data_id).stream.lose(1, "no memory")
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["lost"], report["closed"]) == ([(1, "no memory")], False)
    assert service.ended == []
    streamer.close()

    service.recover()
    (recovered,) = connect(service).recover(drain_timeout_s=30)
    assert (recovered["closed"], recovered["lost"]) == (True, [])
    assert set(service.shards) == {(data_id, 0), (data_id, 1)}


@pytest.mark.parametrize("endpoint", ["create_stream", "presign", "put", "end"])
def test_a_server_that_answers_byte_by_byte_holds_nothing_up(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, endpoint: str
) -> None:
    timeouts = Timeouts(call_s=0.5, put_s=0.5)
    streamer = connect(service, timeouts=timeouts, upload_workers=1)
    if endpoint == "create_stream":
        service.fail(endpoint, 200, body="x" * 10_000, every_s=0.05)
        with pytest.raises(StreamerError, match="no answer in time"):
            initialize(streamer)
    data_id = initialize(streamer)
    if endpoint != "create_stream":
        service.fail(endpoint, 200, times=2, body="x" * 10_000, every_s=0.05)
    streamer.push(data_id, 0, make_frames(20))
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["closed"]) == (1, True)
