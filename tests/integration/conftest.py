"""Servers to stream to, and streamers that end with the test."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.retry import Backoff

if TYPE_CHECKING:
    from tests.integration.fault_server import FaultServer

    Connect = Callable[..., RHEEDStreamer]

MakeFrames = Callable[..., NDArray[np.uint8]]


def _load_fault_server() -> Any:
    # Test modules do not see their neighbours in importlib mode; fixtures are how they reach them.
    spec = importlib.util.spec_from_file_location("fault_server", Path(__file__).with_name("fault_server.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_faults() -> Callable[[], FaultServer]:
    """Make one more server that can be told to fail; use it in a ``with``."""
    make: Callable[[], FaultServer] = _load_fault_server().FaultServer
    return make


@pytest.fixture
def service(make_faults: Callable[[], FaultServer]) -> Iterator[FaultServer]:
    """An Atomscale that can be told to fail."""
    with make_faults() as server:
        yield server


@pytest.fixture(scope="module")
def local_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(tmp_path_factory.mktemp("delivery") / "runs") as server:
        yield server


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Make a streamer to a server that is quick to try again; it is closed with the test."""
    for name in ("AS_API_KEY", "ATOMSCALE_API_KEY", "AS_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RHEED_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("ATOMSCALE_SKIP_CLOCK_SYNC", "1")
    before = set(threading.enumerate())
    with contextlib.ExitStack() as opened:

        def connect(server: LocalServer | FaultServer, /, **options: Any) -> RHEEDStreamer:
            if isinstance(server, LocalServer):
                options.setdefault("api_key", server.api_key)
            options.setdefault("api_key", "key-5ecret-of-the-test")
            options.setdefault("backoff", Backoff(0.005, 0.02))
            return opened.enter_context(RHEEDStreamer(endpoint=server.endpoint, **options))

        yield connect
    left = [
        thread.name
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith(("encoder", "upload", "url-ahead"))
    ]
    assert not left, f"threads that outlived their streamer: {left}"


@pytest.fixture(scope="session")
def make_frames() -> MakeFrames:
    """Make noise of shape (count, height, width), uint8."""

    def make(count: int, height: int = 6, width: int = 8, seed: int = 0) -> NDArray[np.uint8]:
        return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)

    return make
