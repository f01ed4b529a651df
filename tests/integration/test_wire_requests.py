"""What leaves this computer: a chunk as the protocol has it, and the key to whom it belongs and no other."""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.retry import Backoff

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

KEY = "key-5ecret-of-the-test"
"""As `connect` sets it. The signed URLs of the test's server hold the word as well."""


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": 10.0, "rotations_per_min": 0.0, "chunk_size": 20}
    return streamer.initialize(**arguments | changes)


@pytest.fixture
def elsewhere(make_faults: Callable[[], FaultServer]) -> Iterator[FaultServer]:
    """Another server, which must not hear anything."""
    with make_faults() as server:
        yield server


@pytest.mark.parametrize(
    ("fps", "spelt", "rotations", "count"),
    [(120.0, "120.0", 15.0, 240), (120, "120.0", 0, 5), (29.97, "29.97", 0.5, 60), (0.5, "0.5", 0.0, 1)],
)
def test_a_chunk_is_announced_exactly_as_the_wire_protocol_has_it(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    fps: float,
    spelt: str,
    rotations: float,
    count: int,
) -> None:
    chunk_size = max(math.ceil(2 * fps), count)
    streamer = connect(service)
    data_id = initialize(streamer, fps=fps, rotations_per_min=rotations, chunk_size=chunk_size)
    streamer.push(data_id, 17, make_frames(count, 5, 9), 1_700_000_000_124.25)
    streamer.finalize(data_id)
    (presign,) = service.requests_to("presign")
    assert presign.query == {
        "original_filename": "frames.zarr/frames/c/17/0/0",
        "num_parts": "1",
        "staging_type": "stream",
    }
    assert presign.json == {
        "data_id": data_id,
        "data_stream": "rheed",
        "is_stream": "1",
        "is_rotating": "1" if rotations else "0",
        "raw_frame_rate": spelt,
        "avg_frame_rate": spelt,
        "chunk_size": str(chunk_size),
        "dims": f"{count},5,9",
        "start_unix_ms_utc": "1700000000124",
        "end_unix_ms_utc": str(1_700_000_000_124 + math.floor(count / fps * 1000)),
    }


def test_a_shard_is_put_to_the_signed_url_as_it_was_signed(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    frames = make_frames(20, 30, 50)
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, frames)
    streamer.finalize(data_id)
    (put,) = service.requests_to("put")
    assert put.query == {"X-Amz-Credential": "AK/20260101/s3", "X-Amz-Signature": "5ecret+signed="}
    assert put.body == bytes(encode_shard(frames))
    assert put.headers["content-type"] == ""
    assert put.headers["content-length"] == str(len(put.body))
    assert "transfer-encoding" not in put.headers


@pytest.mark.parametrize("takes_padded", [True, False])
def test_a_short_chunk_has_an_index_as_long_as_the_others_where_the_server_takes_that(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, takes_padded: bool
) -> None:
    if takes_padded:
        service.more_of_presign = {"short_shards": "padded"}
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    while streamer.status(data_id).chunks_uploaded < 1:  # its answer says what the server takes
        threading.Event().wait(0.01)
    streamer.push(data_id, 1, make_frames(7))
    report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"]) == (2, [])
    assert service.shards == {
        (data_id, 0): bytes(encode_shard(make_frames(20))),
        (data_id, 1): bytes(encode_shard(make_frames(7), entries=20 if takes_padded else None)),
    }


def test_the_key_goes_to_the_api_and_not_to_the_storage_or_the_clock(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamer = connect(service)
    monkeypatch.delenv("ATOMSCALE_SKIP_CLOCK_SYNC")
    data_id = initialize(streamer, physical_sample="GaN", project_id="p1", tags=["cold"])
    streamer.push(data_id, 0, make_frames(20))
    streamer.finalize(data_id)
    assert len(service.requests) >= 11
    for request in service.requests:
        keyless = request.endpoint in ("put", "time")
        assert request.headers.get("x-api-key") == (None if keyless else KEY)
        assert "authorization" not in request.headers
        assert KEY.encode() not in request.body
        assert KEY not in request.path + str(request.query)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_takes_the_key_nowhere(
    service: FaultServer,
    elsewhere: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    status: int,
) -> None:
    redirect: dict[str, Any] = {
        "status": status,
        "headers": {"Location": f"{elsewhere.endpoint}/rheed/stream/"},
    }
    streamer = connect(service)
    service.fail("create_stream", **redirect)
    with pytest.raises(StreamerError, match="redirect"):
        initialize(streamer)
    data_id = initialize(streamer)
    for endpoint in ("presign", "put", "end"):
        service.fail(endpoint, **redirect)
    streamer.push(data_id, 0, make_frames(20))
    report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (1, [], True)
    assert [len(service.requests_to(endpoint)) for endpoint in ("presign", "put", "end")] == [3, 2, 2]
    assert elsewhere.requests == []


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of credentials that fits every host."""
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(proxy: str) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)

    return use


@pytest.mark.usefixtures("netrc")
def test_a_server_on_this_computer_is_not_asked_through_the_proxy(
    service: FaultServer,
    elsewhere: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    proxies: Callable[[str], None],
) -> None:
    proxies(elsewhere.endpoint)
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert elsewhere.requests == []
    assert not any("authorization" in request.headers for request in service.requests)


@pytest.mark.usefixtures("netrc", "connect")
def test_a_server_elsewhere_is_asked_through_the_proxy_and_without_the_netrcs_credentials(
    service: FaultServer, make_frames: MakeFrames, proxies: Callable[[str], None]
) -> None:
    proxies(service.endpoint)
    with RHEEDStreamer(KEY, "http://atomscale.invalid", backoff=Backoff(0.005, 0.02)) as streamer:
        data_id = initialize(streamer)
        streamer.push(data_id, 0, make_frames(20))
        assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert {request.headers["host"] for request in service.requests} == {"atomscale.invalid"}
    assert not any("authorization" in request.headers for request in service.requests)


def test_no_secret_is_logged_shown_or_raised(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG, logger="rheed_acquire")
    caplog.set_level(logging.DEBUG)  # and what the libraries log to a program that asks for all of it
    echo = f"bad request: X-API-KEY: {KEY}"
    said = []
    streamer = connect(service)
    faults: list[dict[str, Any]] = [
        {"status": 401, "body": echo},
        {"status": 422, "body": echo},
        {"hang_up": "in_answer"},
    ]
    for fault in faults:
        service.fail("create_stream", **fault)
        with pytest.raises(StreamerError) as failed:
            initialize(streamer)
        said.append("".join(traceback.format_exception(failed.value)))
    data_id = initialize(streamer)
    for endpoint in ("presign", "put", "end"):
        service.fail(endpoint, 500, body=echo if endpoint != "put" else f"no room at ?{service.url_query}")
        service.fail(endpoint, hang_up="in_request")
        service.fail(endpoint, hang_up="in_answer")
    service.fail("put", 403, body={"detail": "the signature is not 5ecret+signed= but another"})
    service.fail("put", 403, body=f"<Error><Message>{service.url_query}</Message></Error>")
    service.fail("presign", 200, body=[{"url": "http://[::5ecret"}])
    service.fail("presign", 200, body=[{"url": "http://me:5ecret@nowhere.invalid/"}])
    service.fail("presign", 200, body=[{"url": "http://nowhere.invalid/?X-Amz-Signature=5ecret"}])
    streamer.push(data_id, 0, make_frames(20))
    said.append(repr(streamer))
    said.append(repr(streamer.finalize(data_id)))
    service.fail("presign", 410, body={"detail": echo})
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    while not streamer.status(data_id).lost:
        time.sleep(0.01)
    said += [repr(streamer.status(data_id)), repr(vars(streamer))]
    for path in filter(Path.is_file, (tmp_path / "spool").rglob("*")):
        with suppress(FileNotFoundError):  # a file that is renamed once it is whole
            assert b"5ecret" not in path.read_bytes()
    said.append(repr(streamer.finalize(data_id)))
    assert "attempt 1 failed" in caplog.text
    for text in [*said, caplog.text]:
        assert "5ecret" not in text
