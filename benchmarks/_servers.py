"""The servers that clients are measured against, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from rheed_acquire.recording.layout import CHUNKS_FILE, FRAMES, GROUP, shard_path
from rheed_acquire.server.process import LocalServer


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers.

    Attributes
    ----------
    received
        How many chunks of a stream (its data_id) it has confirmed, and how many bytes these were.
    pid
        Of its process.
    """

    endpoint: str
    api_key: SecretStr
    received: Callable[[str], tuple[int, int]]
    pid: int

    def cpu_s(self) -> float | None:
        """Processor time that it has used, in seconds; None where the system does not tell (not Linux)."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def local_server(folder: Path) -> Iterator[RunningServer]:
    """Run the project's own server: it decodes every frame, and syncs a shard before it confirms it."""
    with LocalServer(folder / "runs") as server:

        def received(data_id: str) -> tuple[int, int]:
            run = server.run_directory(data_id)
            confirmed = (run / CHUNKS_FILE).read_text(encoding="utf-8").splitlines()
            shards = shard_path(run / GROUP / FRAMES, 0).parents[2].glob("*/0/0")
            return len(confirmed), sum(shard.stat().st_size for shard in shards)

        yield RunningServer(server.endpoint, server.api_key, received, server.pid)


@contextmanager
def sink_server(folder: Path, answer_s: float = 0.0) -> Iterator[RunningServer]:  # noqa: ARG001 - it keeps nothing
    """Run a server that only reads and counts, and answers ``answer_s`` seconds late."""
    program = Path(__file__).with_name("_sink.py")
    child = subprocess.Popen(
        [sys.executable, "-P", str(program), str(answer_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        endpoint = f"http://127.0.0.1:{int(child.stdout.readline())}"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def received(data_id: str) -> tuple[int, int]:  # noqa: ARG001 - there is one stream at a time
            with direct.open(f"{endpoint}/counts") as answer:
                counts = json.load(answer)
            return counts["shards"], counts["bytes"]

        yield RunningServer(endpoint, SecretStr("key-of-a-benchmark"), received, child.pid)
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


SERVERS = {"local server": local_server, "sink": sink_server}
