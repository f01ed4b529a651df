"""A recording made ready: looked at before there is a stream, and read as a camera's frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.frame_times import plain_rate
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.recording import Block, Recording
from rheed_acquire_replay.samples import DEPTHS, DeliveredSamples, Samples, SamplesError, whole

LOOKED_AT_BYTES, LOOKED_AT_FRAMES = 256 << 20, 200
"""So much of a recording is read to find its depth, spread over it."""


class PreparedRecording:
    """What is replayed: frames of one size in a camera's pixel format, with their times.

    The first frame is read, so that a recording that cannot be decoded is refused before there is a stream.

    Parameters
    ----------
    source
        The recording as it is stored; closed with this.
    options
        What the user has said of it.

    Raises
    ------
    CameraError
        No frame of it can be read.
    CameraSettingError
        What the user says does not suit it, or has to be said.
    """

    def __init__(self, source: Recording, options: Options) -> None:
        self.source, self._options = source, options
        self.path, self.count = source.path, source.count
        self.notes, self.warnings = source.notes, source.warnings
        self.captured_ns, self.rotations_per_min = source.captured_ns, source.rotations_per_min
        self.skipped = source.skipped
        if source.broken is not None:
            self.warnings.append(source.broken)
        self._usable_times()
        self.fps = self._rate()
        self._samples = self._look()
        self.shape, self.pixel_format = self._samples.shape, self._samples.pixel_format

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Read frames as a camera's; see `Recording.blocks`. What is broken raises at its end."""
        times = self.source.times_ns
        for block in self._readable(first, end):
            times_ns = block.times_ns
            if times is not None:
                times_ns = times[block.numbers].tolist()
            yield Block(block.numbers, self._by_frame(block, block.pixels, self._samples.of), times_ns)
        if end is None and self.source.broken is not None:
            raise CameraError(self.source.broken)

    @property
    def ended_ns(self) -> int | None:
        """When the last frame was captured, in nanoseconds since 1970 in UTC, where that is known."""
        if self.captured_ns is None or self.count is None:
            return None
        times = self.source.times_ns
        if times is not None:
            return self.captured_ns + int(times[-1])
        return None if self.fps is None else self.captured_ns + round((self.count - 1) * 1e9 / self.fps)

    @property
    def above_depth(self) -> int:
        """Frames so far with samples above what their bits can be."""
        return self._samples.above

    def close(self) -> None:
        """Let the files go."""
        self.source.close()

    def _by_frame(
        self, block: Block, pixels: NDArray[Any], take: Callable[[NDArray[Any]], NDArray[Any]]
    ) -> NDArray[Any]:
        """Do something with the pixels of a block; where that fails, say at which frame."""
        try:
            return take(pixels)
        except SamplesError:
            for place, number in enumerate(block.numbers):
                try:
                    take(pixels[place : place + 1])
                except SamplesError as error:
                    raise CameraSettingError(f"{self.path}: frame {number} {error}") from None
            raise

    def _readable(self, first: int, end: int | None) -> Iterator[Block]:
        if not (self._options.skip_bad and self.source.is_read_anywhere):
            yield from self.source.blocks(first, end)
            return
        count = self.count if end is None else end
        while count is None or first < count:
            try:
                for block in self.source.blocks(first, end):
                    yield block
                    first = block.numbers[-1] + 1
            except CameraError as error:
                if count is None:
                    raise
                number, why = self._next_bad(first, count, error)
                for good in range(first, number):
                    yield from self.source.blocks(good, good + 1)
                self.skipped.append(why)
                first = number + 1
            else:
                return

    def _next_bad(self, first: int, count: int, error: CameraError) -> tuple[int, str]:
        """Find which of the frames that could not be read together is the bad one, and why."""
        for number in range(first, count):
            try:
                for _ in self.source.blocks(number, number + 1):
                    pass
            except CameraError as bad:
                return number, str(bad)
        raise error

    def _usable_times(self) -> None:
        times = self.source.times_ns
        if times is None or len(times) < 2:
            return
        if (np.diff(times) <= 0).any():
            self.warnings.append(
                f"its times do not rise from frame to frame, and are not used: {self.notes.pop('times', '')}"
            )
            self.source.times_ns = None

    def _rate(self) -> float | None:
        source, times = self.source, self.source.times_ns
        if source.fps is None and times is not None and len(times) > 1:
            source.fps = plain_rate(1e9 / float(np.median(np.diff(times))))
            self.notes.setdefault("rate", f"{source.fps:.6g} frames/s, by the times of its frames")
        return source.fps

    def _look(self) -> Samples | DeliveredSamples:
        """Find how deep samples are: by what is said, else by the greatest that is found."""
        source, options = self.source, self._options
        if source.pixel_format is not None and options.scale is None and not options.bits:
            self._read_first()
            return DeliveredSamples(source.shape, source.pixel_format)
        if options.scale is not None:
            self.notes["depth"] = "16 bits, spread by --replay.scale"
            self._read_first()
            return Samples(source.shape, source.dtype, 16, options.scale)
        told = options.bits or source.bits
        if source.dtype.kind == "b" or source.dtype == np.uint8:
            told = 8
        if told is not None:
            self._read_first()
            if options.bits:
                self.notes["depth"] = f"{told} bits, by --replay.bits"
            elif not self.notes.get("depth"):
                self.notes["depth"] = f"{told} bits"
            return Samples(source.shape, source.dtype, told, None)
        greatest, looked, all_of_them = self._greatest()
        bits = next(depth for depth in DEPTHS if greatest < 1 << depth)
        seen = "no sample" if all_of_them else f"no sample of the {looked} frames looked at"
        if bits < 16:
            self.notes["depth"] = f"{bits} bits: {seen} is above {greatest}"
            self.warnings.append(
                f"its samples are taken for {bits} bits, because {seen} is above {greatest}; where they "
                "are not, say so with --replay.bits"
            )
        else:
            self.notes["depth"] = "16 bits"
        return Samples(source.shape, source.dtype, bits, None)

    def _read_first(self) -> None:
        next(self._readable(0, 1), None)

    def _greatest(self) -> tuple[int, int, bool]:
        """Find the greatest sample, in all frames where they are few: it, frames looked at, whether all."""
        source = self.source
        frame_bytes = math.prod(source.shape) * source.dtype.itemsize
        room = max(1, min(LOOKED_AT_FRAMES, LOOKED_AT_BYTES // frame_bytes))
        greatest = looked = 0
        all_of_them = source.count is not None and source.count * frame_bytes <= LOOKED_AT_BYTES
        try:
            for block in self._looked_at(room, all_of_them):
                pixels = block.pixels[..., :3] if block.pixels.ndim == 4 else block.pixels
                greatest = max(greatest, int(self._by_frame(block, pixels, whole).max()))
                looked += len(block.numbers)
        except CameraSettingError:
            raise
        except CameraError:
            # What breaks off is replayed up to there.
            if source.is_read_anywhere or not looked:
                raise
            all_of_them = False
        self.skipped.clear()
        return greatest, looked, all_of_them

    def _looked_at(self, room: int, all_of_them: bool) -> Iterator[Block]:
        """Read all frames, or so many: spread over the recording where that can be, else the first."""
        source = self.source
        if all_of_them:
            yield from self._readable(0, None)
        elif source.count is None or not source.is_read_anywhere:
            looked = 0
            for block in self._readable(0, None):
                yield block
                looked += len(block.numbers)
                if looked >= room:
                    return
        else:
            for number in np.unique(np.linspace(0, source.count - 1, room).astype(int)).tolist():
                yield from self._readable(number, number + 1)
