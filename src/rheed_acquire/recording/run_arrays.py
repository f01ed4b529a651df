"""What lies in a run's Zarr group beside the shards: metadata, timestamps, and the list of chunks.

All of it follows from the confirmed chunks, so that after a crash it is simply written again.

========================== ============ ======= =======================================================
array                      shape        type    meaning
========================== ============ ======= =======================================================
``frames``                 (T, H, W)    uint8   the images; of an archive also uint16, and (T, H, W, 3)
``time_unix_ms``           (T,)         float64 when each was captured, ms since 1970, UTC: as the client
                                                says of each frame, else its chunk's start plus its place in
                                                the chunk times 1000 / the rate that the client gave the
                                                chunk, which is the stream's where the camera keeps it
``chunk_index``            (C,)         int64   index that the client gave each chunk received
``chunk_start_unix_ms``    (C,)         int64   capture of its first frame
``chunk_frames``           (C,)         int64   its number of frames
``chunk_clock_offset_ms``, (C,)         float64 the clock correction in its stamps and the bound of its
``chunk_clock_...``                             error as the client sent them, NaN for none
``frame_id``,              (T,)         int64   of an archive: the camera's own number and stamp, -1 for none
``camera_timestamp_ns``
``arrival_unix_ms``        (T,)         float64 of an archive: when this computer had the frame
``region_mean``,           (T, R)       float64 of an archive of a run with regions: mean and greatest gray
``region_maximum``                              level of each in each frame, NaN where it was not followed;
                                                the attribute ``regions`` lists them, one moved twice
``mark_time_unix_ms``      (M,)         float64 of a run that was marked, once it is closed: when each mark
                                                was set, ms since 1970, UTC, by this computer's clock; the
                                                attributes ``text`` and ``unit`` list what each says
``mark_value``             (M,)         float64 its number, NaN for none
``channel_0_...``          (R,)         float64 of a run with other instruments' readings, once it is closed,
                                                for each channel, counted from 0: ``..._time_unix_ms``, when
                                                it was read, and ``..._value``, whose attributes ``channel``
                                                and ``unit`` say what it is
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
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.declarations import ChunkDeclaration, PixelDeclaration
from rheed_acquire.recording.frame_numbers import FrameNumbers
from rheed_acquire.recording.layout import (
    ARRIVALS,
    FRAME_IDS,
    FRAMES,
    MARK_TIMES,
    MARK_VALUES,
    READINGS,
    STAMPS,
    TIMES,
)
from rheed_acquire.recording.marks import Mark
from rheed_acquire.recording.readings import ChannelReadings
from rheed_acquire.recording.region_traces import TraceArrays
from rheed_acquire.recording.vector import ElementType, Vector
from rheed_acquire.recording.zarr_metadata import encode_document, frames_document, group_document
from rheed_acquire.system.durable_files import remove_tree, write_atomically

if TYPE_CHECKING:
    from rheed_acquire.regions.chunk_traces import ChunkTrace

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

_UNIX_MS = "milliseconds since 1970-01-01 UTC"
_OF_FRAMES: dict[str, tuple[ElementType, dict[str, str]]] = {
    TIMES: ("float64", {"description": "Capture of each frame", "units": _UNIX_MS}),
    FRAME_IDS: ("int64", {"description": "The camera's number of each frame, -1 for none"}),
    STAMPS: ("int64", {"description": "Stamp of each frame by the camera's own clock, -1 for none"}),
    ARRIVALS: ("float64", {"description": "When this computer had each frame", "units": _UNIX_MS}),
}
"""The arrays with an element for each frame; but for the first, of archives only."""


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
    pixels
        What an archive's frames are; None for the local server's 8-bit gray.
    numbers_of
        Reads what is known of the frames of a chunk, by its index; None for a chunk of a stream whose client
        has said nothing of them.
    stamp_block, list_block
        Elements in one stored block of the arrays that have an element for each frame, and for each chunk.
    """

    def __init__(
        self,
        group: Path,
        staging: Path,
        fps: float,
        pixels: PixelDeclaration | None = None,
        numbers_of: Callable[[int], FrameNumbers | None] = lambda _: None,
        stamp_block: int = _STAMP_BLOCK,
        list_block: int = _LIST_BLOCK,
    ) -> None:
        self._group = group
        self._staging = staging
        self._fps = fps
        self._pixels, self._numbers_of = pixels, numbers_of
        names = _OF_FRAMES if pixels is not None else (TIMES,)
        self._of_frames = {
            name: Vector(group / name, staging, stamp_block, _OF_FRAMES[name][0], "time", _OF_FRAMES[name][1])
            for name in names
        }
        self._traces = TraceArrays(group, staging, self._traces_of)
        self._lists = {
            name: Vector(group / name, staging, list_block, element_type, "chunk", {})
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
        frames = _frames_in_place(chunks)
        for one in changed:
            # Nothing also where a longer chunk of the same index may have been.
            absent = one.chunk_size - one.frames
            values = self._values_of(one)
            for name, vector in self._of_frames.items():
                nothing = [math.nan if _OF_FRAMES[name][0] == "float64" else -1] * absent
                vector.put([(one.index * one.chunk_size, [*values[name], *nothing])], frames)
        self._traces.put(((one.index * one.chunk_size, one) for one in changed), frames)
        self._write_frame_metadata(chunks[-1], frames, durable=False)
        row = bisect_left(chunks, min(chunk.index for chunk in changed), key=lambda chunk: chunk.index)
        moved = chunks[row:]
        for name, (_, element) in _LISTS.items():
            self._lists[name].put([(row, [element(chunk) for chunk in moved])], len(chunks))

    def write_in_place(self, chunks: Sequence[ChunkDeclaration], *, durable: bool) -> None:
        """Write everything anew for frames that lie at the places of their chunks, of which there are some.

        Parameters
        ----------
        chunks
            In the order of their indices.
        durable
            Whether for good, as where they stay there.
        """
        placed = [(chunk.index * chunk.chunk_size, chunk) for chunk in chunks]
        self._write_all(placed, _frames_in_place(chunks), durable=durable)

    def write_moved_together(self, chunks: Sequence[ChunkDeclaration]) -> None:
        """Write everything for good, for frames that have been moved together."""
        placed = []
        frames = 0
        for chunk in chunks:
            placed.append((frames, chunk))
            frames += chunk.frames
        self._write_all(placed, frames, durable=True)

    def write_marks(self, marks: Sequence[Mark]) -> None:
        """Write the marks of a closed stream, for good; nothing where there are none."""
        if not marks:
            return
        words = {"text": [mark.text for mark in marks], "unit": [mark.unit for mark in marks]}
        times = [mark.time_unix_ms for mark in marks]
        values = [_or_nan(mark.value) for mark in marks]
        for name, elements, attributes in (
            (MARK_TIMES, times, {"description": "When each mark was set", "units": _UNIX_MS, **words}),
            (MARK_VALUES, values, {"description": "The number of each mark, NaN for none"}),
        ):
            vector = Vector(self._group / name, self._staging, _LIST_BLOCK, "float64", "mark", attributes)
            vector.write([(0, elements)], len(marks), durable=True)

    def write_readings(self, channels: Sequence[ChannelReadings]) -> None:
        """Write the readings of other instruments beside a closed stream, for good."""
        for number, channel in enumerate(channels):
            read = {"description": "When each was read", "units": _UNIX_MS}
            said = {"description": "Readings of an instrument", "channel": channel.name, "unit": channel.unit}
            for name, elements, attributes in (
                ("time_unix_ms", channel.time_unix_ms, read),
                ("value", channel.value, said),
            ):
                vector = Vector(
                    self._group / f"{READINGS}_{number}_{name}",
                    self._staging,
                    _STAMP_BLOCK,
                    "float64",
                    f"{READINGS}_{number}",
                    attributes,
                )
                vector.write([(0, elements.tolist())], len(channel), durable=True)

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
        for name, vector in self._of_frames.items():
            values = ((place, self._values_of(chunk)[name]) for place, chunk in placed)
            vector.write(values, frames, durable=durable)
        self._traces.write(placed, frames, durable=durable)
        self._write_frame_metadata(placed[0][1], frames, durable=durable)
        for name, (_, element) in _LISTS.items():
            elements = [element(chunk) for _, chunk in placed]
            self._lists[name].write([(0, elements)], len(placed), durable=durable)

    def _traces_of(self, index: int) -> Sequence[ChunkTrace]:
        numbers = self._numbers_of(index)
        return () if numbers is None else numbers.traces

    def _values_of(self, chunk: ChunkDeclaration) -> Mapping[str, Sequence[float]]:
        """What the arrays with an element for each frame have of a chunk, by their names."""
        numbers = self._numbers_of(chunk.index)
        if numbers is not None:
            return {
                TIMES: numbers.unix_ms.tolist(),
                FRAME_IDS: numbers.frame_ids.tolist(),
                STAMPS: numbers.stamps_ns.tolist(),
                ARRIVALS: numbers.arrival_unix_ms.tolist(),
            }
        frame_ms = 1000.0 / (chunk.avg_frame_rate or self._fps)
        return {TIMES: [chunk.start_unix_ms + frame * frame_ms for frame in range(chunk.frames)]}

    def _write_frame_metadata(self, chunk: ChunkDeclaration, frames: int, *, durable: bool) -> None:
        document = frames_document(frames, chunk.height, chunk.width, chunk.chunk_size, self._pixels)
        self._write(f"{FRAMES}/zarr.json", encode_document(document), durable=durable)

    def _write(self, path: str, data: bytes, *, durable: bool) -> None:
        write_atomically(self._group / path, data, self._staging, durable=durable, root=self._staging.parent)


def _frames_in_place(chunks: Sequence[ChunkDeclaration]) -> int:
    """How long the arrays are whose chunks lie each at its own place."""
    last = chunks[-1]
    return last.index * last.chunk_size + last.frames
