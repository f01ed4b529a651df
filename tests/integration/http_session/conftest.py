"""A server on a real socket that says what a test wants, and a call to it that heeds no setting around it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from rheed_acquire.streaming.http_session import Answer, HttpSession

TIME_S = 1.0
"""That a call gets here."""
HANG_S = 30.0
"""Far more than any of these calls takes, and less than each would take without its limit."""
MEGABYTE = b"\0" * 1_000_000
SETTINGS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass
class ScriptedServer:
    """A server that says what a test wants; ``heads`` are the requests, ``over`` is set as the test ends."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/"

    def hear(self, connection: socket.socket) -> bytes:
        """Read a request's head, and nothing of its body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return b""
            head += byte
        self.heads.append(head)
        return head

    def trickle(self, connection: socket.socket, content: bytes) -> None:
        """Say something slowly, again and again, for as long as anybody listens."""
        while not self.over.is_set():
            for place in range(len(content)):
                connection.sendall(content[place : place + 1])
                if self.over.wait(0.05):
                    return

    def pour(self, connection: socket.socket, content: bytes) -> None:
        """Say something as fast as it goes, again and again."""
        while not self.over.is_set():
            connection.sendall(content)


Talk = Callable[[ScriptedServer, socket.socket], None]


@contextmanager
def scripted(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Serve until the ``with`` ends: ``talk`` has each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ScriptedServer(listener.getsockname()[1])
        threads: list[threading.Thread] = []
        open_now: list[socket.socket] = []

        def serve(connection: socket.socket) -> None:
            # Whoever hangs up on a client is hung up on, sooner or later.
            with contextlib.suppress(OSError), connection:
                if tls is None:
                    talk(server, connection)
                    return
                with tls.wrap_socket(connection, server_side=True) as secured:
                    talk(server, secured)

        def accept() -> None:
            while True:
                connection, _ = listener.accept()
                if server.over.is_set():
                    connection.close()
                    return
                open_now.append(connection)
                server.connections += 1
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            # Nothing else wakes an accept on every system.
            socket.create_connection(("127.0.0.1", server.port)).close()
            accepting.join()
            for connection in open_now:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def whole(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """An answer as it goes over the wire."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def say(content: bytes) -> Talk:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        while server.hear(connection):
            connection.sendall(content)

    return talk


def begin_and_trickle(begin: bytes, content: bytes) -> Talk:
    return _begin_and(ScriptedServer.trickle, begin, content)


def begin_and_pour(begin: bytes, content: bytes) -> Talk:
    return _begin_and(ScriptedServer.pour, begin, content)


def _begin_and(
    go_on: Callable[[ScriptedServer, socket.socket, bytes], None], begin: bytes, content: bytes
) -> Talk:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(begin)
        go_on(server, connection, content)

    return talk


def get(url: str, within_s: float = HANG_S, at_most: int = 100_000) -> Answer:
    with HttpSession() as session:
        return session.request("GET", url, within_s=within_s, at_most=at_most)


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
