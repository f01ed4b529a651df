"""A look at a picture's header: its size and its date, without decoding it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rheed_acquire_replay.ksa import HEADER_BYTES as KSA_HEADER_BYTES
from rheed_acquire_replay.ksa import read_header
from rheed_acquire_replay.netpbm import HEADER_BYTES as NETPBM_HEADER_BYTES
from rheed_acquire_replay.netpbm import read_header as read_netpbm_header
from rheed_acquire_replay.orientation import exif_orientation, lies_on_its_side, page_orientation
from rheed_acquire_replay.pictures import (
    NETPBM_SUFFIXES,
    PILLOW_SUFFIXES,
    decode,
    exif_time_ns,
    pillow_formats,
)
from rheed_acquire_replay.recording import reading
from rheed_acquire_replay.tiff_facts import page_time_ns

_GRAY, _DEEP, _COLOUR = "8-bit gray", "16-bit gray", "colour"
_FORMS = {
    **dict.fromkeys(("1", "L", "LA"), _GRAY),
    **dict.fromkeys(("I", "I;16", "I;16B", "I;16L"), _DEEP),
    **dict.fromkeys(("RGB", "RGBA", "RGBX", "CMYK", "YCbCr"), _COLOUR),
}
"""By pillow's modes; what a palette is made of only decoding tells."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a picture's header says.

    Attributes
    ----------
    size
        (height, width) as it will be seen.
    captured_ns
        When it was captured, in nanoseconds since 1970 in UTC, and by what.
    form
        What its pixels are, in words, where that can be told.
    """

    size: tuple[int, int]
    captured_ns: tuple[int, str] | None = None
    form: str | None = None


def look(path: Path) -> Looked:
    """Look at a picture.

    Raises
    ------
    CameraError
        It is none.
    """
    with reading(path, "an image"):
        if not path.stat().st_size:
            raise ValueError("it is empty")
        return _LOOKS.get(path.suffix.lower(), _decoded)(path)


def _with_pillow(path: Path) -> Looked:
    from PIL import Image

    with Image.open(path, formats=pillow_formats(path)) as image:
        exif = image.getexif()
        size = _as_seen(image.height, image.width, exif_orientation(exif))
        return Looked(size, exif_time_ns(exif), _FORMS.get(image.mode))


def _tiff(path: Path) -> Looked:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[0].aspage()
        size = _as_seen(page.imagelength, page.imagewidth, page_orientation(page))
        form = None
        if (
            page.dtype is not None
            and page.dtype.kind == "u"
            and page.photometric != tifffile.PHOTOMETRIC.PALETTE
        ):
            form = _COLOUR if page.samplesperpixel > 2 else _DEEP if page.dtype.itemsize == 2 else _GRAY
        return Looked(size, page_time_ns(page), form)


def _as_seen(height: int, width: int, orientation: int) -> tuple[int, int]:
    return (width, height) if lies_on_its_side(orientation) else (height, width)


def _netpbm(path: Path) -> Looked:
    with path.open("rb") as file:
        header = read_netpbm_header(file.read(NETPBM_HEADER_BYTES))
    form = _COLOUR if header.is_colour else _DEEP if header.is_deep else _GRAY
    # Plain samples may be above what the header says.
    return Looked((header.height, header.width), None, form if header.is_raw else None)


def _ksa(path: Path) -> Looked:
    with path.open("rb") as file:
        header = read_header(file.read(KSA_HEADER_BYTES))
    told = None if header.captured_ns is None else (header.captured_ns, "the headers (inferred)")
    return Looked((header.height, header.width), told)


def _npy(path: Path) -> Looked:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim < 2:
        raise ValueError(f"it holds an array of shape {array.shape}, which is no picture")
    return Looked(array.shape[:2])


def _decoded(path: Path) -> Looked:
    picture = decode(path)
    return Looked(picture.pixels.shape[:2], picture.captured_ns)


_LOOKS: dict[str, Callable[[Path], Looked]] = {
    **dict.fromkeys(PILLOW_SUFFIXES, _with_pillow),
    **dict.fromkeys((".tif", ".tiff"), _tiff),
    **dict.fromkeys(NETPBM_SUFFIXES, _netpbm),
    ".img": _ksa,
    ".npy": _npy,
}
