"""What a folder is: a recording in one file or several, or pictures, and which of its files are meant."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.image_folder import ImageFolder
from rheed_acquire_replay.joined import Joined
from rheed_acquire_replay.ksa import KsaFrames
from rheed_acquire_replay.names import Named, in_order
from rheed_acquire_replay.numpy_files import open_npy
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.pictures import DECODERS
from rheed_acquire_replay.recording import Recording, reading
from rheed_acquire_replay.tiff import is_stack, open_tiff
from rheed_acquire_replay.tiff_facts import take_set_facts

PREFERRED = (
    *(".imm", ".img", ".tif", ".tiff", ".npy", ".pgm", ".pnm", ".ppm", ".png", ".bmp", ".tga"),
    *(".jp2", ".j2k", ".webp", ".jpeg", ".jpg"),
)
"""Of one frame in several formats, the one that has kept most of it."""
MOST_FILES = 1_000_000
"""Below a folder that holds no frames itself: hours of a camera's, and soon looked through."""
_STACKS = (".imm",)
_MOVES = ".gif"
_LISTED = 5
_SERIES = 3
"""So many files that are named alike, for each that is not, are a series."""
_NUMBERS = re.compile(r"\d+")


def open_folder(
    path: Path, options: Options, open_file: Callable[[Path, Options], Recording], others: Sequence[str]
) -> Recording:
    """Open the recording that lies in a folder; raises as `open_recording`.

    Parameters
    ----------
    open_file
        Opens a recording that is one file.
    others
        What the names of such files end in.
    """
    with reading(path, "a folder"):
        frames, recordings, root = _find(path, others)
    if not frames:
        return _open_only(path, recordings, options, open_file)
    if options.dataset is not None:
        raise CameraSettingError(
            f"--replay.dataset {options.dataset}: {path} is a folder, which has no datasets"
        )
    frames, warnings = _without_twins(frames, root)
    named = in_order(frames, root)
    warnings += _several_series(named)
    suffix = named.files[0].suffix.lower()
    if suffix in _STACKS:
        return Joined(path, named, KsaFrames, warnings)
    if suffix in (".tif", ".tiff") and any(is_stack(file) for file in (named.files[0], named.files[-1])):
        return _open_tiff_stacks(path, named, options, warnings)
    if suffix == ".npy":
        return Joined(path, named, lambda file: open_npy(file, options), warnings)
    pictures = ImageFolder(path, named, options, warnings)
    if suffix in (".tif", ".tiff") and pictures.times_ns is None:
        with reading(named.files[0], "a TIFF file"):
            take_set_facts(pictures, named.files[0])
    return pictures


def _find(path: Path, others: Sequence[str]) -> tuple[list[Path], list[Path], Path]:
    """Find the files that are frames, in the folder itself or else below it, and other recordings in it."""
    suffixes = {*DECODERS, *_STACKS, ".npy"}

    def of(files: list[Path]) -> tuple[list[Path], list[Path]]:
        # ._ is what macOS keeps beside a file on other disks.
        seen = [file for file in files if not file.name.startswith(".") and not file.is_dir()]
        frames = [file for file in seen if file.suffix.lower() in suffixes]
        if not frames:  # one that moves is a recording
            frames = [file for file in seen if file.suffix.lower() == _MOVES]
            frames = frames if len(frames) > 1 else []
        return frames, [file for file in seen if file.suffix.lower() in others]

    frames, recordings = of(list(path.iterdir()))
    if frames or recordings:
        return frames, recordings, path
    frames, recordings = of(_below(path))
    return frames, recordings, path


def _below(path: Path) -> list[Path]:
    """All files in the folders below one, those in hidden folders apart."""
    files: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(folder, name) for name in names]
        if len(files) > MOST_FILES:
            raise CameraSettingError(
                f"--replay.path {path}: more than {MOST_FILES:,} files lie in the folders below it: "
                "give the one that holds the frames"
            )
    return files


def _open_only(
    path: Path, recordings: list[Path], options: Options, open_file: Callable[[Path, Options], Recording]
) -> Recording:
    if len(recordings) == 1:
        return open_file(recordings[0], options)
    if recordings:
        named = in_order(recordings).files
        more = f" and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
        raise CameraSettingError(
            f"--replay.path {path}: it holds {len(named)} recordings, "
            f"{', '.join(str(file.relative_to(path)) for file in named[:_LISTED])}{more}: "
            "give the path of one"
        )
    raise CameraError(
        f"--replay.path {path}: it is no Zarr array, and holds no image "
        f"({', '.join(dict.fromkeys((*PREFERRED, *DECODERS)))})"
    )


def _without_twins(files: list[Path], root: Path) -> tuple[list[Path], list[str]]:
    """Leave out what is there a second time in another format."""
    by_suffix: dict[str, list[Path]] = {}
    for file in files:
        by_suffix.setdefault(file.suffix.lower(), []).append(file)
    if len(by_suffix) == 1:
        return files, []
    ranked = sorted(by_suffix, key=lambda suffix: PREFERRED.index(suffix) if suffix in PREFERRED else -1)
    kept: list[Path] = []
    warnings = []
    for suffix in ranked:
        group = by_suffix[suffix]
        have = {_stem(file, root) for file in kept}
        numbers = {_numbers(file) for file in kept}
        twins = [file for file in group if _stem(file, root) in have]
        if (
            not twins
            and len(group) > 1
            and len(group) == len(kept)
            and {_numbers(file) for file in group} == numbers
        ):
            twins = group
        if twins:
            warnings.append(
                f"{len(twins)} files {suffix} are left out, because the same frames lie there as "
                f"{kept[0].suffix.lower()}"
            )
        left = set(twins)
        kept += [file for file in group if file not in left]
    return kept, warnings


def _stem(file: Path, root: Path) -> str:
    return str(file.relative_to(root).with_suffix("")).casefold()


def _numbers(file: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBERS.findall(file.stem))[-1:]


def _several_series(named: Named) -> list[str]:
    """Say where names are of several series, as of two cameras: their frames follow one another."""
    strays = [files[0] for files in named.series.values() if len(files) == 1]
    rest = len(named.files) - len(strays)
    if strays and rest >= _SERIES * len(strays):
        listed = ", ".join(file.name for file in strays[:_LISTED])
        more = f" and {len(strays) - _LISTED} more" if len(strays) > _LISTED else ""
        return [f"{listed}{more}: named unlike the other {rest} files, and taken for frames all the same"]
    many = {shape: len(files) for shape, files in named.series.items() if len(files) > 1}
    if len(many) < 2 or len(many) > _LISTED:
        return []
    listed = ", ".join(f"{count} {shape}" for shape, count in many.items())
    return [f"its files are named in {len(many)} ways, {listed}: are they of one recording?"]


def _open_tiff_stacks(path: Path, named: Named, options: Options, warnings: list[str]) -> Recording:
    first = open_tiff(named.files[0], options)
    together = first.files_of_set
    alone = [file for file in named.files if file.name not in together]
    if len(named.files) == 1 or not alone:
        first.warnings += warnings
        if len(named.files) > 1:
            first.notes["files"] = f"{len(named.files)}, {named.files[0].name} to {named.files[-1].name}"
        return first
    first.close()
    if together:
        raise CameraSettingError(
            f"{path} holds several recordings: {named.files[0].name} belongs to {len(together)} files, and "
            f"{alone[0].name} does not: give the path of one file"
        )
    return Joined(path, named, lambda file: open_tiff(file, options), warnings)
