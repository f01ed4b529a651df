"""A server that speaks the wire protocol and does nothing with what it gets but count it.

The local server decodes every frame before it confirms a shard, on the same processors that its client
encodes with. Against this one a client has the processors nearly to itself. Run as a program, by any
interpreter: it prints its port, and ends when its standard input does. ``GET /counts`` tells how many shards
and bytes were put. An argument says how many seconds late it answers all else, as one does that is far away.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from typing import cast
from urllib.parse import urlsplit

BLOCK_BYTES = 1 << 20


class Sink(ThreadingHTTPServer):
    """Counts.

    Attributes
    ----------
    shards, nbytes
        Put so far.
    answer_s
        Until it answers what it has read.
    """

    daemon_threads = True

    def __init__(self, answer_s: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer_s = answer_s
        self.counting = threading.Lock()
        self.shards = self.nbytes = self.streams = 0


class Handler(BaseHTTPRequestHandler):
    """Answers one client's requests, over one connection for as long as the client wants."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Make the memory that every body of this connection is read into."""
        super().setup()
        self._block = memoryview(bytearray(BLOCK_BYTES))

    @property
    def _sink(self) -> Sink:
        return cast("Sink", self.server)

    def do_GET(self) -> None:
        """Answer with the time, with the counts, or with no samples and no tags."""
        match urlsplit(self.path).path:
            case "/gateway/time":
                now = round(time.time() * 1000)
                self._answer({"receivedAtUnixMs": now, "transmittedAtUnixMs": now})
            case "/counts":
                self._answer({"shards": self._sink.shards, "bytes": self._sink.nbytes})
            case _:
                self._answer([])

    def do_POST(self) -> None:
        """Create a stream, give out a URL, or say yes."""
        self._read_body()
        match urlsplit(self.path).path:
            case "/rheed/stream/":
                with self._sink.counting:
                    self._sink.streams += 1
                self._answer(f"stream-{self._sink.streams}")
            case "/data_entries/raw_data/staged/upload_urls/":
                url = f"http://127.0.0.1:{self._sink.server_port}/uploads"
                self._answer([{"upload_id": "1", "url": url, "part": 1}])
            case _:
                self._answer({})

    def do_PUT(self) -> None:
        """Take a shard, and confirm it by an ETag that is no MD5, which would cost time."""
        size = self._read_body()
        with self._sink.counting:
            self._sink.shards += 1
            self._sink.nbytes += size
            etag = f'"shard-{self._sink.shards}"'
        self._answer(None, etag)

    def _read_body(self) -> int:
        left = size = int(self.headers.get("Content-Length", 0))
        while left:
            got = cast("BufferedReader", self.rfile).readinto(self._block[: min(left, BLOCK_BYTES)])
            if not got:
                raise ConnectionError("the client hung up")
            left -= got
        time.sleep(self._sink.answer_s)
        return size

    def _answer(self, content: object, etag: str | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if etag is not None:
            self.send_header("ETag", etag)
        self.end_headers()
        if body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Say nothing of a request that went well or ill."""


def main() -> None:
    """Serve until standard input ends."""
    sink = Sink(float(sys.argv[1]))
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    print(sink.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
