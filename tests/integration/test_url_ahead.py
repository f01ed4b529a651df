"""A chunk's upload URL is asked for while the chunk is encoded, where no other waits to be sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.integration.waiting import wait_for

from rheed_acquire import RHEEDStreamer
from rheed_acquire.frames.ring import chunk_of
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming import chunk_encoder

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

CHUNK_SIZE = 20
LIMIT_S = 60
GROWTH = '{"regions": {"spot": {"period_s": 4.0}}}'


class HeldEncoding:
    """Encodes a chunk only once it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may = threading.Event()
        self.begun = 0
        self.fails = False
        self._encode = encode_shard
        monkeypatch.setattr(chunk_encoder, "encode_shard", self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.begun += 1
        assert self.may.wait(LIMIT_S)
        if self.fails:
            raise ValueError("it cannot be encoded")
        return self._encode(*arguments, **options)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldEncoding:
    return HeldEncoding(monkeypatch)


def asked_for(service: FaultServer) -> list[int]:
    """Of which chunks a URL was asked for, in order."""
    return [one.chunk_idx for one in service.requests_to("presign")]


def begin(streamer: RHEEDStreamer, service: FaultServer, frames: NDArray[np.uint8]) -> str:
    """Begin a stream whose first chunk is held in the encoder, with its URL asked for already."""
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    streamer.push(data_id, 0, frames)
    wait_for(lambda: asked_for(service) == [0], LIMIT_S)
    return data_id


def test_the_url_is_there_when_the_chunk_is_encoded(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, held: HeldEncoding
) -> None:
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    for index in range(3):
        held.may.clear()
        streamer.push(data_id, index, make_frames(CHUNK_SIZE, seed=index))
        wait_for(lambda index=index: asked_for(service) == list(range(index + 1)), LIMIT_S)  # type: ignore[misc]
        held.may.set()
        wait_for(lambda index=index: streamer.status(data_id).chunks_uploaded == index + 1, LIMIT_S)  # type: ignore[misc]
    assert streamer.finalize(data_id)["chunks_uploaded"] == 3
    assert asked_for(service) == [0, 1, 2], "each once"
    assert sorted(service.shards) == [(data_id, index) for index in range(3)]


def test_none_is_asked_for_ahead_of_a_chunk_that_would_wait_its_turn(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, held: HeldEncoding
) -> None:
    service.fail("put", delay_s=3.0)
    streamer = connect(service, upload_workers=1)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    held.may.set()
    streamer.push(data_id, 0, make_frames(CHUNK_SIZE, seed=0))
    wait_for(lambda: service.requests_to("put"), LIMIT_S)
    held.may.clear()
    streamer.push(data_id, 1, make_frames(CHUNK_SIZE, seed=1))
    wait_for(lambda: held.begun == 2, LIMIT_S)
    wait_for(lambda: streamer.status(data_id).chunks_uploaded == 1, LIMIT_S)
    assert asked_for(service) == [0], "it might be used much later"
    held.may.set()
    assert streamer.finalize(data_id)["chunks_uploaded"] == 2
    assert asked_for(service) == [0, 1]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 401},
        {"status": 200, "body": {"what": "is this"}},
        {"hang_up": "in_request"},
        {"hang_up": "in_answer"},
    ],
    ids=str,
)
def test_what_goes_wrong_ahead_is_a_failed_attempt(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    held: HeldEncoding,
    fault: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.fail("presign", **fault)
    streamer = connect(service)
    data_id = begin(streamer, service, make_frames(CHUNK_SIZE))
    held.may.set()
    report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"]) == (1, [])
    assert asked_for(service) == [0, 0]
    assert [one.getMessage().split(": ")[1] for one in caplog.records if "attempt" in one.getMessage()] == [
        "attempt 1 failed, next in 0.0 s"
    ]


def test_a_url_that_no_longer_holds_is_asked_for_again(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, held: HeldEncoding
) -> None:
    streamer = connect(service)
    data_id = begin(streamer, service, make_frames(CHUNK_SIZE))
    service._tickets.clear()  # as those of a server that was started again, or of a URL that has expired
    held.may.set()
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert asked_for(service) == [0, 0]


def test_a_stream_that_is_gone_is_known_before_its_chunk_is_sent(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, held: HeldEncoding
) -> None:
    service.fail("presign", 409, body={"detail": "the stream has ended"})
    streamer = connect(service)
    data_id = begin(streamer, service, make_frames(CHUNK_SIZE))
    held.may.set()
    report = streamer.finalize(data_id)
    assert [index for index, _ in report["lost"]] == [0]
    assert "the stream has ended" in dict(report["lost"])[0]
    assert not service.requests_to("put")


def test_a_chunk_that_cannot_be_encoded_leaves_its_url_unused(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    held: HeldEncoding,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunk_encoder, "ATTEMPTS", 1)
    streamer = connect(service)
    held.fails = True
    data_id = begin(streamer, service, make_frames(CHUNK_SIZE))
    held.may.set()
    wait_for(lambda: streamer.status(data_id).chunks_failed == 1, LIMIT_S)
    held.fails = False
    streamer.push(data_id, 1, make_frames(CHUNK_SIZE, seed=1))
    report = streamer.finalize(data_id)
    assert [index for index, _ in report["lost"]] == [0]
    assert list(service.shards) == [(data_id, 1)]


def test_what_the_server_says_ahead_is_heeded_by_the_next_chunk(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, held: HeldEncoding
) -> None:
    service.more_of_presign = {"growth": "taken", "short_shards": "padded"}
    streamer = connect(service)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    ring = streamer.open_ring(data_id, 3, 6, 8)
    held.may.set()
    for index in range(2):
        buffer = ring.wait(LIMIT_S)
        assert buffer is not None
        buffer.begin(index)
        buffer.append(make_frames(CHUNK_SIZE, seed=index))
        chunk = chunk_of(buffer, ring)
        chunk.growth = GROWTH
        streamer.push_chunk(data_id, chunk)
        wait_for(lambda index=index: streamer.status(data_id).chunks_uploaded == index + 1, LIMIT_S)  # type: ignore[misc]
    assert streamer._intake(data_id).stream.takes_padded
    assert ["growth" in one.json for one in service.requests_to("presign")] == [False, True]


def test_closing_waits_for_no_url(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, held: HeldEncoding
) -> None:
    service.fail("presign", delay_s=1.0)
    streamer = connect(service)
    begin(streamer, service, make_frames(CHUNK_SIZE))
    held.may.set()
    streamer.close()
    assert not [one.name for one in threading.enumerate() if one.name == "url-ahead"]
