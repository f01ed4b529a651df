"""Follows the rows that are added to a CSV file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from itertools import islice
from typing import BinaryIO

from rheed_acquire import Channel, ChannelError, Reading, open_shared
from rheed_acquire_csv.rows import PIECE, RowCutter, text_of
from rheed_acquire_csv.settings import CsvChannel

RATE_HZ = 5.0
"""How often a file is looked at whose channel does not say."""
MOST_ROWS = 1_000
_HEAD = 1 << 16
"""Bytes in which the header is looked for."""
_TAIL = 256
"""So many bytes before the place must be as they were: else the file was written anew."""
_DELIMITERS = ";\t|,"
"""The comma last: it may be a decimal one."""
_MS_FROM = 1e11
"""A number of seconds since 1970 is smaller, and one of milliseconds larger, from 1973 on."""


def channel_of(described: CsvChannel) -> Channel:
    """Make the channel of a description."""
    return Channel(described.name, Follower(described).read, described.unit, described.rate or RATE_HZ)


class Follower:
    """Reads what is new in a file each time, and opens it only for that: nobody is kept from it.

    A file that has become shorter, was written anew or is another one is read from its beginning; so is one
    that was not there at first.
    """

    def __init__(self, described: CsvChannel) -> None:
        self._described = described
        self._delimiter = ","
        self._file: tuple[int, int] | None = None
        self._place, self._tail, self._cutter = 0, b"", RowCutter()
        self._columns: tuple[int, int | None] | None = None
        with suppress(OSError), open_shared(described.path) as file:  # else it is not there yet
            self._begin(os.fstat(file.fileno()))
            self._go_to_the_end(file)

    def read(self) -> list[Reading]:
        """Return what the rows say that have been added since.

        Raises
        ------
        ChannelError
            The file cannot be read, has no such column, or none of its new rows has a number there.
        """
        path = self._described.path
        try:
            with open_shared(path) as file:
                status = os.fstat(file.fileno())
                if self._file != (status.st_dev, status.st_ino) or status.st_size < self._place:
                    self._begin(status)
                if status.st_size == self._place:
                    return []
                if self._piece_at(file, self._place - len(self._tail), len(self._tail)) != self._tail:
                    self._begin(status)
                if self._columns is None:
                    head_ends = self._find_columns(self._piece_at(file, 0, _HEAD))
                    if head_ends > self._place:
                        self._place, self._tail = head_ends, b""
                piece = self._piece_at(file, self._place, PIECE)
        except OSError as error:
            raise ChannelError(f"{path} cannot be read: {error.strerror or error}") from None
        return self._taken(piece)

    def _begin(self, status: os.stat_result) -> None:
        """Read a file from its beginning."""
        self._file = (status.st_dev, status.st_ino)
        self._place, self._tail, self._cutter = 0, b"", RowCutter()
        self._columns = None

    def _go_to_the_end(self, file: BinaryIO) -> None:
        """Begin behind the last whole line: half a line that is being written belongs to what comes."""
        size = file.seek(0, os.SEEK_END)
        first = max(0, size - PIECE)
        piece = self._piece_at(file, first, size - first)
        ends = piece.rfind(b"\n") + 1
        if first and not ends:  # a row begins further back than is worth a search
            self._cutter.begin_inside()
            ends = len(piece)
        self._place, self._tail = first + ends, piece[:ends][-_TAIL:]

    @staticmethod
    def _piece_at(file: BinaryIO, place: int, size: int) -> bytes:
        file.seek(place)
        return file.read(size)

    def _find_columns(self, head: bytes) -> int:
        """Find the columns by the header, and where that ends; by numbers there may be none."""
        described = self._described
        wanted = (described.column, described.time)
        ends = 0
        first: list[str] | None = None
        for line in BytesIO(head):
            if not line.endswith(b"\n"):
                break
            ends += len(line)
            text = text_of(line)
            self._delimiter = _delimiter(described, text)
            cells = next(RowCutter().rows(line, self._delimiter), [])
            first = first or cells
            places = [_place_of(one, cells) for one in wanted if one is not None]
            if None not in places:
                self._columns = (places[0] or 0, places[1] if described.time is not None else None)
                return 0 if _is_number(cells[self._columns[0]]) else ends
        if first is None:
            raise ChannelError(f"{described.path} has no whole line yet")
        missing = next(one for one in wanted if one is not None and _place_of(one, first) is None)
        raise ChannelError(
            f"{described.path} has no column {missing!r}; its first line is {', '.join(first)[:200]}"
        )

    def _taken(self, piece: bytes) -> list[Reading]:
        found: list[Reading] = []
        problem: ChannelError | None = None
        cutter = self._cutter
        for cells in islice(cutter.rows(piece, self._delimiter), MOST_ROWS):
            try:
                found += self._readings_in(cells)
            except ChannelError as error:
                problem = error
        self._place += cutter.used
        self._tail = (self._tail + piece[: cutter.used])[-_TAIL:]
        if cutter.passed_over:
            problem = ChannelError(f"{self._described.path} has a row that is too long or has no end")
        if problem is not None and not found:
            raise problem
        return found

    def _readings_in(self, cells: list[str]) -> Iterator[Reading]:
        assert self._columns is not None
        column, time = self._columns
        value = cells[column] if column < len(cells) else ""
        if not value:
            return  # an empty line or cell says nothing
        when = None
        if time is not None:
            when = self._time(cells[time] if time < len(cells) else "")
        yield Reading(self._number(value), when)

    def _number(self, text: str) -> float:
        # Where commas part no columns, they may be decimal ones.
        plain = text if self._delimiter == "," else text.replace(",", ".")
        try:
            number = float(plain)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ChannelError(f"{self._described.path} says {text[:60]!r}, which is no number")
        return number

    def _time(self, text: str) -> float:
        described = self._described
        try:
            if described.time_format is not None:
                return datetime.strptime(text, described.time_format).timestamp() * 1e3  # noqa: DTZ007 - local
            if _is_number(text):
                number = self._number(text)
                return number if abs(number) >= _MS_FROM else number * 1e3
            return datetime.fromisoformat(text).timestamp() * 1e3
        except (ValueError, OverflowError, OSError):
            raise ChannelError(
                f"{described.path} says {text[:60]!r}, which is no time: see time-format"
            ) from None


def _delimiter(described: CsvChannel, text: str) -> str:
    if described.delimiter is not None:
        return "\t" if described.delimiter == "tab" else described.delimiter
    return next((one for one in _DELIMITERS if one in text), ",")


def _place_of(column: str, cells: list[str]) -> int | None:
    """Where a column is, counted from 0, by its name in these cells or by its number."""
    if column in cells:
        return cells.index(column)
    return int(column) - 1 if column.isdecimal() and 0 < int(column) <= len(cells) else None


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
