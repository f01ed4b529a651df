"""A client's connection: what it may take, and how a request is read from it within that."""

from __future__ import annotations

import io
import math
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HTTPConnection, HTTPServer

from rheed_acquire.server.http_request import StrictRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take.

    Attributes
    ----------
    head_s
        In which a connection must have shaken hands and sent the whole head of a request.
    idle_s
        After which a connection that was kept open for another request is closed.
    silence_s
        How long a body may be without a byte.
    slowest_bytes_s
        Below which, ``silence_s`` aside, the bytes of a body come too slowly to have a thread wait for them.
    drain_s
        How long what a client still sends is taken after the last answer, so that it hears that.
    most_waiting
        Connections without a request under way. For one more, the oldest of the busiest address goes.
    """

    head_s: float = 20.0
    idle_s: float = 60.0
    silence_s: float = 60.0
    slowest_bytes_s: float = 10_000.0
    drain_s: float = 30.0
    most_waiting: int = 256


LONGEST_HEAD = 1 << 16
"""Bytes of a request's head; a longer one is refused."""
PIECE_BYTES = 1 << 14
"""What is read at once while nobody waits for it."""


class _Inlet(io.RawIOBase):
    """What a request is read from, within limits of time: what the door has collected, then the socket."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._socket, self._limits = sock, limits
        self.collected = bytearray()
        self._allowed_until_s = math.inf

    def begin(self) -> None:
        """Give the request that begins its time."""
        self._socket.settimeout(self._limits.silence_s)
        self._allowed_until_s = time.monotonic() + self._limits.silence_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what there is; raises TimeoutError where it comes too slowly."""
        view = memoryview(buffer).cast("B")
        if self.collected:
            count = min(len(view), len(self.collected))
            view[:count] = self.collected[:count]
            del self.collected[:count]
            return count
        left_s = self._allowed_until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        if left_s < self._limits.silence_s:
            self._socket.settimeout(left_s)
        count = self._socket.recv_into(view)
        self._allowed_until_s += count / self._limits.slowest_bytes_s
        return count


class _Reader(StreamReader):
    def __init__(self, inlet: _Inlet, buffer_bytes: int) -> None:
        super(StreamReader, self).__init__(inlet, buffer_bytes)
        self.bytes_read = 0


class Connection(HTTPConnection):
    """One client's connection, and how far it has come at the door.

    Parameters
    ----------
    sock
        Not blocking.
    drain
        Takes the connection when it is to be closed; answers False where that must be done at once.
    """

    RequestHandlerClass = StrictRequest

    def __init__(
        self,
        server: HTTPServer,
        sock: socket.socket,
        address: tuple[Any, ...],
        limits: Limits,
        drain: Callable[[Connection], bool],
    ) -> None:
        self._limits, self._drain = limits, drain
        self._inlet = _Inlet(sock, self._limits)
        super().__init__(server, sock, self._make_file)
        self.remote_addr, self.remote_port = address[:2]
        self.is_shaking_hands = isinstance(sock, ssl.SSLSocket)
        self.is_draining = False
        self.was_served = False
        self.deadline_s = time.monotonic() + self._limits.head_s

    def _make_file(self, sock: socket.socket, mode: str, buffer_bytes: int) -> Any:
        if "r" in mode:
            return _Reader(self._inlet, buffer_bytes)
        return StreamWriter(sock, mode, buffer_bytes)

    @property
    def head(self) -> bytearray:
        """What has come and was not read yet."""
        return self._inlet.collected

    @property
    def is_whole(self) -> bool:
        """Whether a thread would not have to wait for the head, be it one or too long for one."""
        head = self.head
        # Line ends without CR are refused, and no reason to wait.
        return b"\r\n\r\n" in head or b"\n\n" in head or len(head) > LONGEST_HEAD

    def collect(self) -> bool:
        """Take what has come, up to a whole head; False where the client has hung up."""
        while not self.is_whole:
            try:
                piece = self.socket.recv(PIECE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not piece:
                return False
            if not self.head and self.was_served:
                self.deadline_s = time.monotonic() + self._limits.head_s
            self.head.extend(piece)
        return True

    def begin(self) -> None:
        """Let a thread read from it and wait."""
        self._inlet.begin()

    def leave_tls(self) -> None:
        """Speak in cleartext to a client that does, though it should not."""
        self.socket = socket.socket(fileno=self.socket.detach())
        self.is_shaking_hands = False

    def pause(self) -> None:
        """Have it wait at the door for the next request, some of which may have been read already."""
        if self.rfile.has_data():
            self.head[:0] = self.rfile.read(len(self.rfile.peek()))
        self.socket.setblocking(False)
        self.was_served = True
        self.deadline_s = time.monotonic() + (self._limits.head_s if self.head else self._limits.idle_s)

    def drain(self) -> None:
        """Say nothing more, and have what the client still sends thrown away: so it hears the answer."""
        self.is_draining = True
        self.head.clear()
        self.deadline_s = time.monotonic() + self._limits.drain_s
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.setblocking(False)

    def close(self) -> None:
        """Close it, for good once the client has heard the answer."""
        if self.is_draining or not self._drain(self):
            self.cut()

    def cut(self) -> None:
        """Close it now."""
        self.is_draining = True
        with suppress(OSError):
            self.rfile.close()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
