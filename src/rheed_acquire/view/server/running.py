"""Running the view's server: its socket, its messages, its end."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import queue
import socket
import threading
from collections.abc import Mapping
from typing import Any

import uvicorn

from rheed_acquire.system.listening import listen
from rheed_acquire.view.messages import read_message
from rheed_acquire.view.server.app import create_app
from rheed_acquire.view.server.bounded_connections import BoundedHttp, BoundedWebSocket
from rheed_acquire.view.server.live_view import WAITING_COMMANDS, LiveView
from rheed_acquire.view.server.requests import LONGEST_REQUEST

_LONGEST_HEADER = 1 << 14
_PING_INTERVAL_S = 20.0
_SHUTDOWN_S = 2


class _Speaker:
    """Says lines of JSON on stdout, from a thread: an acquisition that does not read holds nothing up."""

    def __init__(self) -> None:
        self._lines: queue.Queue[bytes] = queue.Queue(WAITING_COMMANDS)
        threading.Thread(target=self._write, daemon=True).start()

    def say(self, content: Mapping[str, Any]) -> None:
        """Say it, or raise `queue.Full`."""
        self._lines.put_nowait(json.dumps(content).encode() + b"\n")

    def _write(self) -> None:
        while True:
            rest = memoryview(self._lines.get())
            while rest:
                rest = rest[os.write(1, rest) :]


def run(host: str, port: int, token: str, ticket: str | None, messages: io.RawIOBase) -> None:
    """Serve until ``messages`` ends.

    Raises
    ------
    RheedAcquireError
        It cannot listen there.
    """
    # What clients do wrong is no news, fills the disk if they wish, and may name the token.
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.exc_info is not None)
    with listen(host, port, "--view-") as listener:
        speaker = _Speaker()
        view = LiveView(speaker.say)
        bound_port = listener.getsockname()[1]

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                view.begin(asyncio.get_running_loop())
                await super().startup(sockets)
                if self.started:
                    speaker.say({"port": bound_port})
                    threading.Thread(target=follow, daemon=True).start()

        config = uvicorn.Config(
            create_app(view, host, bound_port, token, ticket),
            # On Windows, too: the loop that asyncio has for it there stops to listen once a client resets its
            # connection before that is accepted.
            loop="asyncio:SelectorEventLoop",
            http=BoundedHttp,
            ws=BoundedWebSocket,
            ws_max_size=LONGEST_REQUEST,
            ws_ping_interval=_PING_INTERVAL_S,
            ws_ping_timeout=_PING_INTERVAL_S,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=_LONGEST_HEADER,
            # A page's address is noted beside what it does: a header must not name another.
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        server = Server(config)

        def follow() -> None:
            try:
                while (message := read_message(messages)) is not None:
                    view.take(*message)
            finally:
                server.should_exit = True

        try:
            server.run(sockets=[listener])
        finally:
            view.close()
