"""Which kind of recording a path is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rheed_acquire import BucketPath, CameraError, CameraSettingError
from rheed_acquire_replay import video
from rheed_acquire_replay.folders import open_folder
from rheed_acquire_replay.hdf5 import open_hdf5
from rheed_acquire_replay.hdf5_superblock import SIGNATURE as HDF5_SIGNATURE
from rheed_acquire_replay.image_folder import ImageFolder
from rheed_acquire_replay.ksa import KsaFrames
from rheed_acquire_replay.names import in_order
from rheed_acquire_replay.numpy_files import open_npy, open_npz
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.pictures import DECODERS
from rheed_acquire_replay.prepared import PreparedRecording
from rheed_acquire_replay.raw_file import RawFile
from rheed_acquire_replay.recording import Recording, reading
from rheed_acquire_replay.tiff import open_tiff
from rheed_acquire_replay.zarr_arrays import find_zarr, open_zarr
from rheed_acquire_replay.zarr_run import ZarrRun

_WITH_DATASETS: dict[str, Callable[[Path, Options], Recording]] = {
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".nxs", ".he5", ".nx5", ".nc", ".nc4"), open_hdf5),
    ".npz": open_npz,
    **dict.fromkeys((".tif", ".tiff", ".btf", ".tf8"), open_tiff),
}
_WITHOUT: dict[str, Callable[[Path, Options], Recording]] = {
    ".npy": open_npy,
    **dict.fromkeys((".imm", ".img"), lambda path, options: KsaFrames(path)),  # noqa: ARG005
    **dict.fromkeys(video.SUFFIXES, lambda path, options: video.Video(path, skip_bad=options.skip_bad)),
    **{
        suffix: lambda path, options: ImageFolder(path, in_order([path]), options)
        for suffix in DECODERS
        if suffix not in (".tif", ".tiff", ".img")
    },
}


_SIGNATURES = {
    HDF5_SIGNATURE: ".h5",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), ".tif"),
    b"\x93NUMPY": ".npy",
}
_USER_BLOCKS = (0, 512, 1024, 2048)
"""Where an HDF5 file may begin, as those of MATLAB do, behind what other programs read."""
_WAYS_OUT = {
    **dict.fromkeys((".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".xz", ".bz2", ".zst"), "unpack it first"),
    ".mat": "save it again with MATLAB's save(..., '-v7.3'), which makes an HDF5 file of it",
    **dict.fromkeys(
        (
            ".spe",
            ".sif",
            ".seq",
            ".cxd",
            ".his",
            ".dm3",
            ".dm4",
            ".ser",
            ".mrc",
            ".fits",
            ".fit",
            ".fts",
            ".tdms",
        ),
        "have the program that wrote it export it as TIFF, HDF5 or uncompressed AVI",
    ),
    **dict.fromkeys((".ibw", ".pxp", ".opj", ".opju", ".czi", ".lif", ".nd2"), "export it as TIFF"),
    **dict.fromkeys((".avif", ".heic", ".heif", ".svg", ".pdf", ".psd"), "convert it to PNG or TIFF"),
    **dict.fromkeys((".raw", ".bin", ".dat", ".data", ".img16"), "say how its pixels lie with --replay.raw"),
}
"""What to do with files that are not read, by what their names end in."""


def open_recording(path: Path | BucketPath | None, options: Options | None = None) -> PreparedRecording:
    """Open what lies at a path, by its kind, and look at it.

    Raises
    ------
    CameraError
        There is nothing, or nothing that can be read.
    CameraSettingError
        No path was given, or what the user says does not suit the recording, or has to be said.
    """
    options = options or Options()
    if path is None:
        raise CameraSettingError("--replay.path is needed: the recording to replay")
    try:
        is_there = not isinstance(path, Path) or path.exists()
    except OSError as error:
        raise CameraError(f"--replay.path {path} cannot be read: {error.strerror or error}") from None
    if not is_there:
        raise CameraError(f"--replay.path {path}: there is no such file or folder")
    source = _open(path, options)
    try:
        return PreparedRecording(source, options)
    except BaseException:
        source.close()
        raise


def _open(path: Path | BucketPath, options: Options) -> Recording:
    if isinstance(path, BucketPath):
        return ZarrRun(path)
    if not path.is_dir():
        return _open_file(path, options)
    if options.raw is not None:
        raise CameraSettingError(f"--replay.raw describes one file, and {path} is a folder")
    group = find_zarr(path)
    if group is not None:
        return open_zarr(group, options)
    return open_folder(path, options, _open_file, (*_WITH_DATASETS, *video.SUFFIXES))


def _open_file(path: Path, options: Options) -> Recording:
    if not path.stat().st_size:
        raise CameraError(f"{path} is empty")
    if options.raw is not None:
        return RawFile(path, options.raw)
    suffix = path.suffix.lower()
    if suffix in _WITH_DATASETS:
        return _WITH_DATASETS[suffix](path, options)
    if suffix in _WITHOUT:
        if options.dataset is not None:
            raise CameraSettingError(
                f"--replay.dataset {options.dataset}: {path} is a {suffix} file, which has no datasets"
            )
        return _WITHOUT[suffix](path, options)
    known = _by_content(path)
    if known is not None:
        recording = (_WITH_DATASETS | _WITHOUT)[known](path, options)
        recording.notes.setdefault("format", f"{recording.kind}, by its content")
        return recording
    if suffix in _WAYS_OUT:
        raise CameraError(
            f"--replay.path {path}: what ends in {suffix} cannot be replayed: {_WAYS_OUT[suffix]}"
        )
    raise CameraError(
        f"--replay.path {path}: what ends in {suffix or 'nothing'} cannot be replayed; a Zarr array, a "
        "kSA 400, HDF5, TIFF, NumPy or video file, a picture or a folder of pictures can, and --replay.raw "
        "describes a file of nothing but pixels"
    )


def _by_content(path: Path) -> str | None:
    """What the name of a file would end in by how it begins; None where that says nothing."""
    with reading(path, "a recording"), path.open("rb") as file:
        for begin in _USER_BLOCKS:
            file.seek(begin)
            content = file.read(8)
            for signature, suffix in _SIGNATURES.items():
                if content.startswith(signature) and (begin == 0 or suffix == ".h5"):
                    return suffix
    return None
