"""Measures a server in front of an object store; run by `benchmarks.site`, as a program.

It is a program because it leaves the computer's network for one of its own, where it can, in which each part
has a cable whose bytes the system counts. The task comes as one JSON object on standard input; the figures
leave as one on standard output.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.networks import Host, Network
from tests.object_store import end_with_parent, use_store
from tests.store_cluster import BUCKET, ONCE, StoreCluster

from benchmarks._frames import make_frames
from benchmarks._rounds import turns
from benchmarks._scratch import environment_apart
from rheed_acquire import BucketPath, RHEEDStreamer
from rheed_acquire.recording.layout import STREAM_FILE
from rheed_acquire.streaming.api import AtomscaleApi

STORE, FOLDER = "store", "folder"
SITE = f"s3://{BUCKET}/site"
HEIGHT, WIDTH, FPS, CHUNK_SIZE = 300, 500, 120.0, 240
AT_ONCE = 16
NOW_MS = 1_790_000_000_000


@contextmanager
def serving(host: Host, port: int, place: list[str], folder: Path, key: str) -> Iterator[str]:
    """Run a server on a host; its endpoint."""
    folder.mkdir()
    command = [sys.executable, "-m", "rheed_acquire", "serve", *place]
    process = subprocess.Popen(
        host.command([*command, "--host", host.address, "--port", str(port)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment_apart(folder) | {"AS_API_KEY": key, "PYTHONUNBUFFERED": "1"},
        preexec_fn=end_with_parent(),
        text=True,
    )
    try:
        assert process.stdout is not None
        name, _, endpoint = process.stdout.readline().strip().partition("=")
        if name != "AS_API_ENDPOINT":
            raise RuntimeError(f"the server of {place} did not start")
        yield endpoint
    finally:
        process.terminate()
        process.wait()


def ask(endpoint: str, key: str, count: int) -> list[float]:
    """Ask for the URLs of a stream's chunks, one after another; seconds that each took."""
    api = AtomscaleApi(endpoint, SecretStr(key))
    took_s = []
    try:
        data_id = api.create_stream(
            {
                "data_item_name": "benchmark", "rotational_period": None, "rotations_per_min": 0.0,
                "fps_capture_rate": FPS,
            }
        )  # fmt: skip
        for index in range(count):
            begun_s = time.perf_counter()
            api.presign(index, _declared(data_id, index))
            took_s.append(time.perf_counter() - begun_s)
        api.end_stream(data_id)
    finally:
        api.close()
    return took_s


def _declared(data_id: str, index: int) -> dict[str, str]:
    start_ms = NOW_MS + round(index * CHUNK_SIZE / FPS * 1000)
    return {
        "data_id": data_id, "data_stream": "rheed", "is_stream": "1", "is_rotating": "0",
        "raw_frame_rate": str(FPS), "avg_frame_rate": str(FPS), "chunk_size": str(CHUNK_SIZE),
        "dims": f"{CHUNK_SIZE},{HEIGHT},{WIDTH}", "start_unix_ms_utc": str(start_ms),
        "end_unix_ms_utc": str(start_ms + round(CHUNK_SIZE / FPS * 1000)),
    }  # fmt: skip


def rates(endpoints: dict[str, str], key: str, count: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Requests a second of each server: ``alone``, from one client, and ``together``, from several."""
    found: dict[str, dict[str, list[float]]] = {side: {"alone": [], "together": []} for side in endpoints}
    for _, side in turns(list(endpoints), rounds):
        found[side]["alone"].append(1 / statistics.mean(ask(endpoints[side], key, count)))
        begun_s = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: ask(endpoints[side], key, count), range(AT_ONCE)))  # noqa: B023
        found[side]["together"].append(AT_ONCE * count / (time.perf_counter() - begun_s))
    return found


def stream(host: Host, endpoint: str, key: str, content: str, chunks: int, last: int) -> dict[str, Any]:
    """Stream whole chunks, and ``last`` frames more; what the server's cable carried, and what is stored."""
    frames = make_frames(content, 2 * CHUNK_SIZE, HEIGHT, WIDTH)
    before = host.counted()
    streamer = RHEEDStreamer(key, endpoint)
    data_id = streamer.initialize(
        fps=FPS, rotations_per_min=0.0, chunk_size=CHUNK_SIZE, stream_name=f"{content} {chunks} {last}"
    )
    # At a camera's pace: as fast as it goes, frames are compressed less.
    begun_s = time.perf_counter()
    for index in range(chunks):
        time.sleep(max(0.0, begun_s + index * CHUNK_SIZE / FPS - time.perf_counter()))
        streamer.push(data_id, index, frames[index % 2 * CHUNK_SIZE :][:CHUNK_SIZE])
    if last:
        streamer.push(data_id, chunks, frames[:last])
    report = streamer.finalize(data_id)
    streamer.close()
    assert report["chunks_uploaded"] == chunks + bool(last), report
    after = host.counted()
    [run] = [
        folder
        for folder in BucketPath(SITE).iterdir()
        if folder.name.endswith(data_id[:8]) and (folder / STREAM_FILE).exists()
    ]
    objects = [(path.path_from(run), path.size_and_tag()[0]) for path, _, _ in run.below()]
    shards = [size for name, size in objects if "/frames/c/" in name]
    return {
        "stored": sum(size for _, size in objects),
        "objects": len(objects),
        "shards": len(shards),
        "pixels": (chunks * CHUNK_SIZE + last) * HEIGHT * WIDTH,
        "received": None if before is None or after is None else after.received - before.received,
        "sent": None if before is None or after is None else after.sent - before.sent,
    }


def main() -> None:
    """Do the task."""
    task: dict[str, Any] = json.load(sys.stdin)
    folder, key = Path(task["folder"]), secrets.token_urlsafe(32)
    os.environ["RHEED_SPOOL_DIR"] = str(folder / "spool-of-client")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        disk = folder / "disk"
        disk.mkdir()
        store = stack.enter_context(StoreCluster(folder / "store", network, [disk], ONCE))
        use_store(store.running, stack.enter_context(pytest.MonkeyPatch.context()), folder)
        host, beside = network.add("server"), network.add("server-with-a-folder")
        endpoint = stack.enter_context(serving(host, 8443, ["--store", SITE], folder / "a", key))
        local = stack.enter_context(serving(beside, 8444, ["--dir", str(folder / "runs")], folder / "b", key))
        figures = {
            "why_none": network.why_none,
            "rates": rates({STORE: endpoint, FOLDER: local}, key, task["requests"], task["rounds"]),
            "streams": [stream(host, endpoint, key, *case) for case in task["streams"]],
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
