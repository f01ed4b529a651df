"""The proxy: its socket, its life, and the real server behind it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rheed_acquire.server.process import LocalServer

from .forwarding import ForwardingHandler, Way
from .rules import Plan, Rule


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows the option would let two servers share a port.
    allow_reuse_address = os.name == "posix"
    request_queue_size = 64

    def __init__(self, port: int, way: Way) -> None:
        self.way = way
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), ForwardingHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that is killed in the middle is what this server is for."""

    def cut_connections(self) -> None:
        """Cut every connection in the middle of whatever it is."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class FaultyServer:
    """A local server that fails on demand, for the time of a ``with``.

    Parameters
    ----------
    directory
        Where the real server keeps the runs.
    seed, failure_rate, spared
        See `Plan`.
    port
        0 takes any that is free.
    upstream
        A local server that runs already, and may have other proxies before it; by default one of its own.

    Attributes
    ----------
    plan
        The rules in force.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: int = 0,
        failure_rate: float = 0.0,
        spared: tuple[str, ...] = (),
        port: int = 0,
        upstream: LocalServer | None = None,
    ) -> None:
        self.plan = Plan(seed, failure_rate, spared)
        self.upstream = upstream or LocalServer(directory)
        self._owns_upstream = upstream is None
        self._port = port
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    @property
    def endpoint(self) -> str:
        """The proxy's base URL, the same for as long as this object lives."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_key(self) -> str:
        """The real server's key."""
        return self.upstream.api_key.get_secret_value()

    def add(self, rule: Rule) -> None:
        """Put a rule in force."""
        self.plan.add(rule)

    def heal(self) -> None:
        """Let everything through from now on, and take connections again."""
        self.plan.heal()
        self.come_back()

    def go_down(self) -> None:
        """Cut all connections and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.cut_connections()
        listener.server_close()
        assert self._thread is not None
        self._thread.join()

    def come_back(self) -> None:
        """Take connections again, on the same port."""
        if self._listener is not None:
            return
        deadline = time.monotonic() + 20.0
        while True:
            try:
                self._listener = _Listener(self._port, Way(self.plan, self.upstream, self._ending))
                break
            except OSError:
                # Another program's outgoing connection may hold the port for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._port = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.05,), name="faulty-server", daemon=True
        )
        self._thread.start()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Be down for the time of a ``with``."""
        self.go_down()
        try:
            yield
        finally:
            self.come_back()

    def __enter__(self) -> Self:
        if self._owns_upstream:
            self.upstream.start()
        self.come_back()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        self.go_down()
        if self._owns_upstream:
            self.upstream.stop()
