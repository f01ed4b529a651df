"""HDF5 files: datasets wherever links lead to, with the filters of hdf5plugin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rheed_acquire import CameraError
from rheed_acquire_replay import INSTALL
from rheed_acquire_replay.arrays import (
    ArrayRecording,
    Gathered,
    check_chunks,
    choose,
    find_axes,
    numbered,
)
from rheed_acquire_replay.axes import Axes
from rheed_acquire_replay.hdf5_attributes import attribute
from rheed_acquire_replay.hdf5_chunks import WrittenFrames, count_unmapped, find_written
from rheed_acquire_replay.moments import as_times, seconds_in
from rheed_acquire_replay.nexus import first_axis, signal, start_ns
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.recording import Block, Recording, reading
from rheed_acquire_replay.tiff_facts import EPICS_EPOCH_S

_MOST_DATASETS, _MOST_DEPTH = 100_000, 32
_RATES = ("fps", "frame_rate", "framerate", "FrameRate", "frames_per_second", "AcquisitionFrameRate")
TIMES = (
    "NDArrayTimeStamp",
    "timestamps",
    "timestamp",
    "frame_times",
    "frame_timestamps",
    "time_stamps",
    "times",
    "time",
    "t",
)
"""What a dataset of one number for each frame is called where those are times, in lower or upper case."""
EPICS = ("NDArrayEpicsTSSec", "NDArrayEpicsTSnSec")
"""areaDetector's times: seconds since 1990, and nanoseconds."""
_UNIQUE_ID = "NDArrayUniqueId"
_UNITS = ("units", "unit", "Units")


class Hdf5Dataset(ArrayRecording):
    """A dataset of an HDF5 file.

    Parameters
    ----------
    file
        The opened h5py file; closed with the recording.
    written
        Which frames are there, where some are not: those are left out.
    """

    kind: ClassVar[str] = "an HDF5 file"

    def __init__(
        self, path: Path, file: Any, dataset: Any, axes: Axes, written: WrittenFrames | None = None
    ) -> None:
        places = axes.frame_axes
        stored = dataset.chunks[places[-1]] if dataset.chunks and places else 1
        room = axes.count
        if written is not None and len(places) == 1:
            cut = (written.end if place == places[0] else size for place, size in enumerate(axes.shape))
            axes = Axes(axes.letters, tuple(cut))
        super().__init__(path, dataset, axes, stored=stored)
        self._file, self._written = file, written
        if written is not None and written.count < room:
            self.warnings.append(
                f"{dataset.name.strip('/')} has room for {room} frames, and {written.count} were written: "
                "the rest is left out"
            )
        if written is not None and written.in_part:
            self.warnings.append(
                f"{dataset.name.strip('/')} has frames that were written only in part, in {written.in_part} "
                f"of its chunks: what is missing of them is {dataset.fillvalue}"
            )

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Leave out frames that are not there; see `Recording.blocks`."""
        assert self.count is not None
        end = self.count if end is None else end
        if self._written is None:
            yield from super().blocks(first, end)
            return
        at = self._written.following(first)
        while at < end:
            for block in super().blocks(at, end):
                at = block.numbers[-1] + 1
                there = self._written.has(np.array(block.numbers))
                if not there.any():
                    break
                numbers = [number for number, is_there in zip(block.numbers, there, strict=True) if is_there]
                yield Block(numbers, block.pixels[there])
            at = self._written.following(at)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_hdf5(path: Path, options: Options) -> Recording:
    """Open an HDF5 file; raises as `open_recording`."""
    with reading(path, Hdf5Dataset.kind):
        import h5py

        file = h5py.File(path, "r")
        try:
            found, broken = datasets(path, file)
            shapes = {name: dataset.shape for name, dataset in found.items()}
            wanted = options.dataset or signal_name(file, found)
            each = numbered(shapes) if wanted is None else None
            if each is not None:
                return _gathered(path, file, found, each)
            try:
                name = choose(path, wanted, shapes)
            except CameraError as error:
                if broken:
                    raise type(error)(f"{error}; what leads nowhere: {', '.join(broken)}") from None
                raise
            if found[name].external:
                found[name] = _beside(found.pop(name))
            dataset = found[name]
            check_readable(path, name, dataset)
            check_chunks(path, dataset.chunks, dataset.dtype)
            axes = find_axes(path, dataset.shape, options.axes, sample=dataset)
            written = find_written(path, name, dataset, axes)
            recording = Hdf5Dataset(path, file, dataset, axes, written)
            recording.notes["dataset"] = name
            if unmapped := count_unmapped(dataset):
                recording.warnings.append(
                    f"{name} is made of other datasets, and {unmapped} of its {dataset.size} values lie in "
                    f"none of them: they are {dataset.fillvalue}"
                )
            _take_times(recording, found, name, axes.count)
            _take_rate(recording, dataset)
        except BaseException:
            file.close()
            raise
        return recording


def signal_name(file: Any, found: dict[str, Any]) -> str | None:
    """Find by what name the dataset is known that NeXus says is meant."""
    meant = signal(file)
    return next((name for name, dataset in found.items() if meant is not None and dataset == meant), None)


def _gathered(path: Path, file: Any, found: dict[str, Any], names: list[str]) -> Recording:
    """Open datasets that are a frame each, dated by their own attributes or those of their groups."""
    empty = [name for name in names if _is_unwritten(found[name])]
    names = [name for name in names if name not in set(empty)]
    if not names:
        raise CameraError(f"{path} has room for {len(empty)} frames, and none was written")
    for name in names:
        check_readable(path, name, found[name])
        check_chunks(path, found[name].chunks, found[name].dtype)
    recording = Gathered(path, names, lambda name: found[name], file.close)
    if empty:
        recording.warnings.append(
            f"{len(empty)} of its datasets, {empty[0]} the first, were never written: they are left out"
        )
    _take_rate(recording, found[names[0]])
    of_each = [found[name] for name in names], [found[name].parent for name in names]
    for leaf in TIMES:
        for holders in of_each:
            if all(leaf in one.attrs for one in holders):
                with contextlib.suppress(TypeError, ValueError):
                    values = np.array([attribute(one, leaf) for one in holders], np.float64)
                    if _keep_times(recording, values, None, f"the attributes {leaf}", 0):
                        return recording
    return recording


def _is_unwritten(dataset: Any) -> bool:
    return not (dataset.is_virtual or dataset.external or dataset.id.get_storage_size())


def _beside(dataset: Any) -> Any:
    """Open a dataset whose values lie in other files so that these are looked for beside its own."""
    import h5py

    file, name = dataset.file, dataset.name
    dataset.id.close()
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    return h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))


def datasets(path: Path, file: Any) -> tuple[dict[str, Any], list[str]]:
    """Find every dataset once, by the first name that leads to it, and the links that lead nowhere."""
    import h5py

    found: dict[str, Any] = {}
    broken: list[str] = []
    seen: set[Any] = set()

    def identity(item: Any) -> Any:
        info = h5py.h5o.get_info(item.id)
        return info.fileno, info.addr

    def walk(group: Any, prefix: str, depth: int) -> None:
        if depth > _MOST_DEPTH:
            return
        for key in group:
            name = f"{prefix}{key}"
            try:
                item = group[key]
            except (KeyError, OSError):
                link = group.get(key, getlink=True)
                where = getattr(link, "filename", "")
                broken.append(f"{name} (to {getattr(link, 'path', '?')}{f' in {where}' if where else ''})")
                continue
            if identity(item) in seen:
                continue
            seen.add(identity(item))
            if isinstance(item, h5py.Group):
                walk(item, f"{name}/", depth + 1)
            elif isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "buif":
                found[name] = item
                if len(found) > _MOST_DATASETS:
                    raise CameraError(f"{path} has more than {_MOST_DATASETS:,} datasets: save frames in one")

    walk(file, "", 0)
    return found, broken


def check_readable(path: Path, name: str, dataset: Any) -> None:
    """See that all the files and filters are there that a dataset needs.

    Of a virtual dataset whose files are missing HDF5 reads zeros.
    """
    if dataset.is_virtual:
        home = Path(dataset.file.filename).parent
        for source in dataset.virtual_sources():
            if source.file_name == "." or "%" in source.file_name:
                continue
            file = home / source.file_name
            if not file.exists():
                raise CameraError(f"{path}: {name} is made of other files, and {file} is not there")
    for part in dataset.external or ():
        if not (Path(dataset.file.filename).parent / part[0]).exists():
            raise CameraError(f"{path}: {name} lies in another file, and {part[0]} is not there")
    _provide_filters(path, name, dataset)


def _provide_filters(path: Path, name: str, dataset: Any) -> None:
    import h5py

    for code, described in _filters(dataset):
        if h5py.h5z.filter_avail(code):
            continue
        with contextlib.suppress(ImportError):
            import hdf5plugin  # noqa: F401 (it registers its filters)
        if not h5py.h5z.filter_avail(code):
            raise CameraError(
                f"{path}: {name} is compressed by the HDF5 filter {code} {described}".rstrip()
                + f", which is not there: hdf5plugin brings most ({INSTALL})"
            )


def _filters(dataset: Any) -> Iterator[tuple[int, str]]:
    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, described = plist.get_filter(number)
        yield code, described.decode("utf-8", "replace")


def _take_times(recording: Recording, found: dict[str, Any], name: str, count: int) -> None:
    """Take one number for each frame that lies beside them or among areaDetector's attributes.

    ``count`` is how many frames there is room for.
    """
    beside = name.rpartition("/")[0]
    begun_ns = start_ns(found[name])
    if begun_ns is not None:
        recording.captured_ns = begun_ns
        recording.notes["captured"] = "by start_time"
    fitting = {
        other: dataset
        for other, dataset in found.items()
        if other != name and dataset.shape in ((count,), (count, 1))
    }
    by_leaf: dict[str, str] = {}
    for other in sorted(fitting, key=lambda one: one.rpartition("/")[0] != beside):
        by_leaf.setdefault(other.rpartition("/")[2], other)
    _tell_jumps(recording, fitting.get(by_leaf.get(_UNIQUE_ID, "")))
    if all(leaf in by_leaf for leaf in EPICS):
        second, nanosecond = (
            np.asarray(fitting[by_leaf[leaf]][: recording.count], np.int64).reshape(-1) for leaf in EPICS
        )
        taken = second * 1_000_000_000 + nanosecond
        if (np.diff(taken) > 0).all():  # else a driver without EPICS times
            _keep_times(recording, taken, "ns", by_leaf[EPICS[0]], EPICS_EPOCH_S)
            return
    lower = {leaf.lower(): other for leaf, other in by_leaf.items()}
    along = fitting.get(by_leaf.get(first_axis(found[name]) or "", ""))
    if along is not None and seconds_in(unit_of(along) or "") is not None:
        values, along_name = np.asarray(along[: recording.count]).reshape(-1), along.name.lstrip("/")
        if _keep_times(recording, values, unit_of(along), along_name, 0):
            return
    for leaf in TIMES:
        if leaf.lower() not in lower:
            continue
        other = lower[leaf.lower()]
        dataset = fitting[other]
        unit = unit_of(dataset)
        epics = leaf == "NDArrayTimeStamp"
        values = np.asarray(dataset[: recording.count]).reshape(-1)
        epoch_s = EPICS_EPOCH_S if epics else 0
        if _keep_times(recording, values, "s" if epics else unit, other, epoch_s):
            return


def unit_of(dataset: Any) -> str | None:
    """Give the unit that a dataset says its numbers have."""
    return next((_text(told) for key in _UNITS if (told := attribute(dataset, key)) is not None), None)


def _tell_jumps(recording: Recording, numbers: Any) -> None:
    """Say where areaDetector's numbers of the frames jump."""
    if numbers is None or numbers.dtype.kind not in "ui":
        return
    steps = np.diff(np.asarray(numbers[: recording.count], np.int64).reshape(-1))
    missing = int((steps[steps > 1] - 1).sum())
    if missing and (steps > 0).all():
        recording.warnings.append(
            f"the camera's numbers of its frames ({_UNIQUE_ID}) jump {int((steps > 1).sum())} times: "
            f"{missing} frames may be missing"
        )


def _keep_times(recording: Recording, values: Any, unit: str | None, name: str, epoch_s: int) -> bool:
    taken = as_times(values, unit, epoch_s)
    if taken is None:
        return False
    recording.times_ns, captured_ns, how = taken
    recording.notes["times"] = f"of each frame, by {name} ({how})"
    if captured_ns is not None:
        recording.captured_ns = captured_ns
        recording.notes["captured"] = f"by {name}"
    return True


def _take_rate(recording: Recording, dataset: Any) -> None:
    for holder, where in (
        (dataset, "the dataset"),
        (dataset.parent, "its group"),
        (dataset.file, "the file"),
    ):
        for key in _RATES:
            told = attribute(holder, key)
            if told is None:
                continue
            with contextlib.suppress(TypeError, ValueError):
                rate = float(np.asarray(told).reshape(-1)[0])
                if np.isfinite(rate) and rate > 0:
                    recording.fps = rate
                    recording.notes["rate"] = f"{rate:.6g} frames/s, by the attribute {key} of {where}"
                    return


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
