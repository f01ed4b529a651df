"""Recordings in several files, each with many frames, one after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

import numpy as np

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.names import Named, jumps_in_words
from rheed_acquire_replay.recording import Block, Recording


class Joined(Recording):
    """Stacks one after another, each opened when its turn comes.

    Parameters
    ----------
    named
        The files in their order.
    open_one
        Opens one.
    """

    kind: ClassVar[str] = "a folder of stacks"

    def __init__(
        self,
        path: Path,
        named: Named,
        open_one: Callable[[Path], Recording],
        warnings: Sequence[str] = (),
    ) -> None:
        self._files, self._open_one = named.files, open_one
        counts, starts = [], []
        broken: str | None = None
        first: Recording | None = None
        times: list[np.ndarray[tuple[int], np.dtype[np.int64]]] | None = []
        for file in self._files:
            part = open_one(file)
            part.close()
            if part.count is None:
                raise CameraSettingError(f"{file} does not tell how many frames it has: replay it by itself")
            first, broken = first or part, broken or part.broken
            if (part.shape, part.dtype) != (first.shape, first.dtype):
                raise CameraSettingError(
                    f"{file} holds frames of {part.shape} {part.dtype.name}, but {first.path} of "
                    f"{first.shape} {first.dtype.name}: all frames of a stream have one size; replay one "
                    "file by itself"
                )
            counts.append(part.count)
            starts.append(part.captured_ns)
            if times is not None and part.times_ns is not None and part.captured_ns is not None:
                times.append(part.times_ns + (part.captured_ns - (starts[0] or 0)))
            else:
                times = None
        if first is None:
            raise CameraError(f"{path} holds no frame")
        super().__init__(path, first.shape, first.dtype, sum(counts), first.fps)
        self._ends, self.broken = list(accumulate(counts)), broken
        self.bits, self.captured_ns, self.rotations_per_min = (
            first.bits,
            first.captured_ns,
            first.rotations_per_min,
        )
        self.notes |= {key: text for key, text in first.notes.items() if key != "frames"}
        self.notes["files"] = (
            f"{len(counts)} with {sum(counts)} frames, {self._files[0].name} to {self._files[-1].name}"
        )
        self.warnings += [*warnings, *first.warnings]
        if named.jumps:
            self.warnings.append(jumps_in_words(named.jumps))
        if times is not None:
            self.times_ns = np.concatenate(times)
        else:
            self.notes.pop("times", None)

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        end = self.count if end is None else end
        while first < end:
            place = bisect_right(self._ends, first)
            before = self._ends[place - 1] if place else 0
            until = min(end, self._ends[place])
            part = self._open_one(self._files[place])
            try:
                for block in part.blocks(first - before, until - before):
                    yield Block([before + number for number in block.numbers], block.pixels)
            finally:
                part.close()
            first = until
