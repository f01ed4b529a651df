"""Folders of images, one frame in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_replay.recording import Block, Recording, reading
from rheed_acquire_replay.tiff import decode_page

_TIFF = (".tif", ".tiff")
SUFFIXES = (".bmp", ".jpg", ".jpeg", ".pgm", ".png", *_TIFF)
_PILLOW_FORMATS = ("BMP", "JPEG", "PNG", "PPM")
"""Whatever a file is called, pillow's other decoders are not tried on it."""


class ImageFolder(Recording):
    """The images of a folder in natural order: frame2.png before frame10.png. Other files are passed over.

    Raises
    ------
    CameraError
        There is no image, or the first one cannot be read.
    """

    kind: ClassVar[str] = "an image"

    def __init__(self, path: Path) -> None:
        with reading(path, "a folder of images"):
            entries = [entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES]
        if not entries:
            raise CameraError(
                f"--replay.path {path}: it is no Zarr array, and holds no image ({', '.join(SUFFIXES)})"
            )
        self._files = sorted(entries, key=natural_order)
        picture = decode(self._files[0])
        super().__init__(path, picture.shape, picture.dtype, len(self._files))

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        for number, file in enumerate(self._files[first:end], start=first):
            yield Block([number], self.checked(decode(file), str(file)))


def natural_order(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort by the parts of a name, numbers by their value; what is the same so far, by its text."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.stem)
    key = [(False, int(part), "") if part[0] in "0123456789" else (True, 0, part) for part in parts]
    return key, path.name


def decode(path: Path) -> NDArray[Any]:
    """Decode the picture of a file: (H, W) or (H, W, 3).

    Raises
    ------
    CameraError
        It cannot be read, or holds several pictures.
    """
    with reading(path, ImageFolder.kind):
        return _decode_tiff(path) if path.suffix.lower() in _TIFF else _decode_with_pillow(path)


def _decode_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            raise CameraError(f"{path} holds {len(file.pages)} pages: a stack is replayed by itself")
        return decode_page(file.pages[0])


def _decode_with_pillow(path: Path) -> NDArray[Any]:
    from PIL import Image

    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        if image.mode in ("1", "LA"):
            return np.asarray(image.convert("L"))
        if image.mode not in ("P", "RGBA"):
            return np.asarray(image)
        colours = np.asarray(image.convert("RGB"))
        # BMP keeps gray as a palette, which pillow recognises only where it is the full ramp.
        gray = image.mode == "P" and bool((colours == colours[..., :1]).all())
        return colours[..., 0] if gray else colours
