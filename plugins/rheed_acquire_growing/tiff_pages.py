"""Pages that a program appends to a TIFF file, classic or BigTIFF.

Source: TIFF 6.0, section 2, and Adobe's BigTIFF design. The list of pages is a chain: each ends with the
place of the next one, 0 at the end, which its writer changes when there is a next.
"""

from __future__ import annotations

import io
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import open_shared
from rheed_acquire_growing.growing_file import GrowingBytes, NotWholeError
from rheed_acquire_replay.recording import reading
from rheed_acquire_replay.tiff import decode_page
from rheed_acquire_replay.tiff_facts import EPICS_EPOCH_S, bits_of_greatest

_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Whole numbers, by the number of their type."""
_MOST_TAGS = 4096
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _STRIP_BYTES, _MAX_SAMPLE = 273, 274, 277, 279, 281
_TILES, _TILE_BYTES, _SAMPLE_FORMAT = 324, 325, 339
_EPICS_S, _EPICS_NS = 65002, 65003
_READ = frozenset(
    (
        *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _ORIENTATION, _SAMPLES),
        *(_STRIP_BYTES, _MAX_SAMPLE, _TILES, _TILE_BYTES, _SAMPLE_FORMAT, _EPICS_S, _EPICS_NS),
    )
)
_REDUCED = 1
"""Of a page's kind: a small picture of another one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How numbers lie in a file: classic, or BigTIFF with its wide ones."""

    order: str
    is_big: bool

    @property
    def offset(self) -> struct.Struct:
        """Of a place in the file."""
        return struct.Struct(self.order + ("Q" if self.is_big else "I"))

    @property
    def count(self) -> struct.Struct:
        """Of the number of a page's tags."""
        return struct.Struct(self.order + ("Q" if self.is_big else "H"))

    @property
    def tag(self) -> struct.Struct:
        """Code, type, count; the value follows, as large as a place."""
        return struct.Struct(self.order + ("HHQ" if self.is_big else "HHI"))


@dataclass(frozen=True, slots=True)
class _Page:
    """A page as its list of tags tells of it."""

    next_at: int
    next: int
    tags: dict[int, tuple[int, ...]]

    def one(self, code: int, default: int = 0) -> int:
        return next(iter(self.tags.get(code, ())), default)

    @property
    def parts(self) -> tuple[Sequence[int], Sequence[int]]:
        """Where its strips or tiles begin, and how many bytes they have."""
        if _TILES in self.tags:
            return self.tags[_TILES], self.tags.get(_TILE_BYTES, ())
        return self.tags.get(_STRIPS, ()), self.tags.get(_STRIP_BYTES, ())


class GrowingTiff(GrowingBytes):
    """Pages that are appended: each is a frame."""

    kind: ClassVar[str] = "a TIFF file"
    singles: ClassVar[tuple[str, ...]] = (".tif", ".tiff")

    def __init__(self, path: Path, since_ns: int | None = None) -> None:
        super().__init__(path, since_ns)
        self._layout: Layout | None = None
        self._next_at = 0  # where the place of the next page is told
        self._pages, self._captured = array("q"), array("q")

    def read(self, number: int) -> NDArray[Any]:
        """See `GrowingFile.read`."""
        assert self._layout is not None
        offset = self._pages[number]
        with open_shared(self.path) as file:
            size = file.seek(0, io.SEEK_END)
            page = _read_page(file, self._layout, offset, size)
            if page is None:
                raise NotWholeError
            plain = _plain(file, page, self._layout)
            if plain is not None:
                return plain
        import tifffile

        with reading(self.path, f"{self.kind}, page {number + 1}"), tifffile.TiffFile(self.path) as opened:
            opened.filehandle.seek(offset)
            return decode_page(tifffile.TiffPage(opened, index=number))

    def time_ns(self, number: int) -> int:
        """By areaDetector's tags, else by the file's time."""
        return self._captured[number] if self.dated_by is not None else super().time_ns(number)

    def _walk(self, file: io.BufferedReader, size: int) -> int:
        end = 0
        if self._layout is None and not self._read_head(file):
            return end
        layout = self._layout
        assert layout is not None
        while True:
            offset = _number_at(file, layout.offset, self._next_at)
            page = None if not offset else _read_page(file, layout, offset, size)
            if offset is None or page is None:
                return end
            is_small = bool(page.one(_SUBFILE) & _REDUCED)
            if not is_small:
                data_end = self._data_end(file, page, size, offset)
                if not data_end:
                    return end
                end = data_end
                self._take(offset, page)
            self._next_at = page.next_at

    def _read_head(self, file: io.BufferedReader) -> bool:
        file.seek(0)
        head = file.read(16)
        if len(head) < 8 or head[:2] not in (b"II", b"MM"):
            return False
        order = "<" if head[:2] == b"II" else ">"
        (version,) = struct.unpack_from(order + "H", head, 2)
        if version not in (42, 43):
            return False
        self._layout, self._next_at = Layout(order, version == 43), 8 if version == 43 else 4
        return True

    def _data_end(self, file: io.BufferedReader, page: _Page, size: int, tags_at: int) -> int:
        """Where the last byte of a page's samples lies, once all of them have been written; else 0."""
        assert self._layout is not None
        offsets, counts = page.parts
        if not offsets or len(offsets) != len(counts) or 0 in offsets or 0 in counts:
            return 0
        end, begin = max(zip(map(int.__add__, offsets, counts), offsets, strict=True))
        # The page's own tags may follow its samples, and be there before them.
        follows_at = page.next_at + self._layout.offset.size if end <= tags_at <= end + 1 else end
        return end if self._is_written(file, begin, end, size, follows_at) else 0

    def _take(self, offset: int, page: _Page) -> None:
        if not self.count:
            depth = page.one(_BITS)
            self.bits = depth if depth in (10, 12, 14) else bits_of_greatest(page.one(_MAX_SAMPLE))
            if page.one(_EPICS_S):
                self.dated_by = "of each frame, by areaDetector's EPICS time"
        seconds, nanoseconds = page.one(_EPICS_S), page.one(_EPICS_NS)
        self._captured.append((seconds + EPICS_EPOCH_S) * 1_000_000_000 + nanoseconds if seconds else 0)
        self._pages.append(offset)
        self.count += 1


def _number_at(file: io.BufferedReader, form: struct.Struct, at: int) -> int | None:
    """Read a number; None where it is not there yet."""
    file.seek(at)
    content = file.read(form.size)
    return int(form.unpack(content)[0]) if len(content) == form.size else None


def _read_page(file: io.BufferedReader, layout: Layout, offset: int, size: int) -> _Page | None:
    """Read a page's tags; None where they are not whole yet."""
    if offset >= size:
        return None
    tags = _number_at(file, layout.count, offset)
    width = layout.tag.size + layout.offset.size
    if tags is None or not 0 < tags <= _MOST_TAGS:
        return None
    content = file.read(tags * width + layout.offset.size)
    if len(content) < tags * width + layout.offset.size:
        return None
    found: dict[int, tuple[int, ...]] = {}
    for at in range(0, tags * width, width):
        code, kind, count = layout.tag.unpack_from(content, at)
        if code not in _READ or kind not in _TYPES:
            continue
        values = struct.Struct(f"{layout.order}{count}{_TYPES[kind]}")
        place = at + layout.tag.size
        data = content[place : place + values.size]
        if values.size > layout.offset.size:
            (elsewhere,) = layout.offset.unpack_from(content, place)
            if elsewhere + values.size > size:
                return None
            file.seek(elsewhere)
            data = file.read(values.size)
            if len(data) < values.size:
                return None
        found[code] = values.unpack(data)
    if _WIDTH not in found or _HEIGHT not in found:
        return None
    (following,) = layout.offset.unpack_from(content, tags * width)
    return _Page(offset + layout.count.size + tags * width, following, found)


def _plain(file: io.BufferedReader, page: _Page, layout: Layout) -> NDArray[Any] | None:
    """Read a gray page that lies in one piece, as it is; None for any other.

    tifffile takes a millisecond for it, which is much at hundreds of frames a second.
    """
    offsets, counts = page.parts
    depth, shape = page.one(_BITS, 1), (page.one(_HEIGHT), page.one(_WIDTH))
    in_one_piece = all(
        offset + count == following
        for offset, count, following in zip(offsets, counts, offsets[1:], strict=False)
    )
    is_plain = (
        depth in (8, 16)
        and page.one(_COMPRESSION, 1) == page.one(_PHOTOMETRIC, 1) == page.one(_SAMPLES, 1) == 1
        and page.one(_ORIENTATION, 1) == page.one(_SAMPLE_FORMAT, 1) == 1
        and _TILES not in page.tags
        and in_one_piece
        and sum(counts) == shape[0] * shape[1] * depth // 8
    )
    if not is_plain:
        return None
    file.seek(offsets[0])
    content = file.read(sum(counts))
    if len(content) < sum(counts):
        raise NotWholeError
    dtype = np.dtype(f"{layout.order}u{depth // 8}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
