"""Attributes of HDF5 objects whose texts are no longer than texts are.

HDF5 takes memory for whatever length a damaged text of variable length claims, before it looks for the text
itself. So the claim is read first, in the object's header, as the HDF5 File Format Specification has it
(version 3.0, IV.A.1 and IV.A.2.m).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

_MOST_TEXT = 4096
_MOST_CHUNKS, _MOST_BYTES = 64, 1 << 20
_CONTINUATION, _ATTRIBUTE = 0x10, 0x0C
_VARIABLE_BYTES = 16
"""A text of variable length: how long it is, in 4 bytes, and where in the file it lies."""


def attribute(item: Any, name: str) -> Any:
    """Read an attribute; None where there is none, or it is a text that cannot be meant."""
    import h5py

    if name not in item.attrs:
        return None
    kind = h5py.h5a.open(item.id, name.encode()).get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str() and not _is_short(item, name):
        return None
    return item.attrs[name]


def _is_short(item: Any, name: str) -> bool:
    """Whether each text of an attribute claims to be short, as far as the header tells."""
    import h5py

    base = item.file.userblock_size
    at = base + h5py.h5o.get_info(item.id).addr
    with open(item.file.filename, "rb") as file:  # noqa: PTH123
        stored = next((data for known, data in _attributes(file, at, base) if known == name.encode()), b"")
    lengths = (
        int.from_bytes(stored[start : start + 4], "little")
        for start in range(0, len(stored) - _VARIABLE_BYTES + 1, _VARIABLE_BYTES)
    )
    return all(length <= _MOST_TEXT for length in lengths)


def _attributes(file: IO[bytes], at: int, base: int) -> Iterator[tuple[bytes, bytes]]:
    """The attributes in an object's header, which begins there: names, and their data as stored."""
    for kind, data in _messages(file, at, base):
        if kind != _ATTRIBUTE or len(data) < 9:
            continue
        sizes = [int.from_bytes(data[start : start + 2], "little") for start in (2, 4, 6)]
        step = 8 if data[0] == 1 else 1  # the older one pads each part
        name, *rest = (-(-size // step) * step for size in sizes)
        begin = 9 if data[0] == 3 else 8
        yield data[begin : begin + sizes[0]].rstrip(b"\0"), data[begin + name + sum(rest) :]


def _messages(file: IO[bytes], at: int, base: int) -> Iterator[tuple[int, bytes]]:
    """The messages of an object's header, of either version, with those of its continuations."""
    file.seek(at)
    begin = file.read(64)
    is_newer = begin[:4] == b"OHDR"
    if is_newer:
        flags = begin[5]
        after = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        first = after + (1 << (flags & 3))
        chunks = [(at + first, int.from_bytes(begin[after:first], "little"))]
        head = 6 if flags & 4 else 4
    else:
        chunks = [(at + 16, int.from_bytes(begin[8:12], "little"))]
        head = 8
    for number, (start, length) in enumerate(chunks):
        if number == _MOST_CHUNKS or not 0 <= length <= _MOST_BYTES:
            return
        file.seek(start)
        chunk, place = file.read(length), 0
        while place + head <= len(chunk):
            kind, size = (
                (chunk[place], chunk[place + 1 : place + 3])
                if is_newer
                else (int.from_bytes(chunk[place : place + 2], "little"), chunk[place + 2 : place + 4])
            )
            data = chunk[place + head : place + head + int.from_bytes(size, "little")]
            place += head + int.from_bytes(size, "little")
            if kind != _CONTINUATION:
                yield kind, data
            elif len(data) >= 16:
                where, how_long = (int.from_bytes(data[part : part + 8], "little") for part in (0, 8))
                # The newer ones begin with a signature and end with a checksum.
                edge = 4 if is_newer else 0
                chunks.append((base + where + edge, how_long - 2 * edge))
