"""Texts of variable length in HDF5 files, looked at before HDF5 itself reads them.

It takes memory for whatever length a damaged one claims, before it looks for the text, and never comes out of
a damaged heap in which an object has no length. What stands for a text are 4 bytes of its length, 8 of where
its heap lies and 4 of which of the objects there it is (HDF5 File Format Specification, version 3.0, III.E
and IV.A.2.d).
"""

from __future__ import annotations

from typing import IO

import numpy as np

TEXT_BYTES = 16
_TEXT = np.dtype([("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])
_HEAD_BYTES = 16
_MOST_BYTES = 1 << 20
NOWHERE = (1 << 64) - 1
"""The address of what is not there."""


def are_sound(file: IO[bytes], stored: bytes, base: int, most: int, known: set[int]) -> bool:
    """Whether texts claim to be short, and the heaps are whole in which they lie.

    Parameters
    ----------
    stored
        What stands for the texts.
    base
        Where the addresses in the file begin.
    most
        Bytes of the longest that is short.
    known
        Heaps that are whole; others that are found to be come to them.
    """
    texts = np.frombuffer(stored, _TEXT, len(stored) // TEXT_BYTES)
    if (texts["length"] > most).any():
        return False
    for heap in set(np.unique(texts["heap"]).tolist()) - known - {0, NOWHERE}:
        if not _is_whole(file, base + heap):
            return False
        known.add(heap)
    return True


def _is_whole(file: IO[bytes], at: int) -> bool:
    """Whether the objects of a heap lie one behind the other to its end."""
    if at > NOWHERE >> 1:  # no system seeks so far
        return False
    file.seek(at)
    head = file.read(_HEAD_BYTES)
    size = int.from_bytes(head[8:], "little") - _HEAD_BYTES
    if head[:4] != b"GCOL" or not 0 <= size <= _MOST_BYTES:
        return False
    objects, place = file.read(size), 0
    while place + _HEAD_BYTES <= len(objects):
        length = int.from_bytes(objects[place + 8 : place + _HEAD_BYTES], "little")
        # Number 0 is what is free, with its head; the others are padded to multiples of 8 bytes.
        is_free = not any(objects[place : place + 2])
        taken = length if is_free else _HEAD_BYTES + -(-length // 8) * 8
        if not 0 < taken <= len(objects) - place:
            return False
        place += taken
    return len(objects) == size
