"""HDF5 files: datasets wherever links lead to, with the filters of hdf5plugin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
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
from rheed_acquire_replay.hdf5_superblock import check_superblock
from rheed_acquire_replay.hdf5_texts import is_text
from rheed_acquire_replay.hdf5_times import TIME_NAMES, TIMES, keep_times, take_rate, take_times
from rheed_acquire_replay.nexus import signal
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.recording import Block, Recording, reading

_MOST_DATASETS, _MOST_DEPTH = 100_000, 32


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
        close_with_linked(self._file, [self._array])


def open_hdf5(path: Path, options: Options) -> Recording:
    """Open an HDF5 file; raises as `open_recording`."""
    with reading(path, Hdf5Dataset.kind):
        import h5py

        check_superblock(path)
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
            by_matlab = _matlab_axes(dataset)
            axes = find_axes(path, dataset.shape, options.axes, by_matlab, "MATLAB's order", dataset)
            written = find_written(path, name, dataset, axes)
            recording = Hdf5Dataset(path, file, dataset, axes, written)
            recording.notes["dataset"] = name
            if unmapped := count_unmapped(dataset):
                recording.warnings.append(
                    f"{name} is made of other datasets, and {unmapped} of its {dataset.size} values lie in "
                    f"none of them: they are {dataset.fillvalue}"
                )
            take_times(recording, found, name, axes.count)
            take_rate(recording, dataset)
        except BaseException:
            file.close()
            raise
        return recording


def _matlab_axes(dataset: Any) -> str | None:
    """Give the axes of an array that MATLAB has saved (-v7.3): in reverse, as it counts columns first.

    There frames are (height, width, frames), and in colour (height, width, 3, frames), as it reads them.
    """
    if attribute(dataset, "MATLAB_class") is None:
        return None
    shape = dataset.shape
    if len(shape) == 3 and shape[0] == 3 and min(shape[1:]) > 4:
        return "SXY"
    return {2: "XY", 3: "TXY", 4: "TSXY" if shape[1] == 3 else "TZXY"}.get(len(shape))


def close_with_linked(file: Any, datasets: Iterable[Any]) -> None:
    """Close a file, and those that its external links lead to, which are open as long as a dataset is."""
    for dataset in datasets:
        if dataset:  # h5py's word for open
            dataset.id.close()
    file.close()


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
    close = partial(close_with_linked, file, list(found.values()))
    recording = Gathered(path, names, lambda name: found[name], close)
    if empty:
        recording.warnings.append(
            f"{len(empty)} of its datasets, {empty[0]} the first, were never written: they are left out"
        )
    take_rate(recording, found[names[0]])
    of_each = [found[name] for name in names], [found[name].parent for name in names]
    for leaf in TIMES:
        for holders in of_each:
            if all(leaf in one.attrs for one in holders):
                with contextlib.suppress(TypeError, ValueError):
                    told = [attribute(one, leaf) for one in holders]
                    values = np.array(told, np.str_ if isinstance(told[0], str | bytes) else np.float64)
                    if keep_times(recording, values, None, f"the attributes {leaf}", 0):
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
            elif isinstance(item, h5py.Dataset) and item.shape is not None and _is_told(item):
                found[name] = item
                if len(found) > _MOST_DATASETS:
                    raise CameraError(f"{path} has more than {_MOST_DATASETS:,} datasets: save frames in one")

    walk(file, "", 0)
    return found, broken


def _is_told(dataset: Any) -> bool:
    """Whether a dataset can be frames, or numbers or texts that tell of them."""
    if dataset.dtype.kind in "buif":
        return True
    if dataset.size < 2 or dataset.size != max(dataset.shape):
        return False
    return dataset.name.rpartition("/")[2].lower() in TIME_NAMES and is_text(dataset)


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
