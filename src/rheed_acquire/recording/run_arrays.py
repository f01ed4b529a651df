"""What lies in a run's Zarr group beside the shards: metadata, timestamps, and the list of chunks.

All of it follows from the confirmed chunks, so that after a crash it is simply written again.

========================== ============ ======= =======================================================
array                      shape        type    meaning
========================== ============ ======= =======================================================
``frames``                 (T, H, W)    uint8   the images
``time_unix_ms``           (T,)         float64 when each was captured, ms since 1970, UTC: its chunk's
                                                start plus its place in the chunk times 1000 / the rate that
                                                the client gave the chunk, which is the stream's where the
                                                camera keeps it
``chunk_index``            (C,)         int64   index that the client gave each chunk received
``chunk_start_unix_ms``    (C,)         int64   capture of its first frame
``chunk_frames``           (C,)         int64   its number of frames
``chunk_clock_offset_ms``, (C,)         float64 the clock correction in its stamps and the bound of its
``chunk_clock_...``                             error as the client sent them, NaN for none
========================== ============ ======= =======================================================

While a stream is open, the frames of chunk i begin at i times the chunk size, and what has not come reads as
0 (NaN in ``time_unix_ms``). Once it is closed T is the number of frames received, without holes.

Files are replaced whole, but for the blocks of the one-dimensional arrays of an open stream: what a chunk
adds is written in place, before the shape that shows it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from rheed_acquire.recording.declarations import ChunkDeclaration
from rheed_acquire.recording.layout import FRAMES, TIMES
from rheed_acquire.recording.vector import ElementType, Vector
from rheed_acquire.recording.zarr_metadata import encode_document, frames_document, group_document
from rheed_acquire.system.durable_files import remove_tree, write_atomically

_STAMP_BLOCK = 32_768
"""Elements in one stored block of ``time_unix_ms``."""

_LIST_BLOCK = 4096
"""Elements in one stored block of the arrays that have an element for each chunk."""


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


_LISTS: dict[str, tuple[ElementType, Callable[[ChunkDeclaration], float]]] = {
    "chunk_index": ("int64", lambda chunk: chunk.index),
    "chunk_start_unix_ms": ("int64", lambda chunk: chunk.start_unix_ms),
    "chunk_frames": ("int64", lambda chunk: chunk.frames),
    "chunk_clock_offset_ms": ("float64", lambda chunk: _or_nan(chunk.clock_offset_ms)),
    "chunk_clock_uncertainty_ms": ("float64", lambda chunk: _or_nan(chunk.clock_uncertainty_ms)),
}
"""The arrays with an element for each chunk, and what that is."""


class RunArrays:
    """Writes the group ``frames.zarr``, but for the shards themselves.

    Parameters
    ----------
    group
        The folder ``frames.zarr``.
    staging
        Folder on the same file system for half-written files.
    fps
        Frames per second, for the stamps of frames whose chunk does not say.
    """

    def __init__(self, group: Path, staging: Path, fps: float) -> None:
        self._group = group
        self._staging = staging
        self._fps = fps
        attributes = {"description": "Capture of each frame", "units": "milliseconds since 1970-01-01 UTC"}
        self._stamps = Vector(group / TIMES, staging, _STAMP_BLOCK, "float64", "time", attributes)
        self._lists = {
            name: Vector(group / name, staging, _LIST_BLOCK, element_type, "chunk", {})
            for name, (element_type, _) in _LISTS.items()
        }

    def write_attributes(self, attributes: Mapping[str, Any], *, durable: bool) -> None:
        """Write the group's own metadata."""
        self._write("zarr.json", encode_document(group_document(attributes)), durable=durable)

    def write_changed(self, chunks: Sequence[ChunkDeclaration], changed: Sequence[ChunkDeclaration]) -> None:
        """Write what chunks of an open stream that are new, or others than before, have changed.

        Parameters
        ----------
        chunks
            All of the stream, in the order of their indices.
        changed
            Those to be written, at least one, in the order in which they came.
        """
        frames = _frames_while_open(chunks)
        # NaN also where a longer chunk of the same index may have been.
        stamps = (
            (one.index * one.chunk_size, self._stamps_of(one) + [math.nan] * (one.chunk_size - one.frames))
            for one in changed
        )
        self._stamps.put(stamps, frames)
        self._write_frame_metadata(chunks[-1], frames, durable=False)
        row = bisect_left(chunks, min(chunk.index for chunk in changed), key=lambda chunk: chunk.index)
        moved = chunks[row:]
        for name, (_, element) in _LISTS.items():
            self._lists[name].put([(row, [element(chunk) for chunk in moved])], len(chunks))

    def write_open(self, chunks: Sequence[ChunkDeclaration]) -> None:
        """Write everything anew for an open stream with these chunks, in the order of their indices."""
        placed = [(chunk.index * chunk.chunk_size, chunk) for chunk in chunks]
        self._write_all(placed, _frames_while_open(chunks), durable=False)

    def write_closed(self, chunks: Sequence[ChunkDeclaration]) -> None:
        """Write everything for good, for frames that have been moved together."""
        placed = []
        frames = 0
        for chunk in chunks:
            placed.append((frames, chunk))
            frames += chunk.frames
        self._write_all(placed, frames, durable=True)

    def remove_unconfirmed(self, confirmed: Container[int]) -> None:
        """Remove shards that were stored in the instant before a crash and never confirmed."""
        folder = self._group / FRAMES / "c"
        for place in folder.iterdir() if folder.exists() else ():
            if int(place.name) not in confirmed:
                remove_tree(place)

    def _write_all(
        self, placed: Sequence[tuple[int, ChunkDeclaration]], frames: int, *, durable: bool
    ) -> None:
        """Write everything, from chunks that each have the place of their first frame."""
        stamps = ((place, self._stamps_of(chunk)) for place, chunk in placed)
        self._stamps.write(stamps, frames, durable=durable)
        self._write_frame_metadata(placed[0][1], frames, durable=durable)
        for name, (_, element) in _LISTS.items():
            elements = [element(chunk) for _, chunk in placed]
            self._lists[name].write([(0, elements)], len(placed), durable=durable)

    def _stamps_of(self, chunk: ChunkDeclaration) -> list[float]:
        frame_ms = 1000.0 / (chunk.avg_frame_rate or self._fps)
        return [chunk.start_unix_ms + frame * frame_ms for frame in range(chunk.frames)]

    def _write_frame_metadata(self, chunk: ChunkDeclaration, frames: int, *, durable: bool) -> None:
        document = frames_document(frames, chunk.height, chunk.width, chunk.chunk_size)
        self._write(f"{FRAMES}/zarr.json", encode_document(document), durable=durable)

    def _write(self, path: str, data: bytes, *, durable: bool) -> None:
        write_atomically(self._group / path, data, self._staging, durable=durable)


def _frames_while_open(chunks: Sequence[ChunkDeclaration]) -> int:
    """How long the arrays are whose chunks lie each at its own place."""
    last = chunks[-1]
    return last.index * last.chunk_size + last.frames
