"""Shards go from memory to the server, and to the disk only where they must."""

from __future__ import annotations

import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from tests.integration.waiting import wait_for

from rheed_acquire import RHEEDStreamer
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.server.process import LocalServer

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

CHUNK_SIZE = 20
LIMIT_S = 60


def initialize(streamer: RHEEDStreamer) -> str:
    return streamer.initialize(10.0, 0.0, CHUNK_SIZE)


def bytes_to_disk() -> int:
    """What this process has had written to block devices, by the system's count."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text("ascii").splitlines())
    return int(counts["write_bytes"])


def has_arrived(streamer: RHEEDStreamer, data_id: str, chunks: int) -> bool:
    return streamer.status(data_id).chunks_uploaded == chunks


def on_disk(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*/shards/*"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the system's count of bytes written from /proc")
def test_with_a_link_that_keeps_up_no_frame_is_written_to_the_disk(
    local_server: LocalServer, connect: Connect, make_frames: MakeFrames
) -> None:
    streamer = connect(local_server)
    chunks = [make_frames(CHUNK_SIZE, 200, 300, seed) for seed in range(8)]
    data_id = initialize(streamer)
    before = bytes_to_disk()
    for chunk_idx, frames in enumerate(chunks):
        streamer.push(data_id, chunk_idx, frames)
        wait_for(partial(has_arrived, streamer, data_id, chunk_idx + 1), LIMIT_S)
    report = streamer.finalize(data_id)
    written = bytes_to_disk() - before
    # A machine that is starved for a second has them written after all, and says so.
    assert report["chunks_spooled"] + report["chunks_from_memory"] == report["chunks_uploaded"] == 8
    assert written < chunks[0].nbytes * (report["chunks_spooled"] + 0.5)
    run: Any = zarr.open_group(local_server.run_directory(data_id) / "frames.zarr", mode="r")
    np.testing.assert_array_equal(run["frames"][:], np.concatenate(chunks))


def test_what_the_server_confirms_late_is_on_disk_meanwhile_and_gone_after(
    service: FaultServer, connect: Connect, tmp_path: Path, make_frames: MakeFrames
) -> None:
    root = tmp_path / "spool"
    streamer = connect(service)
    data_id = initialize(streamer)
    service.fail("put", times=1, delay_s=4.0)
    streamer.push(data_id, 0, make_frames(CHUNK_SIZE))
    wait_for(lambda: on_disk(root), LIMIT_S)
    wait_for(lambda: streamer.spool_status(data_id)["chunks_spooled"] == 1, LIMIT_S)
    assert on_disk(root) == ["0.json", "0.shard"]
    assert streamer.status(data_id).chunks_uploaded == 0
    kept = (root / data_id / "shards" / "0.shard").read_bytes()
    wait_for(lambda: streamer.status(data_id).chunks_uploaded == 1, LIMIT_S)
    assert on_disk(root) == []
    assert len(service.requests_to("put")) == 1, "what is under way is not begun again"
    assert service.shards == {(data_id, 0): kept}
    report = streamer.finalize(data_id)
    assert (report["chunks_spooled"], report["chunks_from_memory"]) == (1, 0)


@contextmanager
def slow_store() -> Iterator[tuple[str, threading.Event, list[bytes]]]:
    """A store that takes the beginning of one upload, and the rest of it when it is told to."""
    go_on = threading.Event()
    bodies: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(1 << 14)
            head, _, body = received.partition(b"\r\n\r\n")
            match = re.search(rb"content-length: (\d+)", head.lower())
            assert match is not None
            go_on.wait(LIMIT_S)
            while len(body) < int(match[1]):
                body += connection.recv(1 << 20)
            bodies.append(body)
            etag = hashlib.md5(body).hexdigest()
            connection.sendall(f'HTTP/1.1 200 OK\r\nETag: "{etag}"\r\nContent-Length: 0\r\n\r\n'.encode())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/storage/slow", go_on, bodies
    finally:
        go_on.set()
        thread.join(LIMIT_S)
        listener.close()


def test_an_upload_under_way_goes_on_from_the_file_when_its_frames_make_room_for_others(
    service: FaultServer, connect: Connect, make_frames: MakeFrames
) -> None:
    """Noise is stored as it is: its shard is the ring's own memory."""
    with slow_store() as (url, go_on, bodies):
        streamer = connect(service, ring_chunks=2)
        data_id = initialize(streamer)
        service.fail("presign", 200, body=[{"url": url}])
        frames = make_frames(CHUNK_SIZE, 600, 800)
        streamer.push(data_id, 0, frames)
        wait_for(lambda: streamer.spool_status(data_id)["chunks_spooled"] == 1, LIMIT_S)
        assert not bodies
        for chunk_idx in range(1, 5):  # more than once round the ring
            streamer.push(data_id, chunk_idx, make_frames(CHUNK_SIZE, 600, 800, chunk_idx))
        wait_for(lambda: streamer.status(data_id).chunks_uploaded == 4, LIMIT_S)
        go_on.set()
        report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"]) == (5, [])
    assert bodies == [bytes(encode_shard(frames))]
