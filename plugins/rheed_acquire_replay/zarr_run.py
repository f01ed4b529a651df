"""Runs that the local server keeps (``frames.zarr``), with their stamps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from rheed_acquire import BucketPath, CameraError, RecordedRun, RheedAcquireError
from rheed_acquire_replay.recording import BLOCK_BYTES, Block, Recording


class ZarrRun(Recording):
    """A run as the local server keeps it, also one that is not closed.

    Frames that have not arrived there, which have no time, are left out: the jump in the numbers shows them.
    """

    kind: ClassVar[str] = "a recorded run"

    def __init__(self, path: Path | BucketPath) -> None:
        try:
            self._run = run = RecordedRun(path)
        except RheedAcquireError as error:
            raise CameraError(str(error)) from None
        super().__init__(path, run.frame_shape, run.dtype, len(run), run.fps)
        rotations = run.attributes.get("rotations_per_min")
        self.rotations_per_min = None if rotations is None else float(rotations)
        if "bit_depth" in run.attributes:
            self.bits = run.bit_depth
            self.notes["depth"] = f"{self.bits} bits, by the archive"
        if run.channels or run.mosaic:
            self.pixel_format = run.pixel_format
        times = run.time_unix_ms()
        known = times[~np.isnan(times)]
        if not len(known):
            raise CameraError(f"{path} holds no frame")
        self._times_ms, self._begun_ns = times, ns(known[0])
        self.captured_ns = self._begun_ns
        self.notes["run"] = str(run.attributes.get("name", ""))
        self.notes["rate"] = f"{run.fps:.6g} frames/s, as the stream declared"
        self.notes["times"] = "of each frame, by the run"
        self.notes["captured"] = "by the run"
        frame_bytes = run.dtype.itemsize * math.prod(self.shape)
        self._step = max(1, BLOCK_BYTES // frame_bytes)

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        end = self.count if end is None else end
        while first < end:
            until = min(end, first - first % self._step + self._step)
            times_ms = self._times_ms[first:until]
            known = np.flatnonzero(~np.isnan(times_ms))
            if len(known):
                try:
                    pixels = self._run.read(first, until)
                except RheedAcquireError as error:
                    raise CameraError(str(error)) from None
                if len(known) < len(pixels):
                    pixels = pixels[known]
                times_ns = [ns(time_ms) - self._begun_ns for time_ms in times_ms[known]]
                yield Block((first + known).tolist(), pixels, times_ns)
            first = until


def ns(time_ms: float) -> int:
    """Turn milliseconds into nanoseconds, whole ones exactly: 64-bit floats resolve 256 ns here."""
    whole = math.floor(time_ms)
    return whole * 1_000_000 + round((time_ms - whole) * 1e6)
