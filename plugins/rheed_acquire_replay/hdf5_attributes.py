"""Attributes of HDF5 objects whose texts are no longer than texts are.

What a text of variable length claims is looked at first (`rheed_acquire_replay.hdf5_heaps`), where attributes
are stored: in the object's header, or, of many, in a heap of its own, as the HDF5 File Format Specification
has it (version 3.0, III.G, IV.A.1, IV.A.2.m and IV.A.2.v).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from rheed_acquire_replay.hdf5_heaps import NOWHERE, are_sound

_MOST_TEXT = 4096
_MOST_CHUNKS, _MOST_BYTES = 64, 1 << 20
_MOST_VALUES = 1 << 16
"""Bytes of an attribute: units, rates and names of axes have fewer."""
_CONTINUATION, _ATTRIBUTE, _ATTRIBUTE_INFO = 0x10, 0x0C, 0x15


def attribute(item: Any, name: str) -> Any:
    """Read an attribute of numbers or text; None where there is none, or it cannot be meant."""
    import h5py

    if name not in item.attrs:
        return None
    stored = h5py.h5a.open(item.id, name.encode())
    kind, size = stored.get_type(), stored.get_storage_size()
    if not isinstance(kind, h5py.h5t.TypeAtomicID | h5py.h5t.TypeStringID) or size > _MOST_VALUES:
        return None
    is_variable = isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
    return None if is_variable and not _is_sound(item, name, size) else item.attrs[name]


def _is_sound(item: Any, name: str, size: int) -> bool:
    """Whether the texts of an attribute, of so many bytes as stored, can be read; not where none is found."""
    import h5py

    base = item.file.userblock_size
    at = base + h5py.h5o.get_info(item.id).addr
    with open(item.file.filename, "rb") as file:  # noqa: PTH123
        found = [data for known, data in _attributes(file, at, base, name.encode()) if known == name.encode()]
        known: set[int] = set()
        return bool(found) and all(
            len(data) >= size and are_sound(file, data[:size], base, _MOST_TEXT, known) for data in found
        )


def _attributes(file: IO[bytes], at: int, base: int, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The attributes of an object whose header begins there: names, and from where their data are stored on.

    Of those that lie in a heap the ones of a name only, with what was deleted there.
    """
    for kind, data in _messages(file, at, base):
        if kind == _ATTRIBUTE and len(data) >= 9:
            yield _taken_apart(data)
        elif kind == _ATTRIBUTE_INFO and len(data) >= 12:
            start = 4 if data[1] & 1 else 2
            heap = int.from_bytes(data[start : start + 8], "little")
            for block in () if heap == NOWHERE else _blocks(file, base + heap, base):
                place = block.find(name + b"\0")
                while place >= 0:
                    yield from (_taken_apart(block[place - begin :]) for begin in (8, 9) if begin <= place)
                    place = block.find(name + b"\0", place + 1)


def _taken_apart(message: bytes) -> tuple[bytes, bytes]:
    """The name of an attribute, and its data with all that follows."""
    begin = 9 if message[0] == 3 else 8
    sizes = [int.from_bytes(message[start : start + 2], "little") for start in (2, 4, 6)]
    step = 8 if message[0] == 1 else 1  # the older one pads each part
    name, *rest = (-(-size // step) * step for size in sizes)
    return message[begin : begin + sizes[0]].rstrip(b"\0"), message[begin + name + sum(rest) :]


def _blocks(file: IO[bytes], at: int, base: int) -> Iterator[bytes]:
    """The blocks of a heap of objects, whose header begins there, up to `_MOST_BYTES` of them."""
    file.seek(at)
    head = file.read(142)
    if head[:4] != b"FRHP" or len(head) < 142 or any(head[7:9]):  # none, or with filters
        return
    width, smallest, greatest, bits = (
        int.from_bytes(head[start:end], "little")
        for start, end in ((110, 112), (112, 120), (120, 128), (128, 130))
    )
    root, rows = int.from_bytes(head[132:140], "little"), int.from_bytes(head[140:142], "little")
    children = [(root, smallest)]
    if rows:
        file.seek(base + root + 13 + -(-bits // 8))
        listed = file.read(min(8 * width * rows, _MOST_BYTES))
        children = [
            (
                int.from_bytes(listed[8 * number : 8 * number + 8], "little"),
                smallest << max(0, number // width - 1),
            )
            for number in range(len(listed) // 8)
        ]
    room = _MOST_BYTES
    for where, size in children:
        if where == NOWHERE:
            continue
        if size > min(greatest, room):  # of blocks that list others nothing is known
            return
        room -= size
        file.seek(base + where)
        yield file.read(size)


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
