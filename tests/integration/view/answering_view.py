"""A view whose acquisition grants everything, and sockets that speak to its interface."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from websockets.sync.client import connect

from rheed_acquire.view.interface import PREFIX
from rheed_acquire.view.process import ViewProcess

STATE = {"software": "rheed-acquire 0", "phase": "preview", "camera": {"name": "one"}}
JSON = "Content-Type: application/json\r\n"
RUN = {"run": "r1", "phase": "recording"}


class AnsweringView:
    """A view whose acquisition grants everything, and notes it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.asked: list[dict[str, Any]] = []
        self.process = ViewProcess(host, on_command=self._take)
        self.process.start()
        self.process.show_state({}, STATE)
        url, token = self.process.access
        self.port, self.token = int(url.rpartition(":")[2]), token.get_secret_value()

    def _take(self, command: dict[str, Any]) -> None:
        self.asked.append(command)
        if "ask" in command:
            self.process.answer(command["ask"], 202, RUN)

    def knock(
        self,
        target: str,
        method: str = "GET",
        body: bytes = b"",
        headers: str = "",
        *,
        token: str | None = "",
        host: str | None = None,
        length: int | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Say it over a socket as it stands."""
        shown = self.token if token == "" else token
        lines = f"{method} {PREFIX}{target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{self.port}'}\r\n{headers}"
        if shown is not None:
            lines += f"Authorization: Bearer {shown}\r\n"
        if method != "GET" and length != -1:
            lines += f"Content-Length: {len(body) if length is None else length}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            connection.sendall(f"{lines}\r\n".encode("latin-1") + body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read()

    def post(self, target: str, body: Any, headers: str = JSON, **more: Any) -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, text = self.knock(target, more.pop("method", "POST"), raw, headers, **more)
        return status, json.loads(text)


def events_of(view: AnsweringView, **options: Any) -> Any:
    return connect(f"ws://127.0.0.1:{view.port}{PREFIX}/events?token={view.token}", **options)
