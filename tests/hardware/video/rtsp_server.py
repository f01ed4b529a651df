"""A network camera on loopback: pictures over RTSP, within its TCP connection (RFC 2326, 2435, 6184)."""

from __future__ import annotations

import base64
import itertools
import socket
import threading
from fractions import Fraction
from typing import Any, ClassVar, Self

import av
from tests.hardware.video.numbered import HEIGHT, WIDTH, picture

FPS = 50
_RTCP_REPORT = 200


class RtspServer:
    """Sends numbered pictures as motion JPEG, from 0 for each connection; takes one client at a time.

    Parameters
    ----------
    login
        ``user:password`` that it wants; None for nobody's.
    """

    media: ClassVar[str] = "m=video 0 RTP/AVP 26\r\n"
    """Of the session's description: how the pictures are encoded."""

    def __init__(self, port: int = 0, *, login: str | None = None) -> None:
        self.login = login
        self._ending = threading.Event()
        self._door = socket.create_server(("127.0.0.1", port))
        self._door.settimeout(0.05)
        self.port = int(self._door.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                client, _ = self._door.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(5.0)
                try:
                    if self._greet(client):
                        self._play(client)
                except OSError:
                    pass  # the client has gone

    def _greet(self, client: socket.socket) -> bool:
        """Answer requests until the client wants pictures; whether it does."""
        asked = b""
        while not self._ending.is_set():
            while b"\r\n\r\n" not in asked:
                more = client.recv(4096)
                if not more:
                    return False
                asked += more
            request, _, asked = asked.partition(b"\r\n\r\n")
            lines = request.decode().split("\r\n")
            method, number = lines[0].split()[0], next(line for line in lines if line.startswith("CSeq"))
            client.sendall(self._answer(method, number, lines))
            if method == "PLAY":
                return True
        return False

    def _answer(self, method: str, number: str, lines: list[str]) -> bytes:
        if self.login is not None:
            wanted = "Authorization: Basic " + base64.b64encode(self.login.encode()).decode()
            if wanted not in lines:
                return (
                    f'RTSP/1.0 401 Unauthorized\r\n{number}\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n'
                ).encode()
        extra, body = "", ""
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"{self.media}a=control:pictures\r\n"
            )
            extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        elif method == "PLAY":
            extra = "Session: 1\r\n"
        return f"RTSP/1.0 200 OK\r\n{number}\r\n{extra}\r\n{body}".encode()

    def _play(self, client: socket.socket) -> None:
        packets: list[bytes] = []

        class Sink:
            def write(self, data: bytes) -> int:
                packets.append(bytes(data))
                return len(data)

        with av.open(Sink(), "w", format="rtp", options={"packetsize": "1400"}) as container:
            stream = self._add_stream(container)
            stream.width, stream.height = WIDTH, HEIGHT
            for number in itertools.count():
                if self._ending.wait(1 / FPS):
                    return
                frame = av.VideoFrame.from_ndarray(picture(number), format="gray").reformat(
                    format=stream.pix_fmt
                )
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                for packet in stream.encode(frame):
                    container.mux(packet)
                for data in packets:
                    channel = 1 if data[1] == _RTCP_REPORT else 0
                    client.sendall(b"$" + bytes([channel]) + len(data).to_bytes(2, "big") + data)
                packets.clear()

    def _add_stream(self, container: Any) -> Any:
        stream = container.add_stream("mjpeg", rate=FPS, options={"huffman": "default"})
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.thread_count = 1  # each would begin with a marker that RTP has no place for
        return stream

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()
        self._door.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class H264Server(RtspServer):
    """The same as H.264, with the parameters in the stream itself, as many cameras have them."""

    media: ClassVar[str] = (
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    )

    def _add_stream(self, container: Any) -> Any:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS)}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.pix_fmt = "yuv420p"
        return stream
