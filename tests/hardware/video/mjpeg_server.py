"""A network camera on loopback: numbered JPEG files over HTTP, as ``multipart/x-mixed-replace``."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Container
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.hardware.video.numbered import jpeg


class MjpegServer:
    """Sends numbered pictures, from 0 for each connection, until it is stopped.

    Parameters
    ----------
    port
        0 for a free one.
    login
        ``user:password`` that it wants; None for nobody's.
    damaged
        Numbers of pictures in which some bytes are wrong.

    Attributes
    ----------
    ending, silent
        Set to have it end the connection, or send nothing more.
    sent
        How many pictures of the latest connection have gone out.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        login: str | None = None,
        period_s: float = 0.02,
        damaged: Container[int] = (),
    ) -> None:
        self.login, self.period_s, self.damaged = login, period_s, damaged
        self.ending = threading.Event()
        self.silent = threading.Event()
        self.sent = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = False
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.login is not None:
            wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
            if request.headers.get("Authorization") != wanted:
                request.send_response(401)
                request.send_header("WWW-Authenticate", 'Basic realm="camera"')
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        self.sent = 0
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        request.end_headers()
        try:
            for number in itertools.count():
                if self.ending.wait(self.period_s):
                    return
                while self.silent.is_set() and not self.ending.wait(self.period_s):
                    pass
                data = jpeg(number)
                if number in self.damaged:
                    data = data[:-60] + bytes(byte ^ 0x55 for byte in data[-60:-40]) + data[-40:]
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                request.wfile.write(head.encode() + data + b"\r\n")
                self.sent = number + 1
        except OSError:
            pass  # the client has gone

    def stop(self) -> None:
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
