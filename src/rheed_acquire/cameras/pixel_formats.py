"""PFNC pixel formats: which can be taken, and how their samples lie in memory.

Names and layouts: GenICam Pixel Format Naming Convention 2.x (EMVA); ``Mono12Packed`` is older than the
convention and is defined by GigE Vision.
"""

from __future__ import annotations

import math
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

    ONE_PER_ELEMENT = "one uint8 or uint16 per pixel, the value in the least significant bits"
    LSB_PACKED = "a stream of bits without gaps, least significant first (PFNC suffix p)"
    GIGE_PACKED = "two pixels in three bytes, the middle one holding the low bits of both"
    COLOUR = "three bytes per pixel"
    BAYER = "one byte per pixel behind a mosaic of colour filters"


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
        return self.layout in (Layout.LSB_PACKED, Layout.GIGE_PACKED)


_FORMATS = {
    known.name: known
    for known in (
        PixelFormat("Mono8", 8, Layout.ONE_PER_ELEMENT),
        PixelFormat("Mono10", 10, Layout.ONE_PER_ELEMENT),
        PixelFormat("Mono12", 12, Layout.ONE_PER_ELEMENT),
        PixelFormat("Mono14", 14, Layout.ONE_PER_ELEMENT),
        PixelFormat("Mono16", 16, Layout.ONE_PER_ELEMENT),
        PixelFormat("Mono10p", 10, Layout.LSB_PACKED),
        PixelFormat("Mono12p", 12, Layout.LSB_PACKED),
        PixelFormat("Mono12Packed", 12, Layout.GIGE_PACKED),
        PixelFormat("RGB8", 8, Layout.COLOUR, "RGB"),
        PixelFormat("BGR8", 8, Layout.COLOUR, "BGR"),
        PixelFormat("BayerRG8", 8, Layout.BAYER, "RGGB"),
        PixelFormat("BayerGR8", 8, Layout.BAYER, "GRBG"),
        PixelFormat("BayerGB8", 8, Layout.BAYER, "GBRG"),
        PixelFormat("BayerBG8", 8, Layout.BAYER, "BGGR"),
    )
}

# GigE Vision 1.x cameras, older than the convention, spell these two in their own way.
_OTHER_SPELLINGS = {"RGB8Packed": "RGB8", "BGR8Packed": "BGR8"}

SUPPORTED_FORMATS: tuple[str, ...] = tuple(_FORMATS)
"""Names of the formats that `rheed_acquire.frames.pixels.make_converter` takes, in PFNC spelling."""


def find_pixel_format(name: str) -> PixelFormat:
    """Return the format of this name, which may be an older spelling such as ``RGB8Packed``.

    Raises
    ------
    CameraSettingError
        The format is not supported; the message lists those that are.
    """
    found = _FORMATS.get(_OTHER_SPELLINGS.get(name, name))
    if found is None:
        raise CameraSettingError(
            f"the camera's pixel format {name!r} cannot be turned into 8-bit gray; "
            f"set it to one of {', '.join(SUPPORTED_FORMATS)}"
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
        (H, W) uint8 or little-endian uint16; (H, W, 3) uint8 for RGB8 and BGR8; for packed formats
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
    match known.layout:
        case Layout.LSB_PACKED | Layout.GIGE_PACKED:
            return (math.ceil(known.bits * height * width / 8),), UINT8
        case Layout.COLOUR:
            return (height, width, 3), UINT8
        case Layout.BAYER if height < 2 or width < 2:
            raise CameraSettingError(
                f"{known.name} needs a region of at least 2 x 2 pixels to have all colours, "
                f"not {height} x {width} (height x width)"
            )
    return (height, width), UINT8 if known.bits == 8 else UINT16
