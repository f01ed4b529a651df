"""Where connections wait until a whole request head has come from them, at no cost to others.

cheroot hands a connection to one of its threads as soon as it is made, and the thread then waits for what the
client says; with TLS even the thread that accepts connections waits. So a few dozen clients that say nothing
stop the server. The door takes the place of cheroot's connection manager: one thread accepts, shakes hands,
collects heads and lets go of who takes too long, all without waiting for anybody.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from contextlib import suppress

from cheroot.server import HTTPServer

from rheed_acquire.server.connection import PIECE_BYTES, Connection, Limits

logger = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE = 64
_NOT_TLS = b'{"detail": "this server speaks TLS: use an https URL"}'
_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s" % (len(_NOT_TLS), _NOT_TLS)
)


class Door:
    """Accepts connections, and gives those to the server's threads that have a request.

    All but `put`, `drain`, `stop` and `can_add_keepalive_connection` happens in the thread of `run`. The
    names are those of `cheroot.connections.ConnectionManager`.

    Parameters
    ----------
    server
        Whose threads answer.
    listener
        Bound and listening.
    tls
        The certificate to show; None for plain HTTP.
    limits
        What a client may take.
    """

    def __init__(
        self, server: HTTPServer, listener: socket.socket, tls: ssl.SSLContext | None, limits: Limits
    ) -> None:
        self._server, self._listener, self._tls, self._limits = server, listener, tls, limits
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
                if self._tls is not None:
                    accepted = self._tls.wrap_socket(
                        accepted, server_side=True, do_handshake_on_connect=False
                    )
                connection = Connection(self._server, accepted, address, self._limits, self.drain)
            except OSError:
                accepted.close()
                continue
            self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        if len(self._waiting) >= self._limits.most_waiting:
            self._make_room()
        try:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        except (OSError, ValueError):
            connection.cut()
            return
        self._waiting[connection] = None
        self._kept_alive += connection.was_served

    def _make_room(self) -> None:
        """Close what is missed least: of the address with most, the oldest that has had its last answer.

        Where there is none, the oldest that never made a request.
        """
        (crowded, _), *_ = Counter(one.remote_addr for one in self._waiting).most_common(1)
        oldest = [one for one in self._waiting if one.remote_addr == crowded]
        self._let_go(min(oldest, key=lambda one: (not one.is_draining, one.was_served)))

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
                    if not connection.socket.recv(PIECE_BYTES):
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
        with suppress(OSError):
            connection.leave_tls()
            connection.socket.send(_PLAIN_HTTP)
        connection.close()

    def _hand_over(self, connection: Connection) -> None:
        try:
            connection.begin()
        except OSError:
            connection.cut()
            return
        self._server.process_conn(connection)
