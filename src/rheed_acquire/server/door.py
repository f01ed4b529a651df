"""Where connections wait until a whole request head has come from them, at no cost to others.

cheroot hands a connection to one of its threads as soon as it is made, and the thread then waits for what the
client says; with TLS even the thread that accepts connections waits. So a few dozen clients that say nothing
stop the server. The door takes the place of cheroot's connection manager: one thread accepts, shakes hands,
collects heads and lets go of who takes too long, all without waiting for anybody.
"""

from __future__ import annotations

import io
import logging
import math
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HTTPConnection

from rheed_acquire.server.http_request import StrictRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from rheed_acquire.server.http_server import HttpServer

logger = logging.getLogger(__name__)


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
_PIECE_BYTES = 1 << 14
_ACCEPTED_AT_ONCE = 64
_NOT_TLS = b'{"detail": "this server speaks TLS: use an https URL"}'
_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s" % (len(_NOT_TLS), _NOT_TLS)
)


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
    """One client's connection, and how far it has come at the door."""

    RequestHandlerClass = StrictRequest

    def __init__(self, server: HttpServer, sock: socket.socket, address: tuple[Any, ...]) -> None:
        self._limits = server.limits
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
                piece = self.socket.recv(_PIECE_BYTES)
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
        if self.is_draining or not self.server.door.drain(self):
            self.cut()

    def cut(self) -> None:
        """Close it now."""
        self.is_draining = True
        with suppress(OSError):
            self.rfile.close()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Door:
    """Accepts connections, and gives those to the server's threads that have a request.

    All but `put`, `drain`, `stop` and `can_add_keepalive_connection` happens in the thread of `run`. The
    names are those of `cheroot.connections.ConnectionManager`.

    Parameters
    ----------
    server
        With its listener prepared.
    """

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._listener = server.listener
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[Connection, None] = {}
        self._kept_alive = 0
        self._handed_back: deque[Connection] = deque()
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._stop_asked = False
        self._closed = False
        self._over = threading.Event()
        self._over.set()

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether one more connection may wait for its next request."""
        return self._kept_alive < self._server.keep_alive_conn_limit

    def put(self, connection: Connection) -> None:
        """Take a connection back whose request was answered, to wait for the next one."""
        try:
            connection.pause()
        except OSError:
            connection.cut()
            return
        self._hand_back(connection)

    def drain(self, connection: Connection) -> bool:
        """Take a connection that is to be closed; False where that must be done by the caller, at once."""
        if self._stop_asked:
            return False
        try:
            connection.drain()
        except OSError:
            return False
        self._hand_back(connection)
        return True

    def _hand_back(self, connection: Connection) -> None:
        self._handed_back.append(connection)
        with suppress(OSError):  # it rings already, or the door is closed
            self._rope.send(b"\0")

    def stop(self) -> None:
        """Accept nothing more and end `run`."""
        self._stop_asked = True
        with suppress(OSError):
            self._rope.send(b"\0")
        self._over.wait()

    def close(self) -> None:
        """Close all that wait, after `stop`."""
        for connection in [*self._waiting, *self._handed_back]:
            connection.cut()
        self._waiting.clear()
        self._selector.close()
        self._bell.close()
        self._rope.close()

    def run(self, expiration_interval: float) -> None:
        """Attend to whoever comes until `stop`; times are looked at every so many seconds."""
        self._over.clear()
        try:
            due_s = 0.0
            while not self._stop_asked:
                for key, _ in self._selector.select(expiration_interval if self._waiting else None):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._bell:
                        self._hear_bell()
                    elif key.data in self._waiting:  # not closed meanwhile, for another's sake
                        self._attend(key.data)
                now_s = time.monotonic()
                if now_s >= due_s:
                    due_s = now_s + expiration_interval
                    for connection in [one for one in self._waiting if one.deadline_s < now_s]:
                        self._let_go(connection)
        finally:
            self._over.set()

    def _hear_bell(self) -> None:
        with suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass
        while self._handed_back:
            connection = self._handed_back.popleft()
            if connection.is_whole and not connection.is_draining:  # the next request came with the last
                self._hand_over(connection)
            else:
                self._watch(connection)
                if connection in self._waiting:
                    self._attend(connection)  # TLS may have read more than the last request already

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:  # no descriptor is left, or no memory
                logger.warning("cannot accept a connection: %s", error)
                if self._waiting:
                    self._make_room()
                else:
                    time.sleep(0.05)
                return
            try:
                accepted.setblocking(False)
                if self._server.tls is not None:
                    accepted = self._server.tls.wrap_socket(
                        accepted, server_side=True, do_handshake_on_connect=False
                    )
                connection = Connection(self._server, accepted, address)
            except OSError:
                accepted.close()
                continue
            self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        if len(self._waiting) >= self._server.limits.most_waiting:
            self._make_room()
        try:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        except (OSError, ValueError):
            connection.cut()
            return
        self._waiting[connection] = None
        self._kept_alive += connection.was_served

    def _make_room(self) -> None:
        """Close what is missed least: of the address with most, the oldest that never made a request."""
        (crowded, _), *_ = Counter(one.remote_addr for one in self._waiting).most_common(1)
        oldest = [one for one in self._waiting if one.remote_addr == crowded]
        self._let_go(next((one for one in oldest if not one.was_served), oldest[0]))

    def _let_go(self, connection: Connection) -> None:
        self._forget(connection)
        connection.cut()

    def _forget(self, connection: Connection) -> None:
        del self._waiting[connection]
        self._kept_alive -= connection.was_served
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)

    def _attend(self, connection: Connection) -> None:
        try:
            if connection.is_draining:
                with suppress(BlockingIOError, ssl.SSLWantReadError):
                    if not connection.socket.recv(_PIECE_BYTES):
                        self._let_go(connection)
                return
            if connection.is_shaking_hands and not self._shake_hands(connection):
                return
            if not connection.collect():
                self._let_go(connection)
            elif connection.is_whole:
                self._forget(connection)
                self._hand_over(connection)
        except OSError:  # ssl.SSLError among them
            self._let_go(connection)

    def _shake_hands(self, connection: Connection) -> bool:
        """Go on with TLS's handshake as far as the client has come; whether it is done."""
        assert isinstance(connection.socket, ssl.SSLSocket)
        wanted = selectors.EVENT_READ
        try:
            connection.socket.do_handshake()
            connection.is_shaking_hands = False
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            wanted = selectors.EVENT_WRITE
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                self._refuse_plain_http(connection)
                return False
            raise
        self._selector.modify(connection.socket, wanted, connection)
        return not connection.is_shaking_hands

    def _refuse_plain_http(self, connection: Connection) -> None:
        self._forget(connection)
        assert isinstance(connection.socket, ssl.SSLSocket)
        with socket.socket(fileno=connection.socket.detach()) as plain, suppress(OSError):
            plain.send(_PLAIN_HTTP)

    def _hand_over(self, connection: Connection) -> None:
        try:
            connection.begin()
        except OSError:
            connection.cut()
            return
        self._server.process_conn(connection)
