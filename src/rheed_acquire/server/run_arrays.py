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
from bisect import bisect_left
from collections.abc import Mapping, Sequence
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

    def write_attributes(self, attributes: Mapping[str, Any], *, durable: bool) -> None:
        """Write the group's own metadata."""
        self._write("zarr.json", encode_document(group_document(attributes)), durable=durable)

    def write_open(self, chunks: Sequence[ChunkDeclaration], changed: ChunkDeclaration | None = None) -> None:
        """Bring everything up to date with the chunks of an open stream, in the order of their indices.

        Where only one has ``changed`` or is new, only the blocks that it is in are written.
        """
        last = chunks[-1]
        placed = [(chunk.index * chunk.chunk_size, chunk) for chunk in chunks]
        if changed is None:
            row, touched = 0, None
        else:
            row = bisect_left(chunks, changed.index, key=lambda chunk: chunk.index)
            start, frames = changed.index * changed.chunk_size, changed.chunk_size
            touched = range(start // _STAMP_BLOCK, (start + frames - 1) // _STAMP_BLOCK + 1)
        self._write_stamps(placed, touched, durable=False)
        self._write_frame_metadata(last, placed[-1][0] + last.frames, durable=False)
        self._write_lists(chunks, row, durable=False)

    def write_closed(self, chunks: Sequence[ChunkDeclaration]) -> None:
        """Write everything for good, for frames that have been moved together."""
        placed = []
        frames = 0
        for chunk in chunks:
            placed.append((frames, chunk))
            frames += chunk.frames
        self._write_stamps(placed, None, durable=True)
        for block in (self._group / "time_unix_ms" / "c").iterdir():
            if int(block.name) * _STAMP_BLOCK >= frames:
                block.unlink()
        self._write_frame_metadata(chunks[0], frames, durable=True)
        self._write_lists(chunks, 0, durable=True)

    def remove_unconfirmed(self, confirmed: Mapping[int, ChunkDeclaration]) -> None:
        """Remove shards that were stored in the instant before a crash and never confirmed."""
        folder = self._group / "frames" / "c"
        for place in folder.iterdir() if folder.exists() else ():
            if int(place.name) not in confirmed:
                shutil.rmtree(place)

    def _write(self, path: str, data: bytes, *, durable: bool) -> None:
        write_atomically(self._group / path, data, self._staging, durable=durable)

    def _write_stamps(
        self, placed: Sequence[tuple[int, ChunkDeclaration]], touched: range | None, *, durable: bool
    ) -> None:
        """Write the stamps of chunks, each with the place of its first frame; only the blocks ``touched``."""
        blocks: dict[int, list[float]] = {}
        for place, chunk in placed:
            end = place + chunk.frames
            for block in range(place // _STAMP_BLOCK, (end - 1) // _STAMP_BLOCK + 1):
                if touched is not None and block not in touched:
                    continue
                origin = block * _STAMP_BLOCK
                first, last = max(place, origin), min(end, origin + _STAMP_BLOCK)
                values = blocks.setdefault(block, [math.nan] * _STAMP_BLOCK)
                values[first - origin : last - origin] = [
                    chunk.start_unix_ms + number * self._frame_ms
                    for number in range(first - place, last - place)
                ]
        for block, values in blocks.items():
            encoded = encode_block(values, _STAMP_BLOCK, "float64")
            self._write(f"time_unix_ms/c/{block}", encoded, durable=durable)

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
            for start in range(row - row % _LIST_BLOCK, len(values), _LIST_BLOCK):
                block = encode_block(values[start : start + _LIST_BLOCK], _LIST_BLOCK, data_type)
                self._write(f"{name}/c/{start // _LIST_BLOCK}", block, durable=durable)
            document = vector_document(len(values), _LIST_BLOCK, data_type, "chunk", {})
            self._write(f"{name}/zarr.json", encode_document(document), durable=durable)
