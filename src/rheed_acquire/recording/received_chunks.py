"""Which chunks of a stream have come; what each one costs does not grow with their number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from rheed_acquire.recording.declarations import ChunkDeclaration


class ReceivedChunks:
    """Keeps the chunks in the order of their indices.

    Attributes
    ----------
    latest
        The one that came last, or None.
    frames
        In all chunks together.
    """

    def __init__(self) -> None:
        self._in_order: list[ChunkDeclaration] = []
        self.latest: ChunkDeclaration | None = None
        self.frames = 0

    @property
    def in_order(self) -> Sequence[ChunkDeclaration]:
        """The chunks by index."""
        return self._in_order

    @property
    def missing(self) -> list[list[int]]:
        """The indices that are missing below the last, as [first, last] pairs."""
        chunks = self._in_order
        ranges: list[list[int]] = []
        place = absent = 0
        # An index less its place says how many are missing before it, which never falls: so whole runs of
        # chunks without a hole are passed over at once.
        while True:
            place = bisect_right(range(len(chunks)), absent, place, key=lambda one: chunks[one].index - one)
            if place == len(chunks):
                return ranges
            ranges.append([place + absent, chunks[place].index - 1])
            absent = chunks[place].index - place

    def attributes(self) -> dict[str, Any]:
        """What a run's metadata says of them."""
        latest = self.latest
        return {
            "chunk_size": latest.chunk_size if latest else None,
            "chunks_received": len(self._in_order),
            "frames_received": self.frames,
            "missing_chunks": self.missing,
            "clock_offset_ms": latest.clock_offset_ms if latest else None,
            "clock_uncertainty_ms": latest.clock_uncertainty_ms if latest else None,
        }

    def __contains__(self, index: int) -> bool:
        place = bisect_left(self._in_order, index, key=lambda one: one.index)
        return place < len(self._in_order) and self._in_order[place].index == index

    def add(self, chunk: ChunkDeclaration) -> None:
        """Take a chunk; one of the same index is replaced."""
        place = bisect_left(self._in_order, chunk.index, key=lambda one: one.index)
        if chunk.index in self:
            self.frames -= self._in_order[place].frames
            self._in_order[place] = chunk
        else:
            self._in_order.insert(place, chunk)
        self.frames += chunk.frames
        self.latest = chunk


def count_missing(attributes: Mapping[str, Any]) -> int:
    """How many chunks a run's metadata says are missing."""
    return sum(last - first + 1 for first, last in attributes.get("missing_chunks") or ())
