"""The HTTP server itself: cheroot, on a socket that listens already, with a thread for each request."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from types import TracebackType
from typing import Self
from wsgiref.types import WSGIApplication

from cheroot import wsgi

logger = logging.getLogger(__name__)

THREADS = 64
"""Requests that are answered at once: those of several cameras, with the most uploads of each under way."""
_SILENCE_S = 60
"""After which a connection is closed, within a request or between two: else whoever only connects keeps a
thread."""
_SHUTDOWN_S = 30
_LONGEST_HEADERS = 1 << 16
_LONGEST_BODY = 1 << 33


class HttpServer(wsgi.Server):
    """Serves between entering and leaving its context; requests under way are answered first.

    Parameters
    ----------
    listener
        Bound and listening; the caller closes it.
    """

    max_request_header_size = _LONGEST_HEADERS
    max_request_body_size = _LONGEST_BODY
    # On Windows a request on a connection that was kept open is noticed up to 50 ms late, which would tell
    # clients a wrong time; one on a new connection is noticed at once.
    keep_alive_conn_limit = 0 if sys.platform == "win32" else THREADS
    expiration_interval = 0.1
    """Seconds that `stop` may have to wait for cheroot to notice."""

    def __init__(self, listener: socket.socket, application: WSGIApplication) -> None:
        super().__init__(
            listener.getsockname()[:2],
            application,
            numthreads=THREADS,
            server_name="rheed-acquire",
            timeout=_SILENCE_S,
            shutdown_timeout=_SHUTDOWN_S,
        )
        self._listener = listener
        self._thread = threading.Thread(target=self.serve, name="http")

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
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self._listener
        return self._listener

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log as the rest of the server does."""
        logger.log(level, "%s", msg, exc_info=traceback)
