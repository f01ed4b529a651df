"""The way to an instrument: bytes there, lines back."""

from __future__ import annotations

import re
import select
import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress

LONGEST_LINE = 4_096
"""Bytes; a longer line is dropped, from its beginning to its end."""
_PIECE = 65_536
_SERIAL_WAIT_S = 0.1
_ENDS = re.compile(rb"[\r\n\0]+")


class Connection(ABC):
    """A connection that is there; any of its methods raises an `OSError` once it is not."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def drop_line(self) -> None:
        """Drop the line that is under way, to its end: its beginning was not heard."""
        self._rest, self._dropping = b"", True

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send all of it."""

    @abstractmethod
    def close(self) -> None:
        """Let it go."""

    @abstractmethod
    def _receive(self, timeout_s: float) -> bytes:
        """Return what has come, after waiting for so long at most; empty for nothing."""

    def lines(self, timeout_s: float) -> list[str]:
        """Wait for a line, and return all that have come, without their ends and without empty ones.

        Parameters
        ----------
        timeout_s
            How long to wait at most; 0 for what has come already.
        """
        ends_s = time.monotonic() + timeout_s
        while True:
            piece = self._receive(max(0.0, ends_s - time.monotonic()))
            if lines := self._whole_lines(piece):
                return lines
            if time.monotonic() >= ends_s:
                return []

    def _whole_lines(self, piece: bytes) -> list[str]:
        """Take what has come, and return the lines that end in it; where it is cut makes no difference."""
        *whole, self._rest = _ENDS.split(self._rest + piece)
        if self._dropping and whole:
            del whole[0]
            self._dropping = False
        if self._dropping or len(self._rest) > LONGEST_LINE:
            self.drop_line()
        found = [line.decode("utf-8", "replace").strip() for line in whole if len(line) <= LONGEST_LINE]
        return [line for line in found if line]


class Tcp(Connection):
    """A connection over TCP.

    Parameters
    ----------
    timeout_s
        For it to be made, and to take what is sent.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        super().__init__()
        self._socket = socket.create_connection((host, port), timeout_s)
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """See `Connection.send`."""
        self._socket.sendall(data)

    def close(self) -> None:
        """See `Connection.close`."""
        self._socket.close()

    def _receive(self, timeout_s: float) -> bytes:
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return b""
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise ConnectionResetError("it has closed the connection")
        return piece


class SerialPort(Connection):
    """A serial port.

    Parameters
    ----------
    framing
        Such as ``8N1``: data bits, parity and stop bits.
    """

    def __init__(self, port: str, baud: int, framing: str) -> None:
        import serial

        super().__init__()
        self._port = serial.Serial(
            port,
            baud,
            bytesize=int(framing[0]),
            parity=framing[1],
            stopbits=int(framing[2]),
            timeout=_SERIAL_WAIT_S,
            write_timeout=2.0,
        )

    def send(self, data: bytes) -> None:
        """See `Connection.send`."""
        self._port.write(data)

    def close(self) -> None:
        """See `Connection.close`."""
        with suppress(OSError):
            self._port.close()

    def _receive(self, timeout_s: float) -> bytes:
        waiting = self._port.in_waiting
        if waiting or timeout_s <= 0:
            return bytes(self._port.read(min(waiting, _PIECE)))
        return bytes(self._port.read(1))
