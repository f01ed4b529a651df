"""Frames that a program appends to a dataset of an HDF5 file, which others may read meanwhile (SWMR)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_growing.growing_file import BegunAnewError, GrowingFile
from rheed_acquire_replay.arrays import choose
from rheed_acquire_replay.hdf5 import check_readable, datasets, signal_name
from rheed_acquire_replay.hdf5_superblock import check_superblock, is_being_written
from rheed_acquire_replay.hdf5_texts import is_text
from rheed_acquire_replay.hdf5_times import EPICS, TIMES, unit_of
from rheed_acquire_replay.moments import as_times
from rheed_acquire_replay.recording import reading
from rheed_acquire_replay.tiff_facts import EPICS_EPOCH_S

_FRAME_AXES = 3
_ATTEMPTS = 26
"""To read what tells of the data, which may just be being written: the pauses between them come to 70 ms."""


def _opened(path: Path) -> Any:
    """Open a file that its program writes to.

    By itself HDF5 tries 100 times to read what fails its checksum, and doubles the pause from 1 ns on: from a
    damaged file it never comes back, and lets no other thread run meanwhile. h5py passes no setting on.
    """
    import h5py

    check_superblock(path)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    limit = _limit_of_attempts(Path(h5py.__file__).parent, h5py.h5p.__file__)
    if limit is not None:
        limit(ctypes.c_int64(access.id), ctypes.c_uint(_ATTEMPTS))
    flags = h5py.h5f.ACC_RDONLY | h5py.h5f.ACC_SWMR_READ
    return h5py.File(h5py.h5f.open(os.fsencode(path), flags, fapl=access))


def _limit_of_attempts(package: Path, module: str) -> Any:
    """Find ``H5Pset_metadata_read_attempts`` in the library that h5py has loaded; None if it is not there."""
    # A module's symbols are looked for in what it was linked to as well, but not on Windows.
    libraries = [*package.glob("hdf5*.dll"), *package.with_name("h5py.libs").glob("hdf5*.dll"), module]
    for library in libraries:
        try:
            return ctypes.CDLL(str(library)).H5Pset_metadata_read_attempts
        except (OSError, AttributeError):
            continue
    return None


class _Way(NamedTuple):
    """Datasets that tell together when a frame was taken, in a unit since an epoch, in seconds since 1970."""

    name: str
    parts: tuple[Any, ...]
    unit: str | None
    epoch_s: int


class FrameTimes:
    """One number for each frame that tells when it was taken: beside them, or of areaDetector's.

    Parameters
    ----------
    found
        The datasets of the file by their names.
    name
        Of the frames' dataset.
    """

    def __init__(self, found: dict[str, Any], name: str) -> None:
        beside = name.rpartition("/")[0]
        by_leaf: dict[str, str] = {}
        for other in sorted(found, key=lambda one: one.rpartition("/")[0] != beside):
            is_row = found[other].shape[1:] in ((), (1,)) and len(found[other].shape) > 0
            # What grows has its texts behind those that were looked at.
            if other != name and is_row and not is_text(found[other]):
                by_leaf.setdefault(other.rpartition("/")[2].lower(), other)
        self._ways: list[_Way] = []
        if all(leaf.lower() in by_leaf for leaf in EPICS):
            names = [by_leaf[leaf.lower()] for leaf in EPICS]
            self._ways.append(_Way(names[0], tuple(found[one] for one in names), "ns", EPICS_EPOCH_S))
        for leaf in TIMES:
            if leaf.lower() in by_leaf:
                other = by_leaf[leaf.lower()]
                unit, epoch_s = ("s", EPICS_EPOCH_S) if leaf == TIMES[0] else (unit_of(found[other]), 0)
                self._ways.append(_Way(other, (found[other],), unit, epoch_s))

    @property
    def name(self) -> str:
        """Of the dataset that tells."""
        return self._ways[0].name if self._ways else ""

    def time_ns(self, number: int) -> int | None:
        """When a frame was captured, in nanoseconds since 1970; None where that is not told, or not yet."""
        first = max(0, number - 1)
        while self._ways:
            way = self._ways[0]
            columns = []
            for part in way.parts:
                part.refresh()
                if part.shape[0] <= number:
                    return None
                columns.append(np.asarray(part[first : number + 1]).reshape(-1))
            values = columns[0]
            if way.epoch_s and not values[-1]:  # areaDetector's, of a driver that fills in none
                self._ways.pop(0)
                continue
            if len(columns) > 1:
                values = columns[0].astype(np.int64) * 1_000_000_000 + columns[1].astype(np.int64)
            taken = as_times(values, way.unit, way.epoch_s)
            if taken is None or taken[1] is None:
                return None
            return taken[1] + int(taken[0][-1])
        return None


class GrowingHdf5(GrowingFile):
    """A dataset of which the first axis grows.

    The file stays open, as SWMR wants it. HDF5 shows an appended frame once its chunk has been written.

    Parameters
    ----------
    dataset
        Which is meant, where several can be.
    """

    kind: ClassVar[str] = "an HDF5 file"

    def __init__(self, path: Path, since_ns: int | None = None, dataset: str | None = None) -> None:
        super().__init__(path, since_ns)
        self._asked = dataset
        self._file: Any = None
        self._dataset: Any = None
        self._times_told: FrameTimes | None = None
        self._identity: tuple[int, int] | None = None
        self._kept_out: str | None = None

    @property
    def kept_out(self) -> str | None:
        """Why the file cannot be read now, in HDF5's words; None where it can."""
        return self._kept_out

    def read(self, number: int) -> NDArray[Any]:
        """See `GrowingFile.read`."""
        with reading(self.path, f"{self.kind}, frame {number}"):
            return np.asarray(self._dataset[number])

    def time_ns(self, number: int) -> int:
        """By what lies beside the frames, else by the file's time."""
        times = self._times_told
        told = None if times is None else times.time_ns(number)
        if times is None or told is None:
            return super().time_ns(number)
        self.dated_by = f"of each frame, by {times.name}"
        return told

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = self._dataset = self._times_told = None

    def _find(self) -> os.stat_result:
        status = self.path.stat()
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            raise BegunAnewError
        self._identity = identity
        if self._file is None and not self._open(status):
            return status
        try:
            with reading(self.path, self.kind):
                self._dataset.refresh()
                count = self._dataset.id.shape[0]
                is_shorter = count < self.count
                while self.count < count and self._is_written(self.count, is_last=self.count == count - 1):
                    self.count += 1
        except CameraError as error:
            # What is being written may be seen in part, over a network.
            if self.has_settled:
                raise
            self._kept_out = str(error)
            return status
        self._kept_out = None
        if is_shorter:
            raise BegunAnewError
        return status

    def _is_written(self, number: int, *, is_last: bool) -> bool:
        """Whether a frame is in the file: a place for it comes first, and reads as zeros."""
        dataset = self._dataset
        if dataset.chunks is not None:
            place = (number - number % dataset.chunks[0], *[0] * (len(dataset.shape) - 1))
            if dataset.id.get_chunk_info_by_coord(place).byte_offset is None:
                return False
            is_last = is_last or dataset.chunks[0] > 1
        return not is_last or self.has_settled or bool(np.any(self.read(number)))

    def _open(self, status: os.stat_result) -> bool:
        """Open the file, as soon as its writer lets others read it and its dataset is there."""
        if not status.st_size:
            return False
        try:
            file = _opened(self.path)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            # It is just being made, is damaged, or its program lets nobody else in.
            self._kept_out = " ".join(str(error).split())
            return False
        self._kept_out = None
        try:
            with reading(self.path, self.kind):
                found, _ = datasets(self.path, file)
                name = choose(
                    self.path,
                    self._asked or signal_name(file, found),
                    {one: found[one].shape for one in found},
                )
                check_readable(self.path, name, found[name])
                self._check(found[name])
                times = FrameTimes(found, name)
        except CameraError as error:
            file.close()
            if self.has_settled:
                raise
            self._kept_out = str(error)
            return False
        except BaseException:
            file.close()
            raise
        self._file, self._dataset, self._times_told = file, found[name], times
        return True

    def _check(self, dataset: Any) -> None:
        if len(dataset.shape) < _FRAME_AXES:
            raise CameraError(
                f"{self.path}: {dataset.name} has shape {dataset.shape}; what is followed grows along "
                "the first axis, (frames, height, width)"
            )
        has_its_size = dataset.chunks is None and not dataset.is_virtual and not dataset.external
        if has_its_size and is_being_written(self.path):
            raise CameraError(
                f"{self.path}: {dataset.name} is not chunked, and has its full size from the beginning: "
                "nobody can tell which of its frames are written; have it chunked by frame, or close it first"
            )
