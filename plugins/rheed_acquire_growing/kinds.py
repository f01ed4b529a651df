"""Which kinds of files are followed, by what their names end in."""

from __future__ import annotations

from pathlib import Path

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_growing.avi_frames import GrowingAvi
from rheed_acquire_growing.growing_file import GrowingFile
from rheed_acquire_growing.hdf5_swmr import GrowingHdf5
from rheed_acquire_growing.ksa_frames import GrowingKsa
from rheed_acquire_growing.pictures import GrowingPicture
from rheed_acquire_growing.tiff_pages import GrowingTiff
from rheed_acquire_replay.pictures import DECODERS
from rheed_acquire_replay.video import SUFFIXES

KINDS: dict[str, type[GrowingFile]] = {
    **dict.fromkeys((".npy", *DECODERS), GrowingPicture),
    **dict.fromkeys((".tif", ".tiff", ".btf", ".tf8"), GrowingTiff),
    **dict.fromkeys((".imm", ".img"), GrowingKsa),
    ".avi": GrowingAvi,
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".nxs", ".he5", ".nx5", ".nc", ".nc4"), GrowingHdf5),
}


def is_followed(path: Path) -> bool:
    """Whether a file of this name can be one that is followed; hidden ones are not."""
    return path.suffix.lower() in KINDS and not path.name.startswith((".", "~"))


def check_name(path: Path) -> None:
    """Refuse a file that cannot be followed, whatever is or will be in it.

    Raises
    ------
    CameraError
        It cannot be told whether it is there.
    CameraSettingError
        It is one.
    """
    suffix = path.suffix.lower()
    try:
        # What is not there yet, and is called by no video's name, may be a folder.
        is_none = suffix not in KINDS and (path.is_file() or (suffix in SUFFIXES and not path.exists()))
    except OSError as error:
        raise CameraError(f"--growing.path {path} cannot be read: {error.strerror or error}") from None
    if is_none:
        raise CameraSettingError(
            f"--growing.path {path}: what ends in {suffix or 'nothing'} cannot be followed while it grows; "
            "TIFF, AVI, kSA 400 (.imm) and HDF5 files can, and folders of them or of images"
        )


def open_growing(path: Path, since_ns: int | None, dataset: str | None) -> GrowingFile:
    """Begin to follow a file; nothing of it is read yet."""
    kind = KINDS[path.suffix.lower()]
    if issubclass(kind, GrowingHdf5):
        return kind(path, since_ns, dataset)
    return kind(path, since_ns)
