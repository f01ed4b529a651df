"""Image files as frames: a folder of BMP, PNG and TIFF files, played in a loop.

Every picture is decoded when the camera is opened, so that a broken file is found before the run. Pictures
are kept up to `CACHE_BYTES` together; those beyond are decoded anew on each round, as fast as the files can
be read. 16-bit gray becomes Mono16; 16-bit colour is reduced to RGB8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError

if TYPE_CHECKING:
    import tifffile

CACHE_BYTES = 512 << 20

_TIFF = (".tif", ".tiff")
_SUFFIXES = (".bmp", ".png", *_TIFF)
_PILLOW_FORMATS = ("BMP", "PNG")
"""Whatever a file is called, pillow's other decoders are not tried on it."""
_INSTALL = 'pip install "rheed-acquire[images]"'
_FORMATS = {(2, "uint8"): "Mono8", (2, "uint16"): "Mono16", (3, "uint8"): "RGB8"}


@dataclass(frozen=True, slots=True)
class _Page:
    """One picture: a file, and the page in it where it is a TIFF file."""

    path: Path
    number: int = 0

    def __str__(self) -> str:
        return f"{self.path}, page {self.number + 1}" if self.number else str(self.path)


class ImageFiles:
    """Frames from the image files of a folder.

    Parameters
    ----------
    folder
        Holds the files; they are played sorted by name, a TIFF file page by page. Other files are passed
        over.

    Raises
    ------
    CameraError
        There is no such folder or no image in it; a file cannot be read; the pictures are not all of one
        size and format; pillow or tifffile is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._pages: list[_Page] = []
        self._kept: dict[int, NDArray[Any]] = {}
        room = CACHE_BYTES
        for path in _image_files(folder):
            for page, picture in _pages_of(path):
                if not self._pages:
                    self.shape = picture.shape
                    self.pixel_format = _FORMATS[picture.ndim, picture.dtype.name]
                self._check(page, picture)
                room -= picture.nbytes
                if room >= 0:
                    self._kept[len(self._pages)] = picture
                self._pages.append(page)
        self.height, self.width = self.shape[:2]

    def pixels(self, number: int) -> NDArray[Any]:
        """Return frame ``number``, valid until the next call.

        Returns
        -------
        Shape (height, width) uint8 or uint16, or (height, width, 3) uint8; C-contiguous. The caller may
        write into the first 8 pixels.

        Raises
        ------
        CameraError
            A file that is not kept in memory cannot be read any more, or has changed its size.
        """
        index = number % len(self._pages)
        picture = self._kept.get(index)
        if picture is None:
            page = self._pages[index]
            picture = _read(page)
            self._check(page, picture)
        return picture

    def _check(self, page: _Page, picture: NDArray[Any]) -> None:
        pixel_format = _FORMATS[picture.ndim, picture.dtype.name]
        if (picture.shape, pixel_format) != (self.shape, self.pixel_format):
            raise CameraError(
                f"{page} is {picture.shape[1]} x {picture.shape[0]} {pixel_format}, but {self._pages[0]} is "
                f"{self.shape[1]} x {self.shape[0]} {self.pixel_format}: "
                f"--simulated.images plays pictures of one size and format"
            )


def _image_files(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise CameraError(f"--simulated.images {folder}: a folder is needed, and this {what}")
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
        files = [path for path in entries if path.suffix.lower() in _SUFFIXES and path.is_file()]
    except OSError as error:
        raise CameraError(f"--simulated.images {folder} cannot be listed: {error.strerror}") from error
    if not files:
        raise CameraError(f"--simulated.images {folder} holds no image file ({', '.join(_SUFFIXES)})")
    return files


def _read(page: _Page) -> NDArray[Any]:
    """Decode one picture."""
    for found, picture in _pages_of(page.path, only=page.number):
        if found == page:
            return picture
    raise CameraError(f"{page} is not there any more")


def _pages_of(path: Path, only: int | None = None) -> Iterator[tuple[_Page, NDArray[Any]]]:
    """Decode the pictures of one file one by one, or the one with the number ``only``."""
    decode = _decode_tiff if path.suffix.lower() in _TIFF else _decode_with_pillow
    try:
        for number, picture in decode(path, only):
            yield _Page(path, number), _as_frame(picture)
    except ImportError as error:
        package = "pillow" if error.name == "PIL" else error.name
        raise CameraError(f"{package} is needed to read {path}: {_INSTALL}") from error
    # Decoders raise errors of many kinds on a broken file: OSError, ValueError, SyntaxError, struct.error.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CameraError(f"{path} cannot be read as an image: {reason}") from error


def _decode_with_pillow(path: Path, only: int | None) -> Iterator[tuple[int, NDArray[Any]]]:
    from PIL import Image

    if only:
        return
    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        if image.mode in ("1", "LA"):
            yield 0, np.asarray(image.convert("L"))
        elif image.mode == "P":
            colours = np.asarray(image.convert("RGB"))
            # BMP stores gray as a palette, which pillow recognises only where it is the full ramp.
            gray = bool(
                (colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all()
            )
            yield 0, colours[..., 0] if gray else colours
        else:
            yield 0, np.asarray(image)


def _decode_tiff(path: Path, only: int | None) -> Iterator[tuple[int, NDArray[Any]]]:
    import tifffile

    with tifffile.TiffFile(path) as stack:
        for number, page in enumerate(stack.pages):
            if only is None or number == only:
                yield number, _decode_page(page)


def _decode_page(page: tifffile.TiffPage | tifffile.TiffFrame) -> NDArray[Any]:
    import tifffile

    whole = page.aspage()
    picture = np.asarray(whole.asarray())
    if whole.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise ValueError("it has colours by palette; save it as gray or RGB")
    if whole.photometric == tifffile.PHOTOMETRIC.MINISWHITE and picture.dtype.kind == "u":
        return np.asarray(np.iinfo(picture.dtype).max - picture)
    return picture


def _as_frame(picture: NDArray[Any]) -> NDArray[Any]:
    """Copy a decoded picture into one of the shapes and types that a frame can have."""
    if picture.ndim == 3 and picture.shape[2] in (1, 4):
        picture = picture[..., 0] if picture.shape[2] == 1 else picture[..., :3]
    if picture.dtype == np.int32 and picture.ndim == 2 and picture.min() >= 0 and picture.max() <= 0xFFFF:
        picture = picture.astype(np.uint16)
    if picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    shape_fits = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if not shape_fits or (picture.ndim, picture.dtype.name) not in _FORMATS:
        raise ValueError(
            f"it holds {picture.dtype.name} values of shape {picture.shape}, not 8- or 16-bit gray or RGB"
        )
    if picture.shape[0] * picture.shape[1] < 8:
        raise ValueError("it has fewer than 8 pixels")
    return np.array(picture, dtype=picture.dtype.newbyteorder("="), order="C")
