"""What lies in a run's Zarr group beside the shards: metadata, timestamps, and the list of chunks.

All of it follows from the confirmed chunks, so that after a crash it is simply written again.

========================== ============ ======= =======================================================
array                      shape        type    meaning
========================== ============ ======= =======================================================
``frames``                 (T, H, W)    uint8   the images
``time_unix_ms``           (T,)         float64 when each was captured, ms since 1970, UTC: its chunk's
                                                start plus its place in the chunk times 1000 / fps
``chunk_index``            (C,)         int64   index that the client gave each chunk received
``chunk_start_unix_ms``    (C,)         int64   capture of its first frame
``chunk_frames``           (C,)         int64   its number of frames
``chunk_clock_offset_ms``, (C,)         float64 the clock correction in its stamps and the bound of its
``chunk_clock_...``                             error as the client sent them, NaN for none
========================== ============ ======= =======================================================

While a stream is open, the frames of chunk i begin at i times the chunk size, and what has not come reads as
0 (NaN in ``time_unix_ms``). Once it is closed T is the number of frames received, without holes.
"""

from __future__ import annotations

import math
import shutil
from array import array
from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rheed_acquire.durable_files import write_atomically
from rheed_acquire.server.wire import ChunkDeclaration
from rheed_acquire.server.zarr_metadata import (
    encode_block,
    encode_document,
    frames_document,
    group_document,
    vector_document,
)

_STAMP_BLOCK = 32_768
"""Elements in one stored chunk of ``time_unix_ms``."""

_RECENT_BLOCKS = 2

_LIST_BLOCK = 4096
"""Elements in one stored chunk of the arrays that have an element for each chunk."""


class RunArrays:
    """Writes the group ``frames.zarr``, but for the shards themselves.

    Parameters
    ----------
    group
        The folder ``frames.zarr``.
    staging
        Folder on the same file system for half-written files.
    fps
        Frames per second, for the frames' stamps.
    """

    def __init__(self, group: Path, staging: Path, fps: float) -> None:
        self._group = group
        self._staging = staging
        self._frame_ms = 1000.0 / fps
        # Blocks of ``time_unix_ms`` that were written last, so that none is made anew for each chunk.
        self._recent: dict[int, array[float]] = {}

    def write_attributes(self, attributes: Mapping[str, Any], *, durable: bool) -> None:
        """Write the group's own metadata."""
        self._write("zarr.json", encode_document(group_document(attributes)), durable=durable)

    def write_open(
        self, chunks: Sequence[ChunkDeclaration], changed: Sequence[ChunkDeclaration] | None = None
    ) -> None:
        """Bring everything up to date with the chunks of an open stream, in the order of their indices.

        Where it is known which have ``changed`` or are new, only the blocks that they are in are written.
        """
        last = chunks[-1]
        if changed is None:
            row = 0
            self._recent.clear()
            self._write_stamps([(chunk.index * chunk.chunk_size, chunk) for chunk in chunks], durable=False)
        else:
            row = bisect_left(chunks, min(one.index for one in changed), key=lambda chunk: chunk.index)
            self._rewrite_stamps(chunks, changed)
        self._write_frame_metadata(last, last.index * last.chunk_size + last.frames, durable=False)
        self._write_lists(chunks, row, durable=False)

    def write_closed(self, chunks: Sequence[ChunkDeclaration]) -> None:
        """Write everything for good, for frames that have been moved together."""
        placed = []
        frames = 0
        for chunk in chunks:
            placed.append((frames, chunk))
            frames += chunk.frames
        self._write_stamps(placed, durable=True)
        for block in (self._group / "time_unix_ms" / "c").iterdir():
            if int(block.name) * _STAMP_BLOCK >= frames:
                block.unlink()
        self._write_frame_metadata(chunks[0], frames, durable=True)
        self._write_lists(chunks, 0, durable=True)

    def remove_unconfirmed(self, confirmed: Container[int]) -> None:
        """Remove shards that were stored in the instant before a crash and never confirmed."""
        folder = self._group / "frames" / "c"
        for place in folder.iterdir() if folder.exists() else ():
            if int(place.name) not in confirmed:
                shutil.rmtree(place)

    def _write(self, path: str, data: bytes, *, durable: bool) -> None:
        write_atomically(self._group / path, data, self._staging, durable=durable)

    def _write_stamps(self, placed: Iterable[tuple[int, ChunkDeclaration]], *, durable: bool) -> None:
        """Write the stamps of chunks, each with the place of its first frame."""
        blocks: dict[int, array[float]] = {}
        for place, chunk in placed:
            for number in _blocks_of(place, chunk.frames):
                self._fill(blocks.setdefault(number, _no_stamps()), number, place, chunk)
        for number, values in blocks.items():
            self._write_block(number, values, durable=durable)

    def _rewrite_stamps(
        self, chunks: Sequence[ChunkDeclaration], changed: Sequence[ChunkDeclaration]
    ) -> None:
        """Write the blocks that chunks of an open stream are in; the chunks may be others than before."""
        size = changed[0].chunk_size
        blocks: dict[int, list[ChunkDeclaration]] = {}
        for chunk in changed:
            for number in _blocks_of(chunk.index * size, size):
                blocks.setdefault(number, []).append(chunk)
        for number, changed_here in blocks.items():
            values = self._recent.pop(number, None)
            if values is None:
                values = _no_stamps()
                origin = number * _STAMP_BLOCK
                first = bisect_left(chunks, origin // size, key=lambda chunk: chunk.index)
                end = bisect_left(chunks, -(-(origin + _STAMP_BLOCK) // size), key=lambda chunk: chunk.index)
                for chunk in chunks[first:end]:
                    self._fill(values, number, chunk.index * size, chunk)
            else:
                for chunk in changed_here:
                    self._fill(values, number, chunk.index * size, chunk)
            # Only the newest, which the next chunk will be in: blocks before them are done with.
            self._recent[number] = values
            while len(self._recent) > _RECENT_BLOCKS:
                del self._recent[next(iter(self._recent))]
            self._write_block(number, values, durable=False)

    def _fill(self, values: array[float], number: int, place: int, chunk: ChunkDeclaration) -> None:
        """Put the stamps of a chunk into block ``number``, and NaN where a frame of it may have been."""
        origin = number * _STAMP_BLOCK
        for frame in range(max(0, origin - place), min(chunk.chunk_size, origin + _STAMP_BLOCK - place)):
            is_there = frame < chunk.frames
            stamp = chunk.start_unix_ms + frame * self._frame_ms if is_there else math.nan
            values[place + frame - origin] = stamp

    def _write_block(self, number: int, values: array[float], *, durable: bool) -> None:
        encoded = encode_block(values, _STAMP_BLOCK, "float64")
        self._write(f"time_unix_ms/c/{number}", encoded, durable=durable)

    def _write_frame_metadata(self, chunk: ChunkDeclaration, frames: int, *, durable: bool) -> None:
        document = frames_document(frames, chunk.height, chunk.width, chunk.chunk_size)
        self._write("frames/zarr.json", encode_document(document), durable=durable)
        attributes = {"description": "Capture of each frame", "units": "milliseconds since 1970-01-01 UTC"}
        document = vector_document(frames, _STAMP_BLOCK, "float64", "time", attributes)
        self._write("time_unix_ms/zarr.json", encode_document(document), durable=durable)

    def _write_lists(self, chunks: Sequence[ChunkDeclaration], row: int, *, durable: bool) -> None:
        """Write the arrays with an element for each chunk, from the block with element ``row`` on."""

        def or_nan(value: float | None) -> float:
            return math.nan if value is None else value

        first = row - row % _LIST_BLOCK
        total, chunks = len(chunks), chunks[first:]
        lists: dict[str, tuple[str, list[Any]]] = {
            "chunk_index": ("int64", [chunk.index for chunk in chunks]),
            "chunk_start_unix_ms": ("int64", [chunk.start_unix_ms for chunk in chunks]),
            "chunk_frames": ("int64", [chunk.frames for chunk in chunks]),
            "chunk_clock_offset_ms": ("float64", [or_nan(chunk.clock_offset_ms) for chunk in chunks]),
            "chunk_clock_uncertainty_ms": (
                "float64",
                [or_nan(chunk.clock_uncertainty_ms) for chunk in chunks],
            ),
        }
        for name, (data_type, values) in lists.items():
            # The elements first, then the shape that shows them: a reader in between sees the old shape.
            for start in range(0, len(values), _LIST_BLOCK):
                block = encode_block(values[start : start + _LIST_BLOCK], _LIST_BLOCK, data_type)
                self._write(f"{name}/c/{(first + start) // _LIST_BLOCK}", block, durable=durable)
            document = vector_document(total, _LIST_BLOCK, data_type, "chunk", {})
            self._write(f"{name}/zarr.json", encode_document(document), durable=durable)


def _blocks_of(place: int, frames: int) -> range:
    """The blocks of ``time_unix_ms`` that so many frames from ``place`` on lie in."""
    return range(place // _STAMP_BLOCK, (place + frames - 1) // _STAMP_BLOCK + 1)


def _no_stamps() -> array[float]:
    return array("d", [math.nan]) * _STAMP_BLOCK
