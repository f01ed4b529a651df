"""A one-dimensional array of a run, to which a chunk adds at the same cost however long it has become."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rheed_acquire.recording.zarr_metadata import encode_document, vector_document
from rheed_acquire.system.durable_files import remove, write_atomically

ElementType: TypeAlias = Literal["int64", "float64"]

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

    def write(self, pieces: Iterable[tuple[int, Sequence[float]]], length: int, *, durable: bool) -> None:
        """Write all of it anew.

        Parameters
        ----------
        pieces
            The elements, each piece with the place of its first; a block that none is in is not stored.
        length
            Of the array.
        durable
            Whether it must survive loss of power from the return on.
        """
        blocks: dict[int, array[float]] = {}
        for first, values in pieces:
            piece = self._array(values)
            for number, within, taken in self._parts(first, len(piece)):
                if number not in blocks:
                    blocks[number] = self._nothing()
                blocks[number][within] = piece[taken]
        for number, block in blocks.items():
            self._write_block(number, block, durable=durable)
        self._write_metadata(length, durable=durable)
        for path in (self._folder / "c").iterdir():
            if int(path.name) * self._block >= length:
                remove(path)

    def put(self, pieces: Iterable[tuple[int, Sequence[float]]], length: int) -> None:
        """Write some elements in place, so that the blocks around them are not written once more.

        What a loss of power leaves of a block that was written so is unknown, until `write`.

        Parameters
        ----------
        pieces, length
            As `write` has them; what no piece holds stays.
        """
        for first, values in pieces:
            piece = self._array(values)
            for number, within, taken in self._parts(first, len(piece)):
                try:
                    with self._block_path(number).open("r+b") as file:
                        file.seek(within.start * _ELEMENT_BYTES)
                        file.write(_little_endian(piece[taken]))
                except FileNotFoundError:
                    block = self._nothing()
                    block[within] = piece[taken]
                    self._write_block(number, block, durable=False)
        self._write_metadata(length, durable=False)

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

    def _block_path(self, number: int) -> Path:
        return self._folder / "c" / str(number)

    def _write_block(self, number: int, block: array[float], *, durable: bool) -> None:
        self._write(self._block_path(number), _little_endian(block), durable=durable)

    def _write_metadata(self, length: int, *, durable: bool) -> None:
        document = vector_document(length, self._block, self._element_type, self._dimension, self._attributes)
        self._write(self._folder / "zarr.json", encode_document(document), durable=durable)

    def _write(self, path: Path, data: bytes, *, durable: bool) -> None:
        write_atomically(path, data, self._staging, durable=durable, root=self._staging.parent)


def _little_endian(elements: array[float]) -> bytes:
    if sys.byteorder == "big":
        elements = elements[:]
        elements.byteswap()
    return elements.tobytes()
