"""What the acquisition says to the view process: a JSON header and raw bytes, on the child's stdin.

A message is two unsigned 32-bit numbers, little endian: the bytes of the header and those of the payload;
then the header (UTF-8) and the payload. ``kind`` in the header says what it is:

======== ================================================ ==========================================
kind     further keys                                     payload
======== ================================================ ==========================================
begin    host, port, token
frame    number, utc_ms (or null), shape [H, W], bits,    uint8 (H, W), of more than 8 bits uint16
         shift
state    state (for pages), station (for the interface)
points   regions, count N, dropped (points before them)   float64 (N,), float32 (R, N), uint16 (R, N)
event    utc_ms, level, text
answer   ask, status, body, replayed
======== ================================================ ==========================================

The child answers ``begin`` with one line of JSON on stdout, ``{"port": ...}`` or ``{"error": ...}``, and
says every command of a page in a line of its own, with where it came from. What a client of the interface
asks for is such a line too, with ``ask``, a name that its answer bears.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.text.json_text import json_text

SIZES = struct.Struct("<II")


class Message:
    """One message, ready to be written.

    Parameters
    ----------
    header
        JSON-able; numbers that JSON does not have (NaN, infinities) go out as null.
    payload
        C-contiguous arrays, written one after another.
    """

    def __init__(self, header: Mapping[str, Any], payload: Sequence[NDArray[Any]] = ()) -> None:
        text = json_text(header).encode()
        self._head = SIZES.pack(len(text), sum(array.nbytes for array in payload)) + text
        self._payload = payload

    def write(self, pipe: IO[bytes]) -> None:
        """Write all of it into an unbuffered pipe; waits for as long as the other end does not read.

        Raises
        ------
        OSError
            The other end is gone.
        """
        _write_all(pipe, memoryview(self._head))
        for array in self._payload:
            _write_all(pipe, array.reshape(-1).view(np.uint8).data)


def read_message(pipe: io.RawIOBase) -> tuple[dict[str, Any], bytearray] | None:
    """Read the next message: its header and its payload, or None where the other end has closed the pipe."""
    sizes = _read_exactly(pipe, SIZES.size)
    if sizes is None:
        return None
    header_bytes, payload_bytes = SIZES.unpack(sizes)
    header, payload = _read_exactly(pipe, header_bytes), _read_exactly(pipe, payload_bytes)
    if header is None or payload is None:
        return None
    return json.loads(header), payload


def points_of(
    header: Mapping[str, Any], payload: bytearray
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.uint16]]:
    """Take a message of points apart: times (N,) in ms UTC, means (R, N), maxima (R, N)."""
    count, regions = header["count"], len(header["regions"])
    utc_ms = np.frombuffer(payload, np.float64, count)
    mean = np.frombuffer(payload, np.float32, count * regions, utc_ms.nbytes)
    maximum = np.frombuffer(payload, np.uint16, count * regions, utc_ms.nbytes + mean.nbytes)
    return utc_ms, mean.reshape(regions, count), maximum.reshape(regions, count)


def _write_all(pipe: IO[bytes], rest: memoryview) -> None:
    while rest:
        # A raw pipe may take less than it is given; Windows refuses more than it has room for.
        rest = rest[pipe.write(rest[: 1 << 20]) or 0 :]


def _read_exactly(pipe: io.RawIOBase, size: int) -> bytearray | None:
    buffer = bytearray(size)
    rest = memoryview(buffer)
    while rest:
        count = pipe.readinto(rest)
        if not count:
            return None
        rest = rest[count:]
    return buffer
