"""PFNC pixel formats: which can be taken, and how their samples lie in memory.

Names and layouts: GenICam Pixel Format Naming Convention 2.x (EMVA); ``Mono12Packed`` is older than the
convention and is defined by GigE Vision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from rheed_acquire.cameras.camera import CameraSettingError

UINT8 = np.dtype(np.uint8)
# PFNC transmits multi-byte samples little endian, and what follows reads single bytes of them.
UINT16 = np.dtype("<u2")


class Layout(Enum):
    """How the samples of a frame lie in memory."""

    ONE_PER_ELEMENT = "one uint8 or uint16 per sample, the value in the least significant bits"
    LSB_PACKED = "a stream of bits without gaps, least significant first (PFNC suffix p)"
    GIGE_PACKED = "two pixels in three bytes, the middle one holding the low bits of both"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A pixel format that can be turned into gray.

    Attributes
    ----------
    name
        In PFNC spelling.
    bits
        Significant bits of one sample.
    layout
        How samples lie in memory.
    colours
        The order of the samples of a colour pixel (``RGB``), or of a mosaic's 2 x 2 tile row by row
        (``RGGB``); empty for monochrome formats.
    """

    name: str
    bits: int
    layout: Layout
    colours: str = ""

    @property
    def is_packed(self) -> bool:
        """Whether samples share bytes."""
        return self.layout is not Layout.ONE_PER_ELEMENT

    @property
    def is_mosaic(self) -> bool:
        """Whether each pixel has one sample, behind a filter of one colour."""
        return len(self.colours) == 4

    @property
    def channels(self) -> str:
        """The samples of each pixel, where it has more than one; else empty."""
        return "" if self.is_mosaic else self.colours

    @property
    def unpacked(self) -> str:
        """The format of the same samples with an element each; its own name where they are not packed."""
        return self.name.removesuffix("Packed").removesuffix("p") if self.is_packed else self.name


_DEPTHS = (8, 10, 12, 14, 16)
_PACKED = {
    "10p": (10, Layout.LSB_PACKED),
    "12p": (12, Layout.LSB_PACKED),
    "12Packed": (12, Layout.GIGE_PACKED),
}
_ONE_SAMPLE = {"Mono": "", "BayerRG": "RGGB", "BayerGR": "GRBG", "BayerGB": "GBRG", "BayerBG": "BGGR"}
_SEVERAL = ("RGB", "BGR")


def _known() -> Iterator[PixelFormat]:
    for kind, colours in _ONE_SAMPLE.items():
        for bits in _DEPTHS:
            yield PixelFormat(f"{kind}{bits}", bits, Layout.ONE_PER_ELEMENT, colours)
        for end, (bits, layout) in _PACKED.items():
            yield PixelFormat(f"{kind}{end}", bits, layout, colours)
    for kind in _SEVERAL:
        for bits in _DEPTHS:
            yield PixelFormat(f"{kind}{bits}", bits, Layout.ONE_PER_ELEMENT, kind)


_FORMATS = {known.name: known for known in _known()}

# GigE Vision 1.x cameras, older than the convention, spell these in their own way.
_OTHER_SPELLINGS = {"RGB8Packed": "RGB8", "BGR8Packed": "BGR8", "RGB16Packed": "RGB16"}

SUPPORTED_FORMATS: tuple[str, ...] = tuple(_FORMATS)
"""Names of the formats that `rheed_acquire.frames.pixels.make_converter` takes, in PFNC spelling."""
_PLAIN_ENDS = ", ".join(str(bits) for bits in _DEPTHS)
SUPPORTED_IN_WORDS = (
    f"{', '.join(_ONE_SAMPLE)} with {_PLAIN_ENDS}, {', '.join(_PACKED)} behind it, "
    f"{' and '.join(_SEVERAL)} with {_PLAIN_ENDS}"
)
"""The same, for a message."""


def find_pixel_format(name: str) -> PixelFormat:
    """Return the format of this name, which may be an older spelling such as ``RGB8Packed``.

    Raises
    ------
    CameraSettingError
        The format is not supported; the message says which are.
    """
    found = _FORMATS.get(_OTHER_SPELLINGS.get(name, name))
    if found is None:
        raise CameraSettingError(
            f"the camera's pixel format {name!r} cannot be turned into 8-bit gray; "
            f"set it to one that can: {SUPPORTED_IN_WORDS}"
        )
    return found


def frame_layout(pixel_format: str, height: int, width: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype that `rheed_acquire.cameras.camera.Frame.pixels` must have.

    Parameters
    ----------
    pixel_format
        In PFNC spelling.
    height, width
        Of the image, in pixels.

    Returns
    -------
    shape, dtype
        (H, W), or in colour (H, W, 3), uint8 or little-endian uint16; for packed formats
        (ceil(bits * H * W / 8),) uint8: rows follow one another without padding, also where a row does not
        end on a whole byte.

    Raises
    ------
    CameraSettingError
        The format is not supported, or is a Bayer format and the image smaller than 2 x 2.
    ValueError
        Height or width is not positive.
    """
    known = find_pixel_format(pixel_format)
    if height < 1 or width < 1:
        raise ValueError(f"a frame of {height} x {width} pixels has no pixels")
    if known.is_mosaic and (height < 2 or width < 2):
        raise CameraSettingError(
            f"{known.name} needs a region of at least 2 x 2 pixels to have all colours, "
            f"not {height} x {width} (height x width)"
        )
    if known.is_packed:
        return (math.ceil(known.bits * height * width / 8),), UINT8
    shape = (height, width, len(known.channels)) if known.channels else (height, width)
    return shape, UINT8 if known.bits == 8 else UINT16
