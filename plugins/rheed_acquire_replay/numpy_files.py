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

from rheed_acquire import CameraSettingError
from rheed_acquire_replay.arrays import ArrayRecording, Gathered, choose, find_axes, numbered
from rheed_acquire_replay.axes import Axes
from rheed_acquire_replay.frame_times import tell_unused
from rheed_acquire_replay.moments import as_times
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.recording import BLOCK_BYTES, Block, Recording, reading

_SKIP_BYTES = 1 << 20
_MOST_TIMES = 10_000_000
_TIMES = ("timestamps", "timestamp", "times", "time", "t")


class NpyFile(ArrayRecording):
    """A ``.npy`` file."""

    kind: ClassVar[str] = "a .npy file"


def open_npy(path: Path, options: Options) -> Recording:
    """Open a ``.npy`` file; raises as `open_recording`."""
    with reading(path, NpyFile.kind):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return NpyFile(path, array, find_axes(path, array.shape, options.axes, sample=array))


class NpzMember(Recording):
    """One array of an ``.npz`` file, compressed or not: it is read from its beginning on, block by block."""

    kind: ClassVar[str] = "an .npz file"
    path: Path
    is_read_anywhere: ClassVar[bool] = False

    def __init__(self, path: Path, member: str, axes: Axes, dtype: np.dtype[Any]) -> None:
        super().__init__(path, axes.frame_shape, dtype, axes.count)
        self._member = member
        self.notes["frames"] = str(axes)

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
                yield Block(list(range(first, until)), pixels)
                first = until


def open_npz(path: Path, options: Options) -> Recording:
    """Open an ``.npz`` file; raises as `open_recording`."""
    with reading(path, NpzMember.kind), zipfile.ZipFile(path) as archive:
        headers = {}
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = _read_header(file)
        shapes = {name: shape for name, (shape, _, dtype) in headers.items() if dtype.kind in "buif"}
        each = numbered(shapes) if options.dataset is None else None
        if each is not None:
            arrays = np.load(path, allow_pickle=False)
            return Gathered(path, each, arrays.__getitem__, arrays.close)
        name = choose(path, options.dataset, shapes)
        shape, in_columns, dtype = headers[name]
        axes = find_axes(path, shape, options.axes)
        frames_first = axes.letters.replace("_", "").endswith(("YX", "YXS"))
        if in_columns or not frames_first:
            raise CameraSettingError(
                f"{name} of {path} is an array of shape {shape}{' in Fortran order' * in_columns}, not "
                "(frames, "
                "height, width), and an .npz file is read from its beginning on; save it with numpy.save "
                "after "
                "numpy.moveaxis and numpy.ascontiguousarray"
            )
        recording = NpzMember(path, f"{name}.npy", axes, dtype)
        recording.notes["dataset"] = name
        for leaf in _TIMES:
            if (
                leaf in headers
                and headers[leaf][0] == (axes.count,)
                and not headers[leaf][2].hasobject
                and axes.count <= _MOST_TIMES
                and leaf != name
            ):
                with archive.open(f"{leaf}.npy") as file:
                    taken = as_times(npy.read_array(file, allow_pickle=False), None)
                if taken is not None:
                    recording.times_ns, captured_ns, how = taken
                    recording.captured_ns = captured_ns
                    recording.notes["times"] = f"of each frame, by {leaf} ({how})"
                    if captured_ns is not None:
                        recording.notes["captured"] = f"by {leaf}"
                    break
        unused = next((leaf for leaf in _TIMES if leaf in headers and leaf != name), None)
        if recording.times_ns is None and unused is not None:
            tell_unused(recording, unused, headers[unused][0])
        return recording


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
