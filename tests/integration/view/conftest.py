"""A view process to talk to, and pages that are plain sockets."""

from __future__ import annotations

import json
import queue
import re
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.integration.view.answering_view import AnsweringView
from websockets.sync.client import ClientConnection, connect

from rheed_acquire.regions.regions import Region
from rheed_acquire.view.process import ViewProcess

SPOT = Region(name="spot", x=10, y=5, width=4, height=3)


class WatchedView:
    """A view, and the commands that it passed on."""

    def __init__(self, host: str) -> None:
        self.commands: queue.Queue[dict[str, Any]] = queue.Queue()
        self.process = ViewProcess(host, on_command=self.commands.put)
        self.url = self.process.start()
        parts = urlsplit(self.url)
        self.port = parts.port or 0
        self.token = parts.query.removeprefix("token=")

    def page(self, **options: Any) -> AbstractContextManager[Page]:
        return Page(f"ws://127.0.0.1:{self.port}/live?token={self.token}", **options)

    def command(self) -> dict[str, Any]:
        """The next command, which must say where it came from; that is left out, since ports differ."""
        command = self.commands.get(timeout=20)
        assert re.fullmatch(r"127\.0\.0\.1:\d+", command.pop("origin"))
        return command


class Page:
    """What a page is to the server."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url, self._options = url, {"open_timeout": 20, "max_size": None, **options}
        self.socket: ClientConnection

    def __enter__(self) -> Page:
        self._connection = connect(self._url, **self._options)
        self.socket = self._connection.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._connection.__exit__(*exc)

    def send(self, **request: Any) -> None:
        self.socket.send(json.dumps(request))

    def receive(
        self, kind: str, fits: Callable[[Any], bool] = lambda message: True, *, draws: bool = True
    ) -> tuple[Any, bytes]:
        """Wait for a message of a kind; say of what comes on the way that it is drawn, or do not."""
        while True:
            message, payload = self._next(draws=draws)
            if message["type"] == kind and fits(message):
                return message, payload

    def receive_each(
        self, *kinds: str, fits: dict[str, Callable[[Any], bool]] | None = None
    ) -> list[tuple[Any, bytes]]:
        """Wait for a message of each kind, in whatever order they come."""
        found: dict[str, tuple[Any, bytes]] = {}
        while not set(kinds) <= set(found):
            message, payload = self._next(draws=True)
            kind = message["type"]
            if fits is None or kind not in fits or fits[kind](message):
                found[kind] = message, payload
        return [found[kind] for kind in kinds]

    def _next(self, *, draws: bool) -> tuple[Any, bytes]:
        data = self.socket.recv(timeout=20)
        if not isinstance(data, bytes):
            return json.loads(data), b""
        (size,) = struct.unpack_from("<I", data)
        message = json.loads(data[4 : 4 + size])
        if draws:
            self.send(do="drawn", what=message["type"])
        return message, data[4 + size :]


@pytest.fixture
def open_view() -> Iterator[Callable[..., WatchedView]]:
    """Make views that end with the test, and leave no thread behind."""
    before = set(threading.enumerate())
    opened: list[WatchedView] = []

    def open_view(host: str = "127.0.0.1") -> WatchedView:
        opened.append(WatchedView(host))
        return opened[-1]

    yield open_view
    for view in opened:
        view.process.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # a socket whose other end has gone lets its threads end by themselves
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def loopback_view() -> Iterator[WatchedView]:
    """One for all tests that only knock at its door."""
    view = WatchedView("127.0.0.1")
    yield view
    view.process.stop()


@pytest.fixture(scope="module")
def open_to_others() -> Iterator[WatchedView]:
    """One that other machines can reach."""
    view = WatchedView("0.0.0.0")
    yield view
    view.process.stop()


@pytest.fixture
def view(open_view: Callable[..., WatchedView]) -> WatchedView:
    return open_view()


@pytest.fixture
def own_view() -> Iterator[AnsweringView]:
    """For what uses up the allowance of a view, or fills it."""
    view = AnsweringView()
    yield view
    view.process.stop()


@pytest.fixture
def spot() -> Region:
    return SPOT


@pytest.fixture
def pixels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (48, 64), np.uint8)
