"""One connection of the proxy: each request forwarded, or met with its fault."""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import http.client
import json
import os
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, urlsplit

from rheed_acquire.server.process import LocalServer

from .rules import Kind, Plan, Rule

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"}
_UPSTREAM_TIMEOUT_S = 120.0
_BLOCK_BYTES = 1 << 16
_BOMB_BYTES = 100_000_000
_PAGE = b"<!DOCTYPE html>\n<html><head><title>Guest network</title></head><body>Please log in.</body></html>"


@dataclass(slots=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Way:
    """What every connection goes by.

    Attributes
    ----------
    plan
        The rules in force.
    upstream
        The real server.
    ending
        Set when everything that waits on purpose shall wait no longer.
    """

    plan: Plan
    upstream: LocalServer
    ending: threading.Event


class ForwardingHandler(BaseHTTPRequestHandler):
    """Handles one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120.0

    def do_GET(self) -> None:
        """Forward or fail."""
        self._handle()

    do_POST = do_PUT = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Log nothing: a plan remembers what it did."""

    @property
    def _way(self) -> Way:
        way: Way = self.server.way  # type: ignore[attr-defined]
        return way

    def _handle(self) -> None:
        asked = urlsplit(self.path)
        plan = self._way.plan
        rule = plan.fault_of(f"{self.command} {asked.path}", asked.query)
        with plan.under_way():
            try:
                self._fail(rule) if rule is not None else self._send(self._forward(self._body()))
            except OSError:
                self.close_connection = True  # the client, or the server behind, went away

    def _fail(self, rule: Rule) -> None:
        kind, value = rule.kind, rule.value
        if kind is Kind.RESET_REQUEST:
            self._body(upto=self._length // 2)
            self._reset()
            return
        body = self._body()
        if kind in _IN_ITS_PLACE:
            self._send(_IN_ITS_PLACE[kind](int(value)))
            return
        if kind is Kind.ENDLESS:
            self._send_without_end(int(value))
            return
        if kind is Kind.DELAY:
            self._way.ending.wait(value)
        elif kind is Kind.CLOSE_STREAM:
            self._close_stream(body)
        answer = self._forward(body)
        if kind is Kind.STATUS_LATE:
            self._send(_refusal(int(value)))
        elif kind is Kind.GARBAGE:
            self._send(_Answer(200, [("Content-Type", "text/html")], b"<html>\xff not what you asked for"))
        elif kind is Kind.WRONG_URL:
            self._send(_mislead(answer))
        elif kind is Kind.SKEW:
            self._send(_skew(answer, value))
        elif kind in (Kind.RESET_ANSWER, Kind.TRUNCATED):
            self._send(answer, upto=len(answer.body) // 2)
            self._reset() if kind is Kind.RESET_ANSWER else self._hang_up()
        elif kind is Kind.SLOW_LORIS:
            self._send(answer, seconds=value)
        elif kind is Kind.SLOW_HEAD:
            self._way.ending.wait(0.05)
            self._send_head_slowly(answer, value)
        elif kind is Kind.OTHER_SUM:
            self._send(_with_another_sum(answer))
        else:
            self._send(answer)

    @property
    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _body(self, upto: int | None = None) -> bytes:
        left = self._length if upto is None else upto
        pieces = []
        while left:
            piece = self.rfile.read(min(left, _BLOCK_BYTES))
            if not piece:
                raise ConnectionResetError("the client went away in the middle of a body")
            left -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _forward(self, body: bytes) -> _Answer:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        # To a proxy the whole URL is said; the server behind wants what follows its name.
        asked = urlsplit(self.path)
        path = asked.path + (f"?{asked.query}" if asked.query else "")
        answer = self._ask_upstream(self.command, path, body, headers)
        if asked.path.endswith("/upload_urls/") and answer.status == 200:
            # Uploads go where the call has gone: to this server, or to the name that it is the proxy for.
            answer.body = answer.body.replace(
                self._way.upstream.endpoint.encode(), f"http://{self.headers['Host']}".encode()
            )
        return answer

    def _ask_upstream(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> _Answer:
        place = urlsplit(self._way.upstream.endpoint).netloc
        connection = http.client.HTTPConnection(place, timeout=_UPSTREAM_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
            return _Answer(answer.status, kept, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from None
        finally:
            connection.close()

    def _close_stream(self, body: bytes) -> None:
        """Have the real server close the stream that a presign request is about."""
        data_id = json.loads(body)["data_id"]
        key = {"X-API-KEY": self._way.upstream.api_key.get_secret_value()}
        self._ask_upstream("POST", f"/rheed/stream/{quote(data_id, safe='')}/end", b"", key)

    def _send(self, answer: _Answer, *, upto: int | None = None, seconds: float = 0.0) -> None:
        """Send an answer; only its first ``upto`` bytes, or byte by byte for so many seconds."""
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not seconds:
            self.wfile.write(answer.body[:upto])
            return
        for place in range(len(answer.body)):
            self.wfile.write(answer.body[place : place + 1])
            self._way.ending.wait(seconds / len(answer.body))

    def _send_head_slowly(self, answer: _Answer, seconds: float) -> None:
        """Send an answer whose status and headers come byte by byte."""
        head = f"HTTP/1.1 {answer.status} Slow\r\nContent-Length: {len(answer.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers) + "\r\n"
        for byte in head.encode("latin-1"):
            self.wfile.write(bytes((byte,)))
            self._way.ending.wait(seconds / len(head))
        self.wfile.write(answer.body)

    def _send_without_end(self, status: int) -> None:
        """Send an answer until the client has enough."""
        self.close_connection = True
        self.send_response(status)
        self.end_headers()
        while not self._way.ending.is_set():
            self.wfile.write(b" " * _BLOCK_BYTES)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def _reset(self) -> None:
        """End the connection by RST: what the kernel does with a socket that does not linger."""
        self.close_connection = True
        self.wfile.flush()
        on, no_time = 1, 0
        shape = "hh" if os.name == "nt" else "ii"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(shape, on, no_time))
        # The files made of the socket keep it open, and only its last close resets the connection.
        self.rfile.close()
        self.connection.close()


def _refusal(status: int) -> _Answer:
    headers = [("Content-Type", "application/json")]
    if status in (429, 503):
        headers.append(("Retry-After", "0"))
    return _Answer(status, headers, json.dumps({"detail": "made to fail"}).encode())


def _page(status: int) -> _Answer:
    """A captive portal's."""
    headers = [("Content-Type", "text/html")]
    if 300 <= status < 400:
        headers.append(("Location", "http://login.invalid/?from=here"))
    return _Answer(status, headers, _PAGE)


def _bare(status: int) -> _Answer:
    return _Answer(status, [], b"")


@functools.cache
def _zeros() -> bytes:
    return gzip.compress(bytes(_BOMB_BYTES), 9)


def _bomb(status: int) -> _Answer:
    return _Answer(status, [("Content-Encoding", "gzip"), ("Content-Type", "application/json")], _zeros())


_IN_ITS_PLACE = {Kind.STATUS: _refusal, Kind.PAGE: _page, Kind.BARE: _bare, Kind.BOMB: _bomb}
"""Answers in place of the server, which is not asked."""


def _with_another_sum(answer: _Answer) -> _Answer:
    """Let an upload's answer name other bytes than were sent."""
    others = {"etag": f'"{"0" * 32}"', "x-amz-checksum-crc32c": base64.b64encode(bytes(4)).decode()}
    headers = [(name, others.get(name.lower(), value)) for name, value in answer.headers]
    return _Answer(answer.status, headers, answer.body)


def _mislead(answer: _Answer) -> _Answer:
    """Replace the URLs in a presign answer by one that no upload is known under."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        return answer
    for entry in content if isinstance(content, list) else [content]:
        if isinstance(entry, dict) and "url" in entry:
            entry["url"] += "-and-nowhere"
    return _Answer(answer.status, answer.headers, json.dumps(content).encode())


def _skew(answer: _Answer, seconds: float) -> _Answer:
    content = {name: value + round(seconds * 1000) for name, value in json.loads(answer.body).items()}
    return _Answer(answer.status, answer.headers, json.dumps(content).encode())
