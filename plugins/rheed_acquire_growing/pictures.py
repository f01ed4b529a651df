"""Pictures in files of their own, each a frame once its file is whole."""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import open_shared
from rheed_acquire_growing.growing_file import GrowingFile, NotWholeError
from rheed_acquire_replay.netpbm import HEADER_BYTES, read_header
from rheed_acquire_replay.pictures import NETPBM_SUFFIXES, Picture, decode

_END_BYTES = 64
"""So far from a file's end its format's end is looked for: some programs fill files up with zeros."""


class GrowingPicture(GrowingFile):
    """A file with one picture. Where the program writes it anew, that is a frame more."""

    kind: ClassVar[str] = "an image"
    grows: ClassVar[bool] = False
    singles: ClassVar[tuple[str, ...]] = ("",)

    def __init__(self, path: Path, since_ns: int | None = None) -> None:
        super().__init__(path, since_ns)
        self._whole: tuple[int, int] | None = None  # size and time of the latest that was whole
        self._own_ns: int | None = None

    def read(self, number: int) -> NDArray[Any]:  # noqa: ARG002
        """See `GrowingFile.read`."""
        whole = self._whole
        picture = _decode(self.path)
        status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != whole:
            raise NotWholeError
        if picture.bits is not None:
            self.bits = picture.bits[0]
        self._own_ns = None
        # Most files tell the second alone, which is coarser than their own time.
        if picture.captured_ns is not None and picture.captured_ns[0] % 1_000_000_000:
            self._own_ns, by = picture.captured_ns
            self.dated_by = f"of each frame, by {by}"
        return picture.pixels

    def time_ns(self, number: int) -> int:  # noqa: ARG002
        """By what the picture says, where that is finer than a second; else by the file's time."""
        return self.written_ns if self._own_ns is None else self._own_ns

    def skip(self) -> None:
        """Take no notice of the picture that is there."""
        status = self.path.stat()
        self._note(status)
        self._whole = (status.st_size, status.st_mtime_ns)

    def _find(self) -> os.stat_result:
        with open_shared(self.path) as file:
            status = os.fstat(file.fileno())
            self._note(status)
            state = (status.st_size, status.st_mtime_ns)
            is_whole = state != self._whole and self._is_whole(file, status.st_size)
            later = os.fstat(file.fileno())
            # What was written between the two looks is judged by the next one.
            if is_whole and state == (later.st_size, later.st_mtime_ns):
                self._whole = state
                # The one before has been taken, or is there no more.
                self.count += 1
                self.next = self.count - 1
        return status

    def _is_whole(self, file: io.BufferedReader, size: int) -> bool:
        if not size:
            return False
        end = _ENDS.get(self.path.suffix.lower())
        if end is None:
            return self.has_settled
        told = end(file, size)
        return told is True or (told is None and self.has_settled)


def _decode(path: Path) -> Picture:
    if path.suffix.lower() == ".npy":
        return Picture(np.load(path, allow_pickle=False))
    return decode(path)


def _last(file: io.BufferedReader, size: int) -> bytes:
    file.seek(max(0, size - _END_BYTES))
    return file.read(_END_BYTES)


def _png(file: io.BufferedReader, size: int) -> bool | None:
    return b"IEND\xaeB`\x82" in _last(file, size)


def _jpeg(file: io.BufferedReader, size: int) -> bool | None:
    return _last(file, size).rstrip(b"\0").endswith(b"\xff\xd9") or None


def _filled(file: io.BufferedReader, size: int, told: int) -> bool | None:
    """Whether a file of which the size is known is there; it may have its size before its content."""
    if size < told:
        return False
    return True if any(_last(file, size)) else None


def _bmp(file: io.BufferedReader, size: int) -> bool | None:
    head = file.read(54)
    if len(head) < 54 or head[:2] != b"BM":
        return None
    (begin,), (width, height) = struct.unpack_from("<I", head, 10), struct.unpack_from("<ii", head, 18)
    bits, compression = struct.unpack_from("<HI", head, 28)
    if compression not in (0, 3):
        return None
    return _filled(file, size, begin + (width * bits + 31) // 32 * 4 * abs(height))


def _netpbm(file: io.BufferedReader, size: int) -> bool | None:
    try:
        header = read_header(file.read(HEADER_BYTES))
    except ValueError:
        return None
    if not header.is_raw:
        return None
    return _filled(file, size, header.pixels_at + math.prod(header.shape) * (2 if header.is_deep else 1))


def _npy(file: io.BufferedReader, size: int) -> bool | None:
    form = np.lib.format
    try:
        is_first = form.read_magic(file) == (1, 0)
        read = form.read_array_header_1_0 if is_first else form.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception:  # noqa: BLE001 - a part of a header raises errors of many kinds
        return None
    return _filled(file, size, file.tell() + math.prod(shape) * dtype.itemsize)


_ENDS: dict[str, Callable[[io.BufferedReader, int], bool | None]] = {
    ".png": _png,
    **dict.fromkeys((".jpg", ".jpeg"), _jpeg),
    ".bmp": _bmp,
    **dict.fromkeys(NETPBM_SUFFIXES, _netpbm),
    ".npy": _npy,
}
"""Whether a file is whole, by what its name ends in; None where only its settling can tell."""
