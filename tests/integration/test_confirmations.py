"""A chunk counts as delivered when the store has shown that it has it, and nobody can say so in its place."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming import RHEEDStreamer

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

    from rheed_acquire.server.process import LocalServer

FOREVER = 100_000
PAGE = "<!DOCTYPE html><html><head><title>Welcome to Guest WiFi</title></head><body>Log in</body></html>"
HTML = {"Content-Type": "text/html"}


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": 10.0, "rotations_per_min": 0.0, "chunk_size": 20}
    return streamer.initialize(**arguments | changes)


def until_failed(streamer: RHEEDStreamer, data_id: str, what: str) -> None:
    """Wait until the latest failed attempt says this."""
    deadline = time.monotonic() + 30
    while what not in (streamer.status(data_id).last_error or ""):
        assert time.monotonic() < deadline, streamer.status(data_id).last_error
        threading.Event().wait(0.01)


NO_MD5 = f'"{"0" * 32}"'
UNCONFIRMED = [
    pytest.param({"status": 200, "body": PAGE, "headers": HTML}, "web page", id="page"),
    pytest.param({"status": 200, "body": PAGE}, "web page", id="page without a type"),
    pytest.param({"status": 200, "body": "\ufeff\n <html>"}, "web page", id="page after a mark"),
    pytest.param({"status": 200, "body": "Log in", "headers": HTML}, "web page", id="text said to be a page"),
    pytest.param(
        {"status": 200, "body": PAGE, "headers": {"ETag": '"5e4f-1"', **HTML}},
        "web page",
        id="page with ETag",
    ),
    pytest.param({"status": 200, "body": "OK"}, "without ETag", id="text"),
    pytest.param({"status": 200}, "without ETag", id="nothing"),
    pytest.param({"status": 204}, "without ETag", id="no content"),
    pytest.param({"status": 200, "headers": {"ETag": '""'}}, "without ETag", id="empty ETag"),
    pytest.param({"status": 200, "headers": {"ETag": NO_MD5}}, "other bytes", id="other ETag"),
    pytest.param({"status": 200, "headers": {"ETag": f"W/{NO_MD5}"}}, "other bytes", id="weak other ETag"),
    pytest.param(
        {"status": 200, "headers": {"x-amz-checksum-crc32c": "AAAAAA=="}}, "other bytes", id="other checksum"
    ),
    pytest.param({"status": 302, "headers": {"Location": "/login"}}, "302", id="redirect"),
    pytest.param({"status": 511, "body": PAGE}, "web page", id="511"),
]


@pytest.mark.parametrize(("fault", "said"), UNCONFIRMED)
def test_what_the_store_has_not_said_deletes_nothing_and_is_asked_again(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, fault: dict[str, Any], said: str
) -> None:
    service.fail("put", times=FOREVER, **fault)
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    until_failed(streamer, data_id, said)
    assert streamer.status(data_id).chunks_uploaded == 0
    status = streamer.spool_status(data_id)
    assert status["in_memory"] + status["spooled"] + status["uploading"] == 1
    service.recover()
    assert streamer.finalize(data_id, drain_timeout_s=30)["chunks_uploaded"] == 1
    assert service.shards == {(data_id, 0): bytes(encode_shard(make_frames(20)))}


def test_a_portal_that_answers_everything_for_a_while_costs_no_frame(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service, ring_chunks=2)
    data_id = initialize(streamer)
    for endpoint in ("presign", "put", "end"):
        service.fail(endpoint, 200, times=FOREVER, body=PAGE, headers=HTML)
    for chunk_idx in range(6):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    until_failed(streamer, data_id, "a captive portal or proxy")
    service.recover()
    for endpoint in ("presign", "put", "end"):
        service.fail(endpoint, 200, times=2, headers=HTML)
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (6, [], True)
    assert service.ended == [data_id]
    assert service.shards == {
        (data_id, idx): bytes(encode_shard(make_frames(20, seed=idx))) for idx in range(6)
    }


def test_a_checksum_that_was_asked_for_has_to_come_back(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service, upload_workers=1)
    data_id = initialize(streamer)
    # The URL takes a checksum; the answer has the right ETag, and not the echo.
    url = f"{service.endpoint}/storage/elsewhere"
    service.fail("presign", 200, times=FOREVER, body=[{"url": url, "checksum": "crc32c"}])
    service.fail("put", 200, times=FOREVER, headers={"ETag": '"of-another-kind"'})
    streamer.push(data_id, 0, make_frames(20))
    until_failed(streamer, data_id, "without the checksum that was promised")
    service.recover()
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert "x-amz-checksum-crc32c" in service.requests_to("put")[0].headers


def test_the_local_servers_echo_confirms(
    local_server: LocalServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(local_server)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["closed"]) == (1, True)


@pytest.mark.parametrize("header", ["key-id", "customer"])
def test_an_etag_that_s3_makes_of_encrypted_objects_is_no_md5(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, header: str
) -> None:
    named = {
        "key-id": {"x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:x"},
        "customer": {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
    }[header]
    service.fail("put", headers={"ETag": NO_MD5, **named})
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert len(service.requests_to("put")) == 1


def test_a_store_that_names_nothing_is_believed_where_the_user_says_so_and_a_page_never(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    service.fail("put", 200, body=PAGE, headers=HTML)
    service.fail("put", 200, act=True)
    streamer = connect(service, bare_confirmations=True)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert len(service.requests_to("put")) == 2
    assert set(service.shards) == {(data_id, 0)}


@pytest.mark.parametrize("answer", [PAGE, "<html>Welcome</html>"])
@pytest.mark.parametrize(
    "endpoint", ["create_stream", "list_samples", "list_tags", "link_sample", "track_sample", "link_tags"]
)
def test_a_page_in_place_of_an_answer_is_asked_again_and_named(
    service: FaultServer, connect: Connect, endpoint: str, answer: str
) -> None:
    streamer = connect(service)
    service.fail(endpoint, 200, times=2, body=answer)
    data_id = initialize(streamer, physical_sample="GaN", project_id="p1", tags=["cold"])
    assert list(service.streams) == [data_id]
    service.fail(endpoint, 200, times=FOREVER, body=answer)
    with pytest.raises(
        Exception,
        match=f"something between this computer and {service.endpoint} answered with a web page .*portal",
    ):
        initialize(streamer, physical_sample="GaN", project_id="p1", tags=["cold"])
