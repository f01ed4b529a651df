"""The HTTP server itself: cheroot's threads behind a `Door`, on a socket that listens already."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from types import TracebackType
from typing import Any, Self
from wsgiref.types import WSGIApplication

from cheroot import wsgi

from rheed_acquire.server.connection import LONGEST_HEAD, Limits
from rheed_acquire.server.door import Door

logger = logging.getLogger(__name__)

THREADS = 64
"""Requests that are answered at once: those of several cameras, with the most uploads of each under way."""
BACKLOG = 128
_MOST_QUEUED = 256
"""Requests that wait for a thread; more are answered with 503."""
_SHUTDOWN_S = 30
_LONGEST_BODY = 1 << 33


class HttpServer(wsgi.Server):
    """Serves between entering and leaving its context; requests under way are answered first.

    Parameters
    ----------
    listener
        Bound and listening; the caller closes it.
    tls
        The certificate to show, for HTTPS; None for plain HTTP.
    limits
        What a client may take, where it is not the default.
    """

    max_request_header_size = LONGEST_HEAD
    max_request_body_size = _LONGEST_BODY
    keep_alive_conn_limit = THREADS
    expiration_interval = 0.5

    def __init__(
        self,
        listener: socket.socket,
        application: WSGIApplication,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.listener, self.tls, self.limits = listener, tls, limits or Limits()
        super().__init__(
            listener.getsockname()[:2],
            application,
            numthreads=THREADS,
            server_name="rheed-acquire",
            request_queue_size=BACKLOG,
            timeout=int(self.limits.silence_s),
            shutdown_timeout=_SHUTDOWN_S,
            accepted_queue_size=_MOST_QUEUED,
            accepted_queue_timeout=0,
        )
        self._thread = threading.Thread(target=self.serve, name="http")

    def prepare(self) -> None:
        """Make ready what serves, with a door in the place of cheroot's connection manager."""
        super().prepare()
        self._connections.close()
        self._connections: Any = Door(self, self.listener, self.tls, self.limits)

    def __enter__(self) -> Self:
        self.prepare()
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join()

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:  # noqa: A002, ARG002 - cheroot's
        """Take the listener for the socket that cheroot would make."""
        # Connections inherit it: else an answer's head and body would wait for each other (Nagle).
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.listener
        return self.listener

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log as the rest of the server does."""
        logger.log(level, "%s", msg, exc_info=traceback)
