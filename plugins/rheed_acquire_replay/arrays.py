"""Recordings that are one array of frames, from which any part can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.recording import BLOCK_BYTES, Block, Recording, as_pixels, reading


class ArrayRecording(Recording):
    """An array of shape (T, H, W) whose slices along T can be read.

    Parameters
    ----------
    array
        Of numpy, h5py, zarr ...: with ``shape``, ``dtype``, and slicing that reads.
    stored
        Frames that the file keeps together, so that to read one is to read them all.
    """

    kind: ClassVar[str] = "an array"

    def __init__(self, path: Path, array: Any, stored: int = 1) -> None:
        if len(array.shape) != 3:
            raise CameraError(
                f"{path} holds an array of shape {tuple(array.shape)}, not (frames, height, width)"
            )
        count, *shape = array.shape
        super().__init__(path, tuple(shape), np.dtype(array.dtype), count)
        self._array = array
        frame_bytes = int(np.prod(self.shape)) * self.dtype.itemsize
        self._step = max(1, BLOCK_BYTES // (frame_bytes * stored)) * stored

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Read in steps that end where what is stored together ends; see `Recording.blocks`."""
        assert self.count is not None
        end = self.count if end is None else end
        while first < end:
            until = min(end, first - first % self._step + self._step)
            with reading(self.path, f"{self.kind}, from frame {first} on"):
                block = self.block(first, until)
            yield block
            first = until

    def block(self, first: int, end: int) -> Block:
        """Read one block."""
        # A memory-mapped file is read only by a copy: here and not in the camera's thread.
        return Block(list(range(first, end)), as_pixels(np.array(self._array[first:end])))


def choose(path: Path, dataset: str | None, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Find the dataset that is meant: the named one, else the only one of three dimensions.

    Raises
    ------
    CameraSettingError
        There is no such one, or several could be meant; the message lists them.
    CameraError
        None could.
    """
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none"
    if dataset is not None:
        name = dataset.strip("/")
        if name not in shapes:
            raise CameraSettingError(
                f"--replay.dataset {dataset}: {path} has no such dataset; there is {listed}"
            )
        return name
    stacks = [name for name, shape in shapes.items() if len(shape) == 3]
    if not stacks:
        raise CameraError(f"{path} has no dataset of shape (frames, height, width); there is {listed}")
    if len(stacks) > 1:
        raise CameraSettingError(
            f"{path} has several datasets of three dimensions, {', '.join(stacks)}: choose one with "
            "--replay.dataset"
        )
    return stacks[0]
