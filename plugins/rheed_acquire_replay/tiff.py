"""TIFF stacks: pages, ImageJ's hyperstacks, OME-TIFF in one file or several."""

from __future__ import annotations

import logging
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.arrays import MOST_AT_ONCE, ArrayRecording, find_axes
from rheed_acquire_replay.axes import Axes
from rheed_acquire_replay.micro_manager import take_index
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.orientation import oriented, page_orientation
from rheed_acquire_replay.recording import MOST_PIXELS, Block, Recording, reading
from rheed_acquire_replay.tiff_facts import take_facts

if TYPE_CHECKING:
    import tifffile

# What it says there of a file that is damaged or odd is no line of ours for the user.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MOST_COLOURS = 4


class TiffPages(Recording):
    """Frames that each have a page of their own, of one file or several, compressed or not.

    Parameters
    ----------
    pages
        In the order of the frames.
    """

    kind: ClassVar[str] = "a TIFF file"
    path: Path

    def __init__(self, path: Path, file: tifffile.TiffFile, pages: Any) -> None:
        picture = decode_page(pages[0])
        super().__init__(path, picture.shape, picture.dtype, len(pages))
        self.pages, self._files = pages, {file, pages[0].parent}

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        for number in range(first, self.count if end is None else end):
            with reading(self.path, f"{self.kind}, from page {number + 1} on"):
                page = self.pages[number]
                self._files.add(page.parent)
                picture = decode_page(page)
            yield Block([number], self.checked(picture, f"page {number + 1} of {self.path}"))

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class TiffSeries(ArrayRecording):
    """Frames that lie one behind the other in a file, whatever pages it lists (ImageJ's, above 4 GB)."""

    kind: ClassVar[str] = "a TIFF file"


def open_tiff(path: Path, options: Options) -> Recording:
    """Open a TIFF file; raises as `open_recording`."""
    with reading(path, TiffPages.kind):
        import tifffile

        file = tifffile.TiffFile(path)
        try:
            # All pages are found first: only so tifffile sees that one of them leads back to an earlier one.
            len(file.pages)
            series = _choose(path, file, options)
            axes = None
            if series is None:
                of_full_size = _of_full_size(file)
                pages = [page for one in of_full_size for page in one.pages]
                recording: Recording = TiffPages(path, file, pages)
                recording.notes["frames"] = f"{len(pages)} pages"
                series = of_full_size[0]
            else:
                recording, axes = _open_series(path, file, series, options)
            take_facts(recording, file, series, axes)
            if series.kind == "ndtiff" and isinstance(recording, TiffPages):
                take_index(recording, path.parent, recording.pages)
            recording.files_of_set = _files_of(series)
            if _breaks_off(file):
                recording.broken = (
                    f"{path} breaks off: what follows page {len(file.pages)} is not there: is it cut off, or "
                    "still being written?"
                )
            if not isinstance(recording, TiffPages):
                file.close()
        except BaseException:
            file.close()
            raise
        return recording


def _open_series(
    path: Path, file: tifffile.TiffFile, series: Any, options: Options
) -> tuple[Recording, Axes | None]:
    """Open a series; with its axes, unless frames are left out of it."""
    pages, key = series.pages, series.keyframe
    pages_missing = next((number for number, page in enumerate(_listed(series)) if page is None), None)
    if pages_missing is not None and series.kind == "ndtiff":
        there = [page for page in pages if page is not None]
        recording = TiffPages(path, file, there)
        recording.notes["frames"] = f"{len(there)} images of an NDTiff"
        recording.warnings.append(
            f"{len(pages) - len(there)} images that its index has room for, {series.axes} of "
            f"{' x '.join(map(str, series.shape))}, were never written"
        )
        return recording, None
    if pages_missing is not None:
        raise CameraError(
            f"{path}: its metadata tells of more files, and page {pages_missing + 1} of {len(pages)} lies "
            "in one that is not there: put all files of the recording into one folder"
        )
    axes = find_axes(path, series.shape, options.axes, _axes_of(series), "the file's axes")
    plain = key.photometric.name in ("MINISBLACK", "RGB") and page_orientation(key) == 1
    if series.dataoffset is not None and plain and key.is_memmappable and _in_planes(axes):
        mapped = _mapped(path, series)
        return TiffSeries(path, mapped, axes), axes
    if len(pages) != axes.count:
        # Pages that each hold several frames, or a part of one.
        if math.prod(series.shape) * series.dtype.itemsize > MOST_AT_ONCE:
            raise CameraError(
                f"{path} keeps {series.shape} in {len(pages)} pages, which can be read at once only, and "
                "is too large for that: save it with a page for each frame"
            )
        check_page(key, key)
        return ArrayRecording(path, series.asarray(), axes), axes
    recording = TiffPages(path, file, pages)
    recording.notes["frames"] = str(axes)
    return recording, axes


def is_stack(path: Path) -> bool:
    """Whether a file has more than one page, or a page of several frames; not where it cannot be read."""
    try:
        with reading(path, TiffPages.kind):
            import tifffile

            with tifffile.TiffFile(path) as file:
                if len(file.pages) > 1:
                    return True
                series = file.series[0]
                return math.prod(series.shape) > math.prod(series.keyframe.shape) or len(series.pages) > 1
    except CameraError:
        return False


def _breaks_off(file: tifffile.TiffFile) -> bool:
    """Whether the last page that can be found names one that cannot."""
    last, tiff, handle = file.pages[-1], file.tiff, file.filehandle
    if getattr(last, "is_virtual", False):
        return False
    handle.seek(last.offset)
    (tags,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
    handle.seek(tags * tiff.tagsize, os.SEEK_CUR)
    behind = handle.read(tiff.offsetsize)
    return len(behind) < tiff.offsetsize or any(behind)


def _mapped(path: Path, series: Any) -> NDArray[Any]:
    """Map the frames of a series that lie one behind the other."""
    dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
    end, size = series.dataoffset + series.nbytes, path.stat().st_size
    if end > size:
        raise CameraError(
            f"{path} ends {end - size} bytes before its last frame does: is it cut off, or still being "
            "written?"
        )
    return np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape))


def _listed(series: Any) -> list[Any]:
    """Give the pages of which some may lie in other files, or nowhere; those of other kinds need no look."""
    return list(series.pages) if series.kind in ("ome", "ndtiff") else []


def _files_of(series: Any) -> frozenset[str]:
    """Give the names of the files that hold the frames, where there are several."""
    names = {page.parent.filename for page in _listed(series) if page is not None}
    return frozenset(names) if len(names) > 1 else frozenset()


def _choose(path: Path, file: tifffile.TiffFile, options: Options) -> Any:
    """Choose the series of a file that is the recording: the one that was named, or of many frames.

    None where every page is a series of its own, all of one size: then the pages are the frames. Smaller
    copies of pictures are none.
    """
    series = _of_full_size(file)
    if not series:
        raise ValueError("it has no page")
    if options.dataset is not None:
        if not options.dataset.isdecimal() or int(options.dataset) >= len(file.series):
            raise CameraSettingError(
                f"--replay.dataset {options.dataset}: {path} has the series 0 to {len(file.series) - 1}"
            )
        return file.series[int(options.dataset)]
    if len(series) == 1:
        return series[0]
    if not file.is_ome and len({(one.keyframe.shape, one.dtype) for one in series}) == 1:
        return None
    stacks = [
        one for one in series if len(one.pages) > 1 or len([size for size in one.shape if size > 1]) > 2
    ]
    if len(stacks) == 1:
        return stacks[0]
    listed = ", ".join(f"{number} {tuple(one.shape)}" for number, one in enumerate(file.series[:10]))
    more = " and more" if len(file.series) > 10 else ""
    raise CameraSettingError(
        f"{path} has {len(file.series)} series of pictures, {listed}{more}: all frames of a stream have one "
        "size; choose one with --replay.dataset NUMBER"
    )


def _of_full_size(file: tifffile.TiffFile) -> list[Any]:
    """Give the series that are no smaller copies of others, where there are any."""
    every = list(file.series)
    return [one for one in every if not one.keyframe.is_reduced] or every


def _axes_of(series: Any) -> str | None:
    """Give the axes as tifffile names them, where those mean something."""
    letters = str(series.axes)
    return letters if "Y" in letters and "X" in letters and len(set(letters)) == len(letters) else None


def _in_planes(axes: Axes) -> bool:
    letters = axes.letters.replace("_", "")
    return letters.endswith(("YX", "YXS"))


def described(page: Any) -> Any:
    """Give the page that says what this one is: itself, unless it is known by an index only."""
    return page.keyframe if page.is_virtual else page.aspage()


def decode_page(page: Any) -> NDArray[Any]:
    """Decode one page the way up that it says, in which 0 is black: (H, W), or (H, W, 3) or (H, W, 4)."""
    import tifffile

    if page.parent.filehandle.closed:  # one of several files of a set
        page.parent.filehandle.open()
    whole = described(page)
    check_page(whole, page)
    picture = np.asarray(page.asarray())
    if whole.photometric == tifffile.PHOTOMETRIC.PALETTE:
        picture = _by_palette(picture, np.asarray(whole.colormap))
    elif whole.photometric == tifffile.PHOTOMETRIC.MINISWHITE and picture.dtype.kind == "u":
        picture = np.asarray((1 << whole.bitspersample) - 1 - picture, picture.dtype)
    picture = (
        picture.reshape([size for size in picture.shape if size != 1] or [1]) if picture.ndim > 3 else picture
    )
    if (
        picture.ndim == 3
        and picture.shape[0] in (3, 4)
        and whole.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    ):
        picture = np.moveaxis(picture, 0, -1)
    elif picture.ndim == 3 and picture.shape[-1] in (1, 2):
        picture = picture[..., 0]  # gray, with opacity
    return oriented(picture, page_orientation(whole))


def check_page(whole: Any, page: Any) -> None:
    """Refuse a page that says it is larger than it can be, before there is memory for it.

    Raises
    ------
    ValueError
        It has more pixels than can be replayed, or fewer strips or tiles than its size asks for.
    """
    if math.prod(whole.shape) > MOST_PIXELS * _MOST_COLOURS:
        raise ValueError(f"it says that it has {' x '.join(map(str, whole.shape))} values")
    parts, there = math.prod(whole.chunked), len(page.dataoffsets)
    if there < parts:
        raise ValueError(f"{there} of its {parts} strips or tiles are there")


def _by_palette(picture: NDArray[Any], colours: NDArray[Any]) -> NDArray[Any]:
    """Look pictures' numbers up in a palette of 16 bits: gray where all of its colours are."""
    gray = bool((colours == colours[:1]).all())
    # Palettes of 8 bits are spread over 16, by 256 or by 257.
    levels = (colours >> 8).astype(np.uint8)
    return levels[0][picture] if gray else np.moveaxis(levels[:, picture], 0, -1)
