"""A small Atomscale on a real socket that does right until it is told to fail.

Each endpoint has a script: every `FaultServer.fail` adds answers to it, which the next requests get, in
order. Where the script has run out the server does what the wire protocol says. It records every request.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PRESIGN_PATH = "/data_entries/raw_data/staged/upload_urls/"

_ENDPOINTS = [
    ("time", "GET", r"/gateway/time"),
    ("list_samples", "GET", r"/physical_samples/"),
    ("create_sample", "POST", r"/physical_samples/"),
    ("list_tags", "GET", r"/tags/"),
    ("create_tag", "POST", r"/tags/"),
    ("create_stream", "POST", r"/rheed/stream/"),
    ("end", "POST", r"/rheed/stream/[^/]+/end"),
    ("link_sample", "POST", r"/data_entries/physical_sample"),
    ("track_sample", "POST", r"/projects/[^/]+/configuration/tracking_samples"),
    ("link_tags", "POST", r"/tags/data-items/"),
    ("presign", "POST", PRESIGN_PATH),
    ("put", "PUT", r"/storage/.*"),
]


@dataclass(frozen=True)
class Recorded:
    """A request as it came. Header names are in lower case."""

    endpoint: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def chunk_idx(self) -> int:
        """Of a presign request."""
        return int(self.query["original_filename"].split("/")[3])


@dataclass(frozen=True)
class Fault:
    """How one request is failed.

    Attributes
    ----------
    status, headers, body
        Of the answer; a body that is not a str or bytes is sent as JSON. Status None: the right answer,
        perhaps with other ``headers``.
    delay_s
        Before the answer.
    every_s
        Between two bytes of the answer's body, where it comes byte by byte.
    act
        Whether the server does what was asked before it answers otherwise.
    hang_up
        None, or where the connection is reset: ``"in_request"`` after half of its body was read,
        ``"in_answer"`` after half of the answer's body was sent.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ""
    delay_s: float = 0.0
    every_s: float = 0.0
    act: bool = False
    hang_up: str | None = None


class FaultServer(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 for the time of a ``with``.

    Attributes
    ----------
    requests
        Every request, in order of arrival.
    samples, tags
        As ``GET`` lists them; tests may change them.
    streams
        Bodies of the streams created, by data_id.
    ended
        data_ids of those that were ended.
    shards
        Bytes stored, by data_id and chunk index.
    url_query
        Added to every presigned URL.
    more_of_presign
        What the answer to a presign request has besides.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Recorded] = []
        self.samples: list[dict[str, str]] = []
        self.tags: list[dict[str, str]] = []
        self.streams: dict[str, Any] = {}
        self.ended: list[str] = []
        self.shards: dict[tuple[str, int], bytes] = {}
        self.url_query = "X-Amz-Credential=AK%2F20260101%2Fs3&X-Amz-Signature=5ecret%2Bsigned%3D"
        self.more_of_presign: dict[str, Any] = {}
        self.lock = threading.Lock()
        self._scripts: dict[str, deque[Fault]] = {name: deque() for name, _, _ in _ENDPOINTS}
        self._tickets: dict[str, tuple[str, int]] = {}
        self._made = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="fault-server")

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fail(self, endpoint: str, status: int | None = None, *, times: int = 1, **fault: Any) -> None:
        """Fail the next ``times`` requests to an endpoint that are not spoken for; see `Fault`."""
        with self.lock:
            self._scripts[endpoint].extend([Fault(status, **fault)] * times)

    def recover(self) -> None:
        """Forget all faults that are still to come."""
        with self.lock:
            for script in self._scripts.values():
                script.clear()

    def requests_to(self, *endpoints: str) -> list[Recorded]:
        with self.lock:
            return [request for request in self.requests if request.endpoint in endpoints]

    def record(self, request: Recorded) -> Fault:
        """Remember a request and tell how to fail it."""
        with self.lock:
            self.requests.append(request)
            script = self._scripts.get(request.endpoint)
            return script.popleft() if script else Fault()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # those are what this server is for
            super().handle_error(request, client_address)

    def do_right(self, request: Recorded) -> tuple[int, dict[str, str], bytes]:
        """Do what the wire protocol says; status, headers and body of the answer."""
        with self.lock:
            status, headers, answer = self._do_right(request)
        return status, headers, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def _do_right(self, request: Recorded) -> tuple[int, dict[str, str], Any]:
        match request.endpoint:
            case "time":
                now = round(time.time() * 1000)
                return 200, {}, {"receivedAtUnixMs": now, "transmittedAtUnixMs": now}
            case "list_samples":
                return 200, {}, self.samples
            case "create_sample":
                self.samples.append({"id": self._next("sample"), "name": request.json["name"]})
                return 200, {}, {"physical_sample_id": self.samples[-1]["id"]}
            case "list_tags":
                return 200, {}, self.tags
            case "create_tag":
                self.tags.append({"id": self._next("tag"), "name": request.json["name"]})
                return 200, {}, {"id": self.tags[-1]["id"]}
            case "create_stream":
                data_id = self._next("stream")
                self.streams[data_id] = request.json
                return 200, {}, data_id
            case "end":
                self.ended.append(request.path.split("/")[-2])
                return 200, {}, {}
            case "presign":
                token = self._next("ticket")
                self._tickets[token] = (request.json["data_id"], request.chunk_idx)
                url = f"http://{request.headers['host']}/storage/{token}?{self.url_query}"
                return 200, {}, [{"upload_id": token, "url": url, "part": 1, **self.more_of_presign}]
            case "put":
                target = self._tickets.pop(request.path.rsplit("/", 1)[-1], None)
                if target is None:
                    return 403, {}, b"<Error><Code>AccessDenied</Code></Error>"
                self.shards[target] = request.body
                return 200, {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'}, b""
            case "link_sample" | "track_sample" | "link_tags":
                return 200, {}, {}
        return 404, {}, {"detail": "Not Found"}

    def _next(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20.0  # a client that hangs up without a word must not keep this thread
    disable_nagle_algorithm = True  # head and body are two writes, of which the second would wait for 40 ms
    server: FaultServer

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_GET  # noqa: N815

    def _serve(self) -> None:
        # To a proxy the whole URL is said, whose path is all that matters here.
        url = urlsplit(self.path)
        endpoint = "unknown"
        for name, method, pattern in _ENDPOINTS:
            if method == self.command and re.fullmatch(pattern, url.path):
                endpoint = name
        length = int(self.headers.get("Content-Length", 0))
        arrived = time.monotonic()
        first_half = self.rfile.read(length // 2)
        asked_with = {name.lower(): value for name, value in self.headers.items()}
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        # Whether the second half is read depends on the fault, which is therefore found first.
        request = Recorded(endpoint, url.path, query, asked_with, first_half, arrived)
        fault = self.server.record(request)
        if fault.hang_up == "in_request":
            return self._reset()
        body = first_half + self.rfile.read(length - length // 2)
        whole = Recorded(endpoint, url.path, query, asked_with, body, arrived)
        with self.server.lock:
            self.server.requests[self.server.requests.index(request)] = whole
        status, headers, content = fault.status or 500, dict(fault.headers), _encode(fault.body)
        if fault.status is None or fault.act:
            right = self.server.do_right(whole)
            if fault.status is None:
                status, headers, content = right[0], {**right[1], **fault.headers}, right[2]
        time.sleep(fault.delay_s)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault.hang_up == "in_answer":
            self.wfile.write(content[: len(content) // 2])
            return self._reset()
        if not fault.every_s:
            self.wfile.write(content)
        for place in range(len(content) if fault.every_s else 0):
            self.wfile.write(content[place : place + 1])
            time.sleep(fault.every_s)
        return None

    def _reset(self) -> None:
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        pass


def _encode(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
