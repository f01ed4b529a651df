"""NumPy files: ``.npy``, memory-mapped, and ``.npz``, unpacked as it is read.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.lib import format as npy

from rheed_acquire import CameraError
from rheed_acquire_replay.arrays import ArrayRecording, choose
from rheed_acquire_replay.recording import BLOCK_BYTES, Block, Recording, as_pixels, reading

_SKIP_BYTES = 1 << 20


class NpyFile(ArrayRecording):
    """A ``.npy`` file."""

    kind: ClassVar[str] = "a .npy file"


def open_npy(path: Path) -> Recording:
    """Open a ``.npy`` file; raises as `open_recording`."""
    with reading(path, NpyFile.kind):
        return NpyFile(path, np.load(path, mmap_mode="r", allow_pickle=False))


class NpzMember(Recording):
    """One array of an ``.npz`` file, compressed or not: it is read from its beginning on, block by block."""

    kind: ClassVar[str] = "an .npz file"

    def __init__(self, path: Path, member: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        count, *frame = shape
        super().__init__(path, tuple(frame), dtype, count)
        self._member = member

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        end = self.count if end is None else end
        frame_bytes = int(np.prod(self.shape)) * self.dtype.itemsize
        step = max(1, BLOCK_BYTES // frame_bytes)
        with (
            reading(self.path, f"{self.kind}, from frame {first} on"),
            zipfile.ZipFile(self.path) as archive,
            archive.open(self._member) as file,
        ):
            _read_header(file)
            left = first * frame_bytes
            while left > 0:
                left -= len(_read(file, min(left, _SKIP_BYTES)))
            while first < end:
                until = min(end, first + step)
                content = _read(file, (until - first) * frame_bytes)
                pixels = np.frombuffer(content, self.dtype).reshape(-1, *self.shape)
                yield Block(list(range(first, until)), as_pixels(pixels))
                first = until


def open_npz(path: Path, dataset: str | None) -> Recording:
    """Open an ``.npz`` file; raises as `open_recording`."""
    with reading(path, NpzMember.kind), zipfile.ZipFile(path) as archive:
        headers = {}
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = _read_header(file)
        name = choose(path, dataset, {name: shape for name, (shape, _, _) in headers.items()})
        shape, in_columns, dtype = headers[name]
        if len(shape) != 3 or in_columns:
            order = " in Fortran order" if in_columns else ""
            raise CameraError(
                f"{name} of {path} is an array of shape {shape}{order}, not (frames, height, width)"
                f"{'; save it with numpy.ascontiguousarray' if in_columns else ''}"
            )
        return NpzMember(path, f"{name}.npy", shape, dtype)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, in_columns, dtype = read(file)
    return shape, in_columns, dtype


def _read(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise ValueError("it ends before its last frame")
    return content
