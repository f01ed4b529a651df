"""Which kind of recording a path is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.hdf5 import open_hdf5
from rheed_acquire_replay.image_folder import ImageFolder
from rheed_acquire_replay.numpy_files import open_npy, open_npz
from rheed_acquire_replay.recording import Recording
from rheed_acquire_replay.tiff import open_tiff
from rheed_acquire_replay.video import Video
from rheed_acquire_replay.zarr_run import find_zarr, open_zarr

_WITH_DATASETS: dict[str, Callable[[Path, str | None], Recording]] = {
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".nxs"), open_hdf5),
    ".npz": open_npz,
}
_WITHOUT: dict[str, Callable[[Path], Recording]] = {
    **dict.fromkeys((".tif", ".tiff"), open_tiff),
    ".npy": open_npy,
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".avi", ".mkv"), Video),
}


def open_recording(path: Path | None, dataset: str | None) -> Recording:
    """Open what lies at a path, by its kind.

    Raises
    ------
    CameraError
        There is nothing, or nothing that can be read.
    CameraSettingError
        No path was given, or ``dataset`` does not suit the recording.
    """
    if path is None:
        raise CameraSettingError("--replay.path is needed: the recording to replay")
    if not path.exists():
        raise CameraError(f"--replay.path {path}: there is no such file or folder")
    if path.is_dir():
        group = find_zarr(path)
        if group is not None:
            return open_zarr(group, dataset)
        _refuse_dataset(path, dataset, "a folder of images")
        return ImageFolder(path)
    suffix = path.suffix.lower()
    if suffix in _WITH_DATASETS:
        return _WITH_DATASETS[suffix](path, dataset)
    if suffix in _WITHOUT:
        _refuse_dataset(path, dataset, f"a {suffix} file")
        return _WITHOUT[suffix](path)
    raise CameraError(
        f"--replay.path {path}: what ends in {suffix or 'nothing'} cannot be replayed; a Zarr array, a "
        f"folder of images, or {', '.join((*_WITH_DATASETS, *_WITHOUT))} can"
    )


def _refuse_dataset(path: Path, dataset: str | None, what: str) -> None:
    if dataset is not None:
        raise CameraSettingError(f"--replay.dataset {dataset}: {path} is {what}, which has no datasets")
