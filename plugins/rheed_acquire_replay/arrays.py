"""Recordings that are one array of frames, from which any part can be read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.axes import Axes, AxesError, named, understood
from rheed_acquire_replay.names import in_order
from rheed_acquire_replay.recording import BLOCK_BYTES, Block, Recording, reading

_LISTED = 10
_NUMBER = re.compile(r"\d+")
MOST_AT_ONCE = 1 << 30
"""Bytes that are read at once where a file keeps frames together."""


class ArrayRecording(Recording):
    """An array whose slices can be read.

    Parameters
    ----------
    array
        Of numpy, h5py, zarr ...: with ``shape``, ``dtype``, and slicing that reads.
    axes
        Which of its axes is which.
    stored
        Frames that the file keeps together, so that to read one is to read them all.
    """

    kind: ClassVar[str] = "an array"
    path: Path

    def __init__(self, path: Path, array: Any, axes: Axes, stored: int = 1) -> None:
        super().__init__(path, axes.frame_shape, np.dtype(array.dtype), axes.count)
        self._array, self.axes = array, axes
        self.notes["frames"] = str(axes)
        frame_bytes = math.prod(self.shape) * self.dtype.itemsize
        self._step = max(1, BLOCK_BYTES // (frame_bytes * stored)) * stored

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Read in steps that end where what is stored together ends; see `Recording.blocks`."""
        assert self.count is not None
        end = self.count if end is None else end
        while first < end:
            group = first - first % self.axes.fastest
            at = first - group
            until = min(end, group + min(at - at % self._step + self._step, self.axes.fastest))
            with reading(self.path, f"{self.kind}, from frame {first} on"):
                block = self.block(first, until)
            yield block
            first = until

    def block(self, first: int, end: int) -> Block:
        """Read one block."""
        # A memory-mapped file is read only by a copy: here and not in the camera's thread.
        return Block(list(range(first, end)), np.array(self.axes.read(self._array, first, end)))


class Gathered(Recording):
    """Frames that are arrays of their own in a file, in the order that their names mean.

    Parameters
    ----------
    names
        In the order of the frames.
    read
        Reads the array of a name.
    let_go
        Closes the file.
    """

    kind: ClassVar[str] = "a file of arrays"
    path: Path

    def __init__(
        self, path: Path, names: Sequence[str], read: Callable[[str], Any], let_go: Callable[[], object]
    ) -> None:
        first = _squeezed(read(names[0]))
        super().__init__(path, first.shape, first.dtype, len(names))
        self._names, self._read, self._let_go = names, read, let_go
        self.notes["frames"] = f"{len(names)} arrays, {names[0]} to {names[-1]}"

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        for number in range(first, self.count if end is None else end):
            name = self._names[number]
            with reading(self.path, f"{self.kind}, at {name}"):
                picture = _squeezed(self._read(name))
            yield Block([number], self.checked(picture, f"{name} of {self.path}"))

    def close(self) -> None:
        """Close the file."""
        self._let_go()


def _squeezed(array: Any) -> NDArray[Any]:
    return np.squeeze(np.asarray(array[()]))


def numbered(shapes: Mapping[str, tuple[int, ...]]) -> list[str] | None:
    """Find the arrays that are each a frame: of one size, and named alike but for numbers; in their order.

    None where there are no such ones, or several kinds of them, or a stack.
    """
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, shape in shapes.items():
        long = tuple(size for size in shape if size != 1)
        if len(long) > 2:
            return None
        if len(long) == 2:
            alike.setdefault((_NUMBER.sub("#", name), long), []).append(name)
    several = [names for names in alike.values() if len(names) > 1]
    if len(several) != 1:
        return None
    names = {Path(name): name for name in several[0]}
    return [names[path] for path in in_order(names, Path()).files]


def check_chunks(path: Path, chunks: Sequence[int] | None, dtype: np.dtype[Any]) -> None:
    """Refuse an array of which more has to be read at once than there is memory for, before any of it is.

    Raises
    ------
    CameraError
        It is so.
    """
    stored_bytes = math.prod(chunks) * dtype.itemsize if chunks else 0
    if stored_bytes > MOST_AT_ONCE:
        raise CameraError(
            f"{path} keeps {stored_bytes / 1e9:.1f} GB of frames in one chunk, which can be read at once "
            "only, and is too large for that: save it in chunks of a few frames"
        )


def find_axes(
    path: Path,
    shape: Sequence[int],
    asked: str | None,
    told: str | None = None,
    by: str = "",
    sample: Any = None,
) -> Axes:
    """Find which axis of an array is which.

    Parameters
    ----------
    asked
        What the user says; it wins.
    told, by
        What the file says, and where.
    sample
        The array, of which a part is read where nobody says it.

    Raises
    ------
    CameraSettingError
        What the user says does not fit the array, or has to be said.
    CameraError
        There is no picture in it.
    """
    try:
        if asked is not None:
            return named(asked, shape, by="--replay.axes")
        if told is not None:
            return named(told, shape, by=by)
        if len(shape) < 2:
            raise CameraError(f"{path} holds an array of shape {tuple(shape)}, not (frames, height, width)")
        return understood(shape, sample)
    except AxesError as error:
        raise CameraSettingError(f"{path}: {error}") from None


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    more = f" and {len(shapes) - _LISTED} more" if len(shapes) > _LISTED else ""
    return ", ".join(f"{name} {shape}" for name, shape in islice(shapes.items(), _LISTED)) + more


def choose(path: Path, dataset: str | None, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Find the dataset that is meant: the named one, else the only one that can be frames.

    Of several, one that is a single picture (a background) is not meant where others are stacks.

    Raises
    ------
    CameraSettingError
        There is no such one, or several could be meant; the message lists them.
    CameraError
        None could.
    """
    listed = _listed(shapes) or "none"
    if dataset is not None:
        name = dataset.strip("/")
        if name not in shapes:
            raise CameraSettingError(
                f"--replay.dataset {dataset}: {path} has no such dataset; there is {listed}"
            )
        return name
    long = {name: [size for size in shape if size != 1] for name, shape in shapes.items()}
    for fits in (
        [name for name in shapes if len(long[name]) > 2],
        [name for name, shape in shapes.items() if len(shape) > 2],
        [name for name, shape in shapes.items() if len(shape) == 2],
    ):
        if len(fits) > 1:
            these = _listed({name: shapes[name] for name in fits})
            raise CameraSettingError(
                f"{path} has several datasets that can be frames, {these}: choose one with --replay.dataset"
            )
        if fits:
            return fits[0]
    raise CameraError(f"{path} has no dataset of shape (frames, height, width); there is {listed}")
