"""Zarr arrays, and above all the runs that the local server keeps (``frames.zarr``), with their stamps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rheed_acquire import CameraError
from rheed_acquire_replay.arrays import ArrayRecording, choose
from rheed_acquire_replay.recording import Block, Recording, as_pixels, reading

FRAMES, TIMES = "frames", "time_unix_ms"
_METADATA = ("zarr.json", ".zgroup", ".zarray")


class ZarrArray(ArrayRecording):
    """Any Zarr array of shape (T, H, W)."""

    kind: ClassVar[str] = "a Zarr array"

    def __init__(self, path: Path, array: Any) -> None:
        # Of a sharded array the inner chunks count: one can be read without the rest of its shard.
        super().__init__(path, array, stored=array.chunks[0] if array.ndim == 3 else 1)


class ZarrRun(ZarrArray):
    """A run as the local server keeps it, also one that is not closed.

    Frames that have not arrived there, which have no time, are left out: the jump in the numbers shows them.

    Parameters
    ----------
    group
        The Zarr group of the run.
    """

    kind: ClassVar[str] = "a recorded run"

    def __init__(self, path: Path, group: Any) -> None:
        super().__init__(path, group[FRAMES])
        self._times_ms = group[TIMES]
        assert self.count is not None
        self.count = min(self.count, self._times_ms.shape[0])
        fps, rotations = group.attrs.get("fps"), group.attrs.get("rotations_per_min")
        self.fps = float(fps) if fps else None
        self.rotations_per_min = None if rotations is None else float(rotations)
        self._shard = (self._array.shards or self._array.chunks)[0]
        self.captured_ns = self._first_time_ns()

    def _first_time_ns(self) -> int:
        assert self.count is not None
        step = self._times_ms.chunks[0]
        for start in range(0, self.count, step):
            times = self._times_ms[start : start + step]
            known = times[~np.isnan(times)]
            if len(known):
                return _ns(known[0])
        raise CameraError(f"{self.path} holds no frame")

    def block(self, first: int, end: int) -> Block:
        """Read one block, without the frames that are not there."""
        assert self.captured_ns is not None
        times_ms = self._times_ms[first:end]
        known = np.flatnonzero(~np.isnan(times_ms))
        self._check_shards(first + known)
        pixels = self._array[first:end]
        if len(known) < len(pixels):
            pixels = pixels[known]
        times_ns = [_ns(time_ms) - self.captured_ns for time_ms in times_ms[known]]
        return Block((first + known).tolist(), as_pixels(pixels), times_ns)

    def _check_shards(self, numbers: Any) -> None:
        """Refuse to take a shard that has got lost for black frames, as Zarr would."""
        for shard in np.unique(numbers // self._shard).tolist():
            key = self._array.metadata.encode_chunk_key((shard, 0, 0))
            if not (self.path / FRAMES / key).is_file():
                raise CameraError(f"{self.path} is damaged: there is no file {FRAMES}/{key} any more")


def find_zarr(folder: Path) -> Path | None:
    """Find the Zarr group or array that a folder is, or that the folder of a run holds."""
    for candidate in (folder, folder / "frames.zarr"):
        if any((candidate / name).is_file() for name in _METADATA):
            return candidate
    return None


def open_zarr(path: Path, dataset: str | None) -> Recording:
    """Open a Zarr array, or a group that holds one; raises as `open_recording`."""
    with reading(path, "Zarr"):
        import zarr

        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return ZarrArray(path, node)
        if dataset in (None, FRAMES) and "data_id" in node.attrs:
            if FRAMES not in node:
                raise CameraError(f"{path} holds no frame")
            return ZarrRun(path, node)
        arrays = {
            name: tuple(member.shape)
            for name, member in node.members(max_depth=None)
            if isinstance(member, zarr.Array)
        }
        array: Any = node[choose(path, dataset, arrays)]
        return ZarrArray(path, array)


def _ns(time_ms: float) -> int:
    """Turn milliseconds into nanoseconds, whole ones exactly: 64-bit floats resolve 256 ns here."""
    whole = math.floor(time_ms)
    return whole * 1_000_000 + round((time_ms - whole) * 1e6)
