"""A look at a picture's header: its size and its date, without decoding it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rheed_acquire_replay.ksa import HEADER_BYTES as KSA_HEADER_BYTES
from rheed_acquire_replay.ksa import read_header
from rheed_acquire_replay.orientation import exif_orientation, lies_on_its_side, page_orientation
from rheed_acquire_replay.pgm import HEADER_BYTES, read_pgm_header
from rheed_acquire_replay.pictures import PILLOW_FORMATS, decode, exif_time_ns
from rheed_acquire_replay.recording import reading
from rheed_acquire_replay.tiff_facts import page_time_ns

Looked = tuple[tuple[int, int], tuple[int, str] | None]
"""(height, width) as it will be seen, and when it was captured, in nanoseconds since 1970, and by what."""


def look(path: Path) -> Looked:
    """Look at a picture.

    Raises
    ------
    CameraError
        It is none.
    """
    with reading(path, "an image"):
        return _LOOKS.get(path.suffix.lower(), _decoded)(path)


def _with_pillow(path: Path) -> Looked:
    from PIL import Image

    with Image.open(path, formats=PILLOW_FORMATS) as image:
        exif = image.getexif()
        size = _as_seen(image.height, image.width, exif_orientation(exif))
        return size, exif_time_ns(exif)


def _tiff(path: Path) -> Looked:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[0].aspage()
        size = _as_seen(page.imagelength, page.imagewidth, page_orientation(page))
        return size, page_time_ns(page)


def _as_seen(height: int, width: int, orientation: int) -> tuple[int, int]:
    return (width, height) if lies_on_its_side(orientation) else (height, width)


def _pgm(path: Path) -> Looked:
    with path.open("rb") as file:
        _, height, width, _, _ = read_pgm_header(file.read(HEADER_BYTES))
    return (height, width), None


def _ksa(path: Path) -> Looked:
    with path.open("rb") as file:
        header = read_header(file.read(KSA_HEADER_BYTES))
    told = None if header.captured_ns is None else (header.captured_ns, "the headers (inferred)")
    return (header.height, header.width), told


def _npy(path: Path) -> Looked:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim < 2:
        raise ValueError(f"it holds an array of shape {array.shape}, which is no picture")
    return array.shape[:2], None


def _decoded(path: Path) -> Looked:
    picture = decode(path)
    return picture.pixels.shape[:2], picture.captured_ns


_LOOKS: dict[str, Callable[[Path], Looked]] = {
    **dict.fromkeys((".bmp", ".jpg", ".jpeg", ".png"), _with_pillow),
    **dict.fromkeys((".tif", ".tiff"), _tiff),
    ".pgm": _pgm,
    ".img": _ksa,
    ".npy": _npy,
}
