"""Requests as cheroot takes them, but strictly: what is odd is refused with a sentence, no body is held."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, BinaryIO

from cheroot.server import HTTPRequest, KnownLengthRFile

_MOST_HEADERS = 100
_NAME = re.compile(rb"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?\r\n")
_LONGEST_LINE = 1024
_LISTS = frozenset(
    b"Accept Accept-Charset Accept-Encoding Accept-Language Cache-Control Connection Cookie Expect Forwarded "
    b"If-Match If-None-Match Pragma Te Trailer Upgrade Via X-Forwarded-For".split()
)
"""Headers that may come more than once, which means the same as a list in one (RFC 9110, 5.3)."""


def read_headers(lines: BinaryIO, headers: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
    """Read the headers of a request up to the empty line (RFC 9112, 5), for cheroot's ``header_reader``.

    Raises
    ------
    ValueError
        A request whose end or meaning two readers could see differently, or that makes no sense.
    """
    headers = {} if headers is None else headers
    while (line := lines.readline()) != b"\r\n":
        if not line.endswith(b"\r\n"):
            raise ValueError("the headers must be lines that end in CRLF, and then an empty one")
        name, colon, value = line[:-2].partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise ValueError("a header must be a name, a colon and a value in one line")
        value = value.strip(b" \t")
        if any(byte < 32 and byte != 9 for byte in value) or 127 in value:
            raise ValueError(f"there is a control character in the header {name.decode()}")
        name = name.title()
        if name in headers:
            if name not in _LISTS:
                raise ValueError(f"the header {name.decode()} is given twice")
            value = headers[name] + b", " + value
        headers[name] = value
        if len(headers) > _MOST_HEADERS:
            raise ValueError(f"there are more than {_MOST_HEADERS} headers")
    _check_length(headers)
    return headers


def _check_length(headers: dict[bytes, bytes]) -> None:
    length, encoding = headers.get(b"Content-Length"), headers.get(b"Transfer-Encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        raise ValueError("Content-Length must be a whole number of bytes")
    if encoding is not None and encoding.lower() != b"chunked":
        raise ValueError("the only Transfer-Encoding here is chunked")
    if encoding is not None and length is not None:
        raise ValueError("a request has a Content-Length or a Transfer-Encoding, not both")


class StrictRequest(HTTPRequest):
    """A request whose refusals all have the protocol's form, and whose body is read as it is wanted."""

    header_reader = staticmethod(read_headers)

    def __init__(self, server: Any, conn: Any, **modes: bool) -> None:
        super().__init__(server, conn, **modes)
        if server.tls is not None:
            self.scheme = b"https"

    def read_request_line(self) -> bool:
        """Read the first line; a target that is no URL is refused as well."""
        try:
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]
        except ValueError:
            self.simple_response("400 Bad Request", "the target of the request is no URL")
            return False

    def respond(self) -> None:
        """Have the application answer."""
        if self.chunked_read:
            self.rfile = ChunkedBody(self.conn.rfile)
        else:
            self.rfile = KnownLengthRFile(self.conn.rfile, int(self.inheaders.get(b"Content-Length", 0)))
        self.server.gateway(self).respond()
        self.ensure_headers_sent()

    def send_headers(self) -> None:
        """Send the answer's head; an application that says so closes the connection."""
        if (b"Connection", b"close") in self.outheaders:
            self.close_connection = True
        super().send_headers()

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse what is no request, and close the connection: nobody knows where the next would begin."""
        code, _, reason = str(status).partition(" ")
        if code in ("501", "505"):  # it is the request that asks for what there is not
            code, reason = "400", "Bad Request"
        self.close_connection = self.sent_headers = True
        body = json.dumps({"detail": msg or reason}).encode()
        head = (
            f"HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with suppress(OSError):
            self.conn.wfile.write(head.encode("latin-1") + body)


class ChunkedBody:
    """A body that comes in chunks (RFC 9112, 7.1), read without holding one."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left_of_chunk = 0
        self._is_first = True
        self.is_over = False

    def read(self, size: int) -> bytes:
        """Read so many bytes, fewer at the end.

        Raises
        ------
        ValueError
            It makes no sense.
        """
        pieces = []
        while size and not self.is_over:
            if not self._left_of_chunk:
                self._begin_chunk()
                continue
            piece = self._source.read(min(size, self._left_of_chunk))
            if not piece:
                raise ValueError("the body ends within a chunk")
            pieces.append(piece)
            size -= len(piece)
            self._left_of_chunk -= len(piece)
        return b"".join(pieces)

    def _begin_chunk(self) -> None:
        if not self._is_first and self._source.read(2) != b"\r\n":
            raise ValueError("a chunk of the body is longer than it says")
        self._is_first = False
        match = _CHUNK_SIZE.fullmatch(self._source.readline(_LONGEST_LINE))
        if match is None:
            raise ValueError("a chunk of the body does not say how long it is")
        self._left_of_chunk = int(match[1], 16)
        if not self._left_of_chunk:
            while (line := self._source.readline(_LONGEST_LINE)) != b"\r\n":  # trailers, which nobody wants
                if not line.endswith(b"\r\n"):
                    raise ValueError("the body does not end where it says")
            self.is_over = True
