"""Connections that keep to a limit of time and of bytes, whatever the other side does.

A time-out of a socket begins anew with every byte that comes, so a peer that sends one byte a second holds a
call for ever. Here each wait for the network gets what is left of the whole call's time: the name's look-up,
the connection's making, the request, and every read of the answer. The bytes of an answer are counted where
they leave the socket, before anything makes something of them.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import logging
import math
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

CONNECT_TIMEOUT_S = 10.0


class AnswerTooLongError(OSError):
    """An answer has more bytes than anybody needs."""


@dataclass(slots=True)
class _Bounds:
    """What a call may take.

    Attributes
    ----------
    ends_at_s
        By `time.monotonic`.
    connect_s
        For a connection, its name's look-up included.
    most_bytes
        Of one answer, as it comes from the socket.
    """

    ends_at_s: float = math.inf
    connect_s: float = CONNECT_TIMEOUT_S
    most_bytes: float = math.inf

    def left_s(self) -> float:
        """Time that is left.

        Raises
        ------
        TimeoutError
            None is.
        """
        left_s = self.ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the call has taken all of its time")
        return left_s


_BOUNDS: ContextVar[_Bounds] = ContextVar("_BOUNDS")


def _without_queries(record: logging.LogRecord) -> bool:
    """Take out of what urllib3 logs of the calls made here the queries, by which a store lets anybody in."""
    if _BOUNDS.get(None) is not None and isinstance(record.args, tuple):
        record.args = tuple(
            f"{shown.partition('?')[0]}?***" if "?" in (shown := str(one)) else one for one in record.args
        )
    return True


for _name in ("connection", "connectionpool", "poolmanager", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_without_queries)


@contextmanager
def bounds(seconds: float, most_bytes: int, connect_s: float = CONNECT_TIMEOUT_S) -> Iterator[None]:
    """Bound what this thread does over `BoundedPool` in the body of the ``with``, all of it together."""
    token = _BOUNDS.set(_Bounds(time.monotonic() + seconds, connect_s, most_bytes))
    try:
        yield
    finally:
        _BOUNDS.reset(token)


class _BoundedReader(io.RawIOBase):
    """Reads an answer's bytes from a socket, within the bounds of the call."""

    def __init__(self, sock: Any) -> None:
        self._socket, self._raw = sock, sock.makefile("rb", buffering=0)
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        limits = _BOUNDS.get()
        self._socket.settimeout(limits.left_s())
        count: int | None = self._raw.readinto(buffer)
        self._bytes += count or 0
        if self._bytes > limits.most_bytes:
            raise AnswerTooLongError("the answer is too long")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock))

    def begin(self) -> None:
        """Read status and headers."""
        super().begin()
        # What of the headers makes no sense is dropped in silence: urllib3 would log it with the URL, which
        # may be a signed one.
        self.headers.defects.clear()
        self.headers.set_payload("")


class _Bounded(HTTPConnection):
    """What the connections of both schemes have in common."""

    response_class = _BoundedResponse

    def send(self, data: Any) -> None:
        """Send bytes, opening the connection where it is not open yet."""
        if self.sock is None:
            self.connect()
        limits = _BOUNDS.get()
        left = memoryview(data).cast("B")
        while left:
            self.sock.settimeout(limits.left_s())
            left = left[self.sock.send(left) :]

    def _new_conn(self) -> socket.socket:
        limits = _BOUNDS.get()
        try:
            ends_at_s = time.monotonic() + min(limits.left_s(), limits.connect_s)
            addresses = _look_up(self._dns_host, self.port, ends_at_s)
            connected = self._connect_to_any(addresses, ends_at_s)
            connected.settimeout(limits.left_s())  # a TLS handshake follows, which takes it for its own limit
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except (socket.gaierror, UnicodeError) as error:
            # urllib3 wants a gaierror; a name that cannot be one at all is a UnicodeError (RFC 3490).
            cause = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(self.host, self, cause) from cause
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        return connected

    def _connect_to_any(self, addresses: list[Any], ends_at_s: float) -> socket.socket:
        """Connect to the first address that answers; none may take the time of those behind it."""
        failure: OSError = OSError("the name has no address")
        for place, (family, kind, protocol, _, address) in enumerate(addresses):
            left_s = ends_at_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:  # a protocol that this computer has not
                failure = error
                continue
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(left_s / (len(addresses) - place))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure


class _BoundedTls(_Bounded, HTTPSConnection):
    """The same over TLS."""


class BoundedPool(HTTPConnectionPool):
    """Connections to one server, for use within `bounds`."""

    ConnectionCls = _Bounded


class BoundedTlsPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _BoundedTls


_lookups_lock = threading.Lock()
_lookups: dict[tuple[str, int], Future[list[Any]]] = {}


def _look_up(host: str, port: int, ends_at_s: float) -> list[Any]:
    """Find a host's addresses, as `socket.getaddrinfo` gives them.

    Nothing can interrupt the system's resolver, so a thread waits for it; whoever else wants the same name
    meanwhile waits for the same thread.

    Raises
    ------
    TimeoutError, OSError, UnicodeError
        The resolver has not answered in time, knows no such name, or it can be no name.
    """
    bare = host.strip("[]")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        pass
    else:
        return _resolve(bare, port)
    if host.rstrip(".").lower() == "localhost":
        # Not every resolver knows the spelling with a dot, which others send to the domain's own servers.
        host = "localhost"
    with _lookups_lock:
        pending = _lookups.get((host, port))
        if pending is None:
            pending = Future()
            try:
                threading.Thread(
                    target=_answer_lookup, args=(host, port, pending), name="name-lookup", daemon=True
                ).start()
            except RuntimeError as error:  # no thread may be had; a later call may have one
                raise OSError(f"the name cannot be looked up: {error}") from None
            _lookups[host, port] = pending
    return pending.result(max(ends_at_s - time.monotonic(), 0.0))


def _answer_lookup(host: str, port: int, pending: Future[list[Any]]) -> None:
    try:
        found = _resolve(host, port)
    except Exception as error:  # noqa: BLE001 - whoever waits gets it
        failure: Exception | None = error
    else:
        failure = None
    with _lookups_lock:
        del _lookups[host, port]
    if failure is None:
        pending.set_result(found)
    else:
        pending.set_exception(failure)


def _resolve(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
