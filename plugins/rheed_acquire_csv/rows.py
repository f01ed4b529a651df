"""Cuts what a CSV file holds from some place on into whole rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BytesIO

PIECE = 1 << 18
"""Bytes that are looked at at once; a row that is longer is passed over."""


class RowCutter:
    """Gives whole rows only, wherever a look at the file begins and ends.

    A row ends with its line, or, where a cell in quotes has lines of its own, with the line in which that
    cell ends. One that is too long is passed over to the end of its line.

    Parameters
    ----------
    longest
        Bytes that a row may have, and that are looked at at once.

    Attributes
    ----------
    used
        Bytes at the beginning of the latest piece that need not be looked at again.
    passed_over
        Whether a row was passed over in it.
    """

    def __init__(self, longest: int = PIECE) -> None:
        self._longest = longest
        self.used = 0
        self.passed_over = False
        self._is_inside = False

    def begin_inside(self) -> None:
        """Begin within a row whose beginning is not known: what comes up to the end of its line is no row."""
        self._is_inside = True

    def rows(self, piece: bytes, delimiter: str) -> Iterator[list[str]]:
        """Give the cells of each whole row, without the spaces around them.

        Parameters
        ----------
        piece
            What the file holds from the first byte on that was not used, at most so much as a row may have.
        """
        self.used, self.passed_over = 0, False
        if self._is_inside:
            self.used = piece.find(b"\n") + 1 or len(piece)
            self._is_inside = not piece[: self.used].endswith(b"\n")
        lines = [line for line in BytesIO(piece[self.used :]) if line.endswith(b"\n")]
        is_open = False

        def texts() -> Iterator[str]:
            nonlocal is_open
            yield from map(text_of, lines)
            is_open = True  # the reader wants more than there is: the row is not whole

        reader = csv.reader(texts(), delimiter=delimiter)
        read = 0
        while True:
            try:
                row = next(reader, None)
            except csv.Error:  # a cell of more than 128 KiB
                row, self.passed_over = [], True
            if row is None or is_open:
                break
            self.used += sum(map(len, lines[read : reader.line_num]))
            read = reader.line_num
            yield [cell.strip() for cell in row]
        if not self.used and len(piece) == self._longest:
            self.used, self.passed_over = len(piece), True
            self._is_inside = not piece.endswith(b"\n")


def text_of(line: bytes) -> str:
    """Return a line as text, without its end."""
    return line.decode("utf-8-sig", "replace").strip("\r\n\0")
