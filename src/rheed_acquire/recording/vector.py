"""Arrays of a run to which a chunk adds at the same cost, however long they have become."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rheed_acquire.recording.zarr_metadata import encode_document, table_document, vector_document
from rheed_acquire.system.durable_files import remove, write_atomically

ElementType: TypeAlias = Literal["int64", "float64"]
Pieces: TypeAlias = "Iterable[tuple[int, Sequence[float]]]"
"""Elements, each piece with the place of its first."""

_ELEMENT_BYTES = 8


class Vector:
    """Writes a Zarr v3 array of one dimension, stored in blocks that are all of one size.

    Elements first, then the shape that shows them: a reader in between sees the old shape.

    Parameters
    ----------
    folder
        Of the array.
    staging
        Folder on the same file system for half-written files.
    block
        Elements in one stored block.
    element_type
        Where there is nothing, ``float64`` has NaN and ``int64`` 0.
    dimension, attributes
        For the array's metadata.
    """

    def __init__(
        self,
        folder: Path,
        staging: Path,
        block: int,
        element_type: ElementType,
        dimension: str,
        attributes: Mapping[str, Any],
    ) -> None:
        self._folder, self._staging = folder, staging
        self._block, self._element_type = block, element_type
        self._dimension, self._attributes = dimension, attributes
        self._column = _Column(staging, block, element_type, lambda number: folder / "c" / str(number))

    def write(self, pieces: Pieces, length: int, *, durable: bool) -> None:
        """Write all of it anew.

        Parameters
        ----------
        pieces
            A block that none is in is not stored.
        length
            Of the array.
        durable
            Whether it must survive loss of power from the return on.
        """
        self._column.write(pieces, durable=durable)
        self._write_metadata(length, durable=durable)
        for path in (self._folder / "c").iterdir():
            if int(path.name) * self._block >= length:
                remove(path)

    def put(self, pieces: Pieces, length: int) -> None:
        """Write some elements in place, so that the blocks around them are not written once more.

        What a loss of power leaves of a block that was written so is unknown, until `write`.

        Parameters
        ----------
        pieces, length
            As `write` has them; what no piece holds stays.
        """
        self._column.put(pieces)
        self._write_metadata(length, durable=False)

    def _write_metadata(self, length: int, *, durable: bool) -> None:
        document = vector_document(length, self._block, self._element_type, self._dimension, self._attributes)
        _write(self._folder / "zarr.json", encode_document(document), self._staging, durable=durable)


class Table:
    """Writes a Zarr v3 array of two dimensions, ``float64``, whose columns become more as it grows.

    Each column is stored in blocks of its own: where it has nothing it is NaN, and takes no room.

    Parameters
    ----------
    folder, staging, block
        As `Vector` has them.
    dimensions
        Names of its rows and columns.
    """

    def __init__(self, folder: Path, staging: Path, block: int, dimensions: tuple[str, str]) -> None:
        self._folder, self._staging = folder, staging
        self._block, self._dimensions = block, dimensions

    def write(
        self, columns: Sequence[Pieces], length: int, attributes: Mapping[str, Any], *, durable: bool
    ) -> None:
        """Write all of it anew; as `Vector.write`, with the pieces of each column."""
        written = {
            self._block_path(number, column)
            for column, pieces in enumerate(columns)
            for number in self._column(column).write(pieces, durable=durable)
        }
        self._write_metadata(length, len(columns), attributes, durable=durable)
        for path in self._folder.glob("c/*/*"):
            if path not in written:
                remove(path)

    def put(
        self, columns: Mapping[int, Pieces], length: int, count: int, attributes: Mapping[str, Any]
    ) -> None:
        """Write some elements in place; as `Vector.put`, with the pieces of some of the ``count`` columns."""
        for column, pieces in columns.items():
            self._column(column).put(pieces)
        self._write_metadata(length, count, attributes, durable=False)

    def _column(self, column: int) -> _Column:
        return _Column(self._staging, self._block, "float64", lambda number: self._block_path(number, column))

    def _block_path(self, number: int, column: int) -> Path:
        return self._folder / "c" / str(number) / str(column)

    def _write_metadata(
        self, length: int, columns: int, attributes: Mapping[str, Any], *, durable: bool
    ) -> None:
        document = table_document((length, columns), self._block, self._dimensions, attributes)
        _write(self._folder / "zarr.json", encode_document(document), self._staging, durable=durable)


class _Column:
    """Elements one after another, in blocks that are a file each."""

    def __init__(
        self, staging: Path, block: int, element_type: ElementType, path_of: Callable[[int], Path]
    ) -> None:
        self._staging, self._block = staging, block
        self._element_type, self._path_of = element_type, path_of

    def write(self, pieces: Pieces, *, durable: bool) -> Iterable[int]:
        """Write every block that a piece is in; their numbers."""
        blocks: dict[int, array[float]] = {}
        for first, values in pieces:
            piece = self._array(values)
            for number, within, taken in self._parts(first, len(piece)):
                if number not in blocks:
                    blocks[number] = self._nothing()
                blocks[number][within] = piece[taken]
        for number, block in blocks.items():
            self._write_block(number, block, durable=durable)
        return blocks.keys()

    def put(self, pieces: Pieces) -> None:
        """Write elements in place."""
        for first, values in pieces:
            piece = self._array(values)
            for number, within, taken in self._parts(first, len(piece)):
                try:
                    with self._path_of(number).open("r+b") as file:
                        file.seek(within.start * _ELEMENT_BYTES)
                        file.write(_little_endian(piece[taken]))
                except FileNotFoundError:
                    block = self._nothing()
                    block[within] = piece[taken]
                    self._write_block(number, block, durable=False)

    def _array(self, values: Sequence[float]) -> array[float]:
        return array("d" if self._element_type == "float64" else "q", values)

    def _nothing(self) -> array[float]:
        return self._array([math.nan if self._element_type == "float64" else 0]) * self._block

    def _parts(self, first: int, count: int) -> Iterable[tuple[int, slice, slice]]:
        """For each block that so many elements from ``first`` on lie in: where in it, and which of them."""
        place = first
        while place < first + count:
            number = place // self._block
            origin = number * self._block
            end = min(first + count, origin + self._block)
            yield number, slice(place - origin, end - origin), slice(place - first, end - first)
            place = end

    def _write_block(self, number: int, block: array[float], *, durable: bool) -> None:
        _write(self._path_of(number), _little_endian(block), self._staging, durable=durable)


def _write(path: Path, data: bytes, staging: Path, *, durable: bool) -> None:
    write_atomically(path, data, staging, durable=durable, root=staging.parent)


def _little_endian(elements: array[float]) -> bytes:
    if sys.byteorder == "big":
        elements = elements[:]
        elements.byteswap()
    return elements.tobytes()
