"""What an HDF5 file's superblock says, before HDF5 takes its word for it.

HDF5 takes memory for whatever length a driver information block claims, before it looks for the block. No
recording has one that is read as a single file; a damaged superblock seems to.
HDF5 File Format Specification, version 3.0, II.A and II.B.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_PLACE = 512
"""Where a superblock may lie besides the beginning, and at twice that, and so on."""
_HEAD = 16
"""Bytes of a driver information block before the information."""


def check_superblock(path: Path) -> None:
    """Refuse a file whose driver information block claims to be longer than the file.

    Raises
    ------
    ValueError
        It does.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        place = _place_in(file)
        if place is not None:
            _check(file, place, file.seek(0, 2))


def is_being_written(path: Path) -> bool:
    """Whether a program has a file open to write to it, by the file consistency flags that HDF5 leaves there.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        place = _place_in(file)
        head = b"" if place is None else _read(file, place, 12)
    return len(head) == 12 and head[8] > 2 and bool(head[11] & 1)


def _place_in(file: BinaryIO) -> int | None:
    """Find the superblock; None where there is none."""
    size = file.seek(0, 2)
    place = 0
    while place < size:
        if _read(file, place, 8) == SIGNATURE:
            return place
        place = max(_FIRST_PLACE, 2 * place)
    return None


def _check(file: BinaryIO, place: int, size: int) -> None:
    head = _read(file, place, 28)
    if len(head) < 28 or head[8] > 1:  # from version 2 on it is a message, which is no longer than its header
        return
    width = head[13]
    at = place + (28 if head[8] else 24)
    base, block = (int.from_bytes(_read(file, at + number * width, width), "little") for number in (0, 3))
    if block == (1 << 8 * width) - 1:
        return
    claimed = int.from_bytes(_read(file, base + block + 4, 4), "little")
    if base + block + _HEAD + claimed > size:
        raise ValueError("its driver information is said to be longer than the file")


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    if place >= 1 << 62:  # no file is so long, and no system goes there
        return b""
    file.seek(place)
    return file.read(count)
