"""Moving shards together once a stream has ended, so that no frame is missing and none invented.

A Zarr array has one shard shape. A chunk that came short before the last, or not at all, leaves a hole in the
array that would read as black frames. From the first such place on, the frames' zstd frames are moved up into
full shards; nothing is decoded. Where whole shards only move by whole places they are renamed.

Whatever instant the process dies at, `repack` called again finishes the work. The steps:

1. Shards that must be made anew are written to the work folder. Nothing else has changed yet.
2. ``plan.json`` is written there: from now on the plan is fixed.
3. Shards that only move are renamed into the work folder.
4. ``placing`` is written there: from now on what is not in the work folder has been placed.
5. Everything is renamed from the work folder to its place, and places past the end are emptied.

The caller removes the work folder only once it has recorded that the stream is closed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rheed_acquire.recording.layout import shard_path
from rheed_acquire.recording.shards import ABSENT, Extent, encode_index, read_index
from rheed_acquire.recording.zarr_metadata import encode_document
from rheed_acquire.system.durable_files import (
    put_durably,
    read_json,
    remove_tree,
    replace,
    sync_directory,
    try_to_remove_tree,
    write_atomically,
)

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A shard in the array: at which place, and how many of its frames are real."""

    index: int
    frames: int


def first_irregular(chunks: Sequence[StoredChunk], chunk_size: int) -> int:
    """Find the first place from which shards have to move; ``len(chunks)`` where none has to."""
    for place, chunk in enumerate(chunks):
        if chunk.index != place:
            return place
        if chunk.frames < chunk_size:
            return place if place + 1 < len(chunks) else len(chunks)
    return len(chunks)


def repack(
    frames_folder: Path, work: Path, chunks: Sequence[StoredChunk], chunk_size: int, axes: int = 3
) -> None:
    """Move the frames together; ``chunks`` in the order of their indices. See the module for the steps.

    ``axes`` has the array of the frames.
    """
    plan = read_json(work / "plan.json")
    if plan is None:
        if first_irregular(chunks, chunk_size) == len(chunks):
            return
        try_to_remove_tree(work)
        work.mkdir()
        plan = _build(frames_folder, work, chunks, chunk_size, axes)
        sync_directory(work)
        write_atomically(work / "plan.json", encode_document(plan), work, durable=True, root=work)
    if not (work / "placing").exists():
        for source, place in plan["moves"]:
            if not (work / str(place)).exists():
                replace(shard_path(frames_folder, source, axes), work / str(place))
        sync_directory(work)
        write_atomically(work / "placing", b"", work, durable=True, root=work)
    for place in range(plan["first"], plan["end"]):
        if (work / str(place)).exists():
            put_durably(work / str(place), shard_path(frames_folder, place, axes), frames_folder)
    for folder in (frames_folder / "c").iterdir():
        if int(folder.name) >= plan["end"]:
            remove_tree(folder)


def _build(
    frames_folder: Path, work: Path, chunks: Sequence[StoredChunk], chunk_size: int, axes: int
) -> dict[str, object]:
    """Write the shards that have to be made anew and say where every shard from the first on comes from."""
    first = first_irregular(chunks, chunk_size)
    place = first
    moves: list[tuple[int, int]] = []
    pending: list[tuple[int, list[Extent]]] = []
    pending_frames = 0
    for position, chunk in enumerate(chunks[first:], start=first):
        is_last = position + 1 == len(chunks)
        if pending_frames == 0 and (chunk.frames == chunk_size or is_last):
            moves.append((chunk.index, place))
            place += 1
            continue
        with shard_path(frames_folder, chunk.index, axes).open("rb") as file:
            extents = read_index(file, chunk_size)[: chunk.frames]
        while extents:
            taken, extents = extents[: chunk_size - pending_frames], extents[chunk_size - pending_frames :]
            pending.append((chunk.index, taken))
            pending_frames += len(taken)
            if pending_frames == chunk_size:
                _write_shard(work / str(place), frames_folder, pending, chunk_size, axes)
                place += 1
                pending, pending_frames = [], 0
    if pending:
        _write_shard(work / str(place), frames_folder, pending, chunk_size, axes)
        place += 1
    return {"first": first, "end": place, "moves": moves}


def _write_shard(
    target: Path, frames_folder: Path, pieces: Sequence[tuple[int, list[Extent]]], chunk_size: int, axes: int
) -> None:
    """Write a shard out of runs of frames of other shards, each given by its place and extents."""
    index: list[Extent] = []
    written = 0
    with target.open("wb") as output:
        for source, extents in pieces:
            with shard_path(frames_folder, source, axes).open("rb") as file:
                for extent in extents:
                    if extent == ABSENT:
                        index.append(ABSENT)
                        continue
                    offset, length = extent
                    file.seek(offset)
                    _copy(file, output, length)
                    index.append((written, length))
                    written += length
        index.extend([ABSENT] * (chunk_size - len(index)))
        output.write(encode_index(index))
        output.flush()
        os.fsync(output.fileno())


def _copy(source: BinaryIO, output: BinaryIO, nbytes: int) -> None:
    """Copy so many bytes, in pieces."""
    while nbytes and (piece := source.read(min(nbytes, _PIECE_BYTES))):
        output.write(piece)
        nbytes -= len(piece)
