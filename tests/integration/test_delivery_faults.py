"""Whatever servers and networks do to an upload, every chunk is delivered, or the report says why not."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming import RHEEDStreamer, stream_folder
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.retry import Backoff

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

FOREVER = 100_000


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": 10.0, "rotations_per_min": 0.0, "chunk_size": 20}
    return streamer.initialize(**arguments | changes)


def assert_adds_up(report: dict[str, Any], pushed: int, uploaded: int, failed: int = 0) -> None:
    pending = pushed - uploaded - failed
    counts = {name: report[name] for name in report if name.startswith("chunks_") or name == "drained"}
    # What has not arrived may be on disk, or still in memory.
    assert uploaded <= counts.pop("chunks_spooled") + counts.pop("chunks_from_memory") <= pushed
    assert counts == {
        "chunks_uploaded": uploaded,
        "chunks_dropped": 0,
        "chunks_failed": failed,
        "chunks_purged": 0,
        "chunks_not_uploaded": pushed - uploaded,
        "chunks_pending": pending,
        "drained": pending == 0,
    }
    assert len(report["lost"]) == failed


TRANSIENT = [
    ("presign", {"status": 500}),
    ("presign", {"status": 503, "body": "<html>Service Unavailable</html>"}),
    ("presign", {"status": 429}),
    ("presign", {"status": 408}),
    ("presign", {"status": 400, "body": "<Error><Code>RequestTimeout</Code></Error>"}),
    ("presign", {"hang_up": "in_request"}),
    ("presign", {"hang_up": "in_answer"}),
    ("presign", {"status": 200, "body": "<html>Welcome to the hotel</html>"}),
    ("presign", {"status": 200, "body": []}),
    ("presign", {"status": 200, "body": [{"part": 1}]}),
    ("presign", {"status": 200, "body": {"url": 5}}),
    ("presign", {"status": 200, "body": {"url": "http://[::1"}}),
    ("presign", {"status": 200, "body": {"url": "no url"}}),
    ("put", {"status": 403, "body": "<Error><Code>ExpiredToken</Code></Error>"}),
    ("put", {"status": 400, "body": "<Error><Code>RequestTimeout</Code></Error>"}),
    ("put", {"status": 404}),
    ("put", {"status": 500, "act": True}),
    ("put", {"status": 503}),
    ("put", {"hang_up": "in_request"}),
    ("put", {"status": 503, "body": "x" * 100, "hang_up": "in_answer"}),
    ("put", {"headers": {"ETag": f'"{"0" * 32}"'}}),
    ("put", {"headers": {"x-amz-checksum-crc32c": "AAAAAA=="}}),
]


@pytest.mark.parametrize(("endpoint", "fault"), TRANSIENT)
def test_a_fault_that_passes_costs_nothing_but_another_try_with_a_fresh_url(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, endpoint: str, fault: dict[str, Any]
) -> None:
    service.fail(endpoint, times=3, **fault)
    streamer = connect(service, upload_workers=2)
    data_id = initialize(streamer)
    chunks = [make_frames(20, 100, 100, seed) for seed in range(2)]
    for chunk_idx, frames in enumerate(chunks):
        streamer.push(data_id, chunk_idx, frames)
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert_adds_up(report, pushed=2, uploaded=2)
    assert report["closed"]
    assert service.shards == {
        (data_id, idx): bytes(encode_shard(frames)) for idx, frames in enumerate(chunks)
    }
    assert len(service.requests_to(endpoint)) == 2 + 3
    puts = [request.path for request in service.requests_to("put")]
    assert len(set(puts)) == len(puts)


def test_a_url_may_come_without_a_list_around_it(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service, upload_workers=1)
    data_id = initialize(streamer)
    service.fail("presign", 200, body={"url": f"{service.endpoint}/storage/elsewhere"})
    service.fail("put", 204, headers={"ETag": '"of-another-kind"'})
    streamer.push(data_id, 0, make_frames(20))
    assert_adds_up(streamer.finalize(data_id), pushed=1, uploaded=1)
    assert [request.path for request in service.requests_to("put")] == ["/storage/elsewhere"]


@pytest.mark.parametrize("etag", ['"0123-2"', "W/opaque"])
def test_an_etag_that_is_no_md5_is_a_stores_all_the_same(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, etag: str
) -> None:
    service.fail("put", headers={"ETag": etag})
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    assert_adds_up(streamer.finalize(data_id), pushed=1, uploaded=1)
    assert len(service.requests_to("put")) == 1


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_stream_that_is_gone_is_final_for_the_chunk_that_learns_of_it_and_no_other(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, status: int
) -> None:
    streamer = connect(service, upload_workers=1)
    data_id = initialize(streamer)
    service.fail("presign", status, body={"detail": "not this one"})
    for chunk_idx in range(3):
        streamer.push(data_id, chunk_idx, make_frames(20))
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert_adds_up(report, pushed=3, uploaded=2, failed=1)
    ((lost, reason),) = report["lost"]
    assert str(status) in reason
    assert set(service.shards) == {(data_id, idx) for idx in range(3) if idx != lost}
    assert len(service.requests_to("presign")) == 3


@pytest.mark.parametrize("most", [None, 5])
def test_what_a_stream_that_is_gone_takes_no_more_is_kept_on_disk_as_far_as_that_is_allowed(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, tmp_path: Path, most: int | None
) -> None:
    """However fast the server is to refuse, and however few chunks the ring has room for."""
    size = len(bytes(encode_shard(make_frames(20))))
    limits = SpoolLimits(max_bytes=None if most is None else most * size + size // 2)
    streamer = connect(service, ring_chunks=3, spool_limits=limits)
    data_id = initialize(streamer)
    service.fail("presign", 409, times=FOREVER, body={"detail": "the stream is closed"})
    for chunk_idx in range(12):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    report = streamer.finalize(data_id, drain_timeout_s=30)
    assert (report["chunks_failed"], report["chunks_not_uploaded"]) == (12, 12)
    shards = list((tmp_path / "spool" / data_id / "shards").glob("*.shard"))
    assert all(path.with_suffix(".json").exists() for path in shards)
    if most is None:
        assert {path.stem for path in shards} == {str(chunk_idx) for chunk_idx in range(12)}
    else:
        assert most - 1 <= len(shards) <= most, "what stays on disk counts"


def test_a_push_waits_for_a_slow_disk_where_the_server_takes_no_more(
    service: FaultServer,
    connect: Connect,
    make_frames: MakeFrames,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its ring is full for good only where the disk gives no buffer back either."""
    written = stream_folder.write_synced

    def slowly(path: Path, pieces: Any) -> int:
        time.sleep(0.3)
        return written(path, pieces)

    monkeypatch.setattr(stream_folder, "write_synced", slowly)
    monkeypatch.setattr("rheed_acquire.streaming.intake.POLL_S", 0.05)
    streamer = connect(service, ring_chunks=3)
    data_id = initialize(streamer)
    service.fail("presign", 409, times=FOREVER, body={"detail": "the stream is closed"})
    for chunk_idx in range(8):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    assert streamer.finalize(data_id, drain_timeout_s=30)["chunks_failed"] == 8
    assert len(list((tmp_path / "spool" / data_id / "shards").glob("*.shard"))) == 8


def test_what_is_pushed_after_an_interrupted_end_is_delivered_by_whoever_comes_later(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    with monkeypatch.context() as patched:

        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr("rheed_acquire.streaming.recovery.end_stream", interrupted)
        with pytest.raises(KeyboardInterrupt):
            streamer.finalize(data_id, drain_timeout_s=30)
    assert set(service.shards) == {(data_id, 0)}
    service.fail("presign", 503, times=FOREVER)
    for chunk_idx in (1, 2):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    streamer.close()
    service.recover()
    (report,) = connect(service).recover(drain_timeout_s=30)
    assert (report["chunks_uploaded"], report["closed"]) == (2, True)
    assert set(service.shards) == {(data_id, chunk_idx) for chunk_idx in range(3)}


@pytest.mark.parametrize("endpoint", ["presign", "put", "end", "list_samples"])
def test_a_server_that_asks_for_time_is_given_it(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, endpoint: str
) -> None:
    service.fail(endpoint, 503, headers={"Retry-After": "1"})
    streamer = connect(service)
    data_id = initialize(streamer, physical_sample="wafer")
    streamer.push(data_id, 0, make_frames(20))
    report = streamer.finalize(data_id)
    assert_adds_up(report, pushed=1, uploaded=1)
    first, second = service.requests_to(endpoint)[:2]
    assert second.at - first.at >= 1.0


def test_an_outage_is_outlived_while_pushes_go_on(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service, ring_chunks=2)
    data_id = initialize(streamer)
    service.fail("presign", 503, times=FOREVER)
    for chunk_idx in range(12):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    status = streamer.status(data_id)
    assert (status.chunks_pushed, status.chunks_uploaded, status.chunks_queued) == (12, 0, 12)
    service.recover()
    assert_adds_up(streamer.finalize(data_id, drain_timeout_s=30), pushed=12, uploaded=12)
    assert service.shards == {
        (data_id, idx): bytes(encode_shard(make_frames(20, seed=idx))) for idx in range(12)
    }


def test_what_is_not_uploaded_in_time_is_reported_and_not_lost(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = initialize(streamer)
    service.fail("put", 503, times=FOREVER)
    for chunk_idx in range(3):
        streamer.push(data_id, chunk_idx, make_frames(20, seed=chunk_idx))
    while streamer.status(data_id).last_error is None:
        threading.Event().wait(0.01)
    report = streamer.finalize(data_id, drain_timeout_s=0.5)
    assert_adds_up(report, pushed=3, uploaded=0)
    assert not report["closed"]


def test_a_finalize_that_waits_in_another_thread_returns_when_the_streamer_is_closed(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    data_id = initialize(streamer)
    service.fail("put", 503, times=FOREVER)
    streamer.push(data_id, 0, make_frames(20))
    reports: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: reports.append(streamer.finalize(data_id)))
    waiting.start()
    while not service.requests_to("put"):
        threading.Event().wait(0.01)
    streamer.close()
    waiting.join(30)
    assert not waiting.is_alive()
    assert_adds_up(reports[0], pushed=1, uploaded=0)


def test_a_stream_is_ended_once_after_its_last_chunk_and_not_before(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    service.fail("put", 503, times=6)
    service.fail("end", 503, times=5, body={"detail": "analysis still running"})
    streamer = connect(service)
    data_id = initialize(streamer)
    for chunk_idx in range(5):
        streamer.push(data_id, chunk_idx, make_frames(20))
    assert streamer.finalize(data_id)["closed"]
    assert service.ended == [data_id]
    ends, puts = service.requests_to("end"), service.requests_to("put")
    assert len(ends) == 6
    assert max(put.at for put in puts) < ends[0].at


def test_a_stream_that_the_server_will_not_end_is_reported_as_open(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    service.fail("end", 404, body={"detail": "no such stream"})
    streamer = connect(service)
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(20))
    report = streamer.finalize(data_id)
    assert_adds_up(report, pushed=1, uploaded=1)
    assert not report["closed"]
    assert len(service.requests_to("end")) == 1


def test_a_stream_that_begins_while_another_ends_is_delivered(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(service)
    first = initialize(streamer)
    service.fail("create_stream", delay_s=0.5)
    data_ids: list[str] = []
    starting = threading.Thread(target=lambda: data_ids.append(initialize(streamer)))
    starting.start()
    while len(service.requests_to("create_stream")) < 2:
        threading.Event().wait(0.01)
    streamer.finalize(first)
    starting.join()
    streamer.push(data_ids[0], 0, make_frames(20))
    assert_adds_up(streamer.finalize(data_ids[0], drain_timeout_s=5), pushed=1, uploaded=1)


def test_a_server_that_is_not_there_is_named_with_the_reason(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with (
        RHEEDStreamer("a-key", endpoint, backoff=Backoff(0.001, 0.001)) as streamer,
        pytest.raises(StreamerError, match=f"cannot reach {endpoint}: connection refused; check the network"),
    ):
        initialize(streamer)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_where_the_run_would_begin(
    service: FaultServer, connect: Connect, status: int
) -> None:
    service.fail("create_stream", status, times=FOREVER)
    with pytest.raises(StreamerError, match=rf"refuses the API key \(HTTP {status}\); check AS_API_KEY"):
        initialize(connect(service))
    assert len(service.requests) == 1


@pytest.mark.parametrize("answer", ["5", '{"data_id": "x"}', '""', "Welcome"])
def test_a_server_that_is_not_atomscale_is_told_from_one(
    service: FaultServer, connect: Connect, answer: str
) -> None:
    service.fail("create_stream", 200, body=answer)
    with pytest.raises(StreamerError, match="not Atomscale's; check the endpoint"):
        initialize(connect(service))
    assert len(service.requests) == 1


def test_threads_that_hang_are_left_behind_all_at_one_deadline(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    workers, answers_after_s, deadline_s = 8, 12.0, 2.0
    streamer = connect(service, upload_workers=workers)
    data_id = initialize(streamer)
    service.fail("presign", delay_s=answers_after_s, times=FOREVER)
    delivery = streamer._intake(data_id).delivery
    window = delivery._window
    with window._changed:  # as on a link where more at once are faster
        window._size = workers
        window._changed.notify_all()
    for number in range(workers):
        streamer.push(data_id, number, make_frames(20, seed=number))
    while len(service.requests_to("presign")) < workers:
        threading.Event().wait(0.005)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("upload-")]
    delivery.close(deadline_s)
    # A deadline for each would have outlasted the server's silence, and the threads.
    assert workers * deadline_s > answers_after_s
    assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
