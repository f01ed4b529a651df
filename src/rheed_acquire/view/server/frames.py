"""The newest frame: what is sent of it, and what is read from its pixels."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from rheed_acquire.frames.frame_form import Levels


JPEG_QUALITY = 95
"""At 90 the blocks show in the dark parts once these are brightened."""
LONGEST_PROFILE = 4096
"""Samples along a line; a longer line is sampled more sparsely."""


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame's gray levels as the camera gave them.

    Attributes
    ----------
    pixels
        (H, W) uint8, of more than 8 bits uint16.
    bits
        Significant bits of a level.
    shift
        How far levels are shifted right to be the 8 bits of the picture.
    """

    pixels: Levels
    number: int
    utc_ms: float | None
    bits: int = 8
    shift: int = 0

    @property
    def top(self) -> int:
        """The highest level that there can be."""
        return (1 << self.bits) - 1


def binary_message(header: Mapping[str, Any], *parts: bytes) -> bytes:
    """Put a message for the page together: bytes of the header (uint32, little endian), header, parts."""
    text = json.dumps(header, allow_nan=False).encode()
    return b"".join((struct.pack("<I", len(text)), text, *parts))


def encode_frame(frame: RawFrame) -> bytes:
    """Make the message that shows a frame.

    The picture is a JPEG, which is close to the pixels but not equal to them. Which pixels are saturated is
    exact: a PNG of one bit per pixel, left out where none is. The encoders let the GIL go.
    """
    pixels = frame.pixels
    height, width = pixels.shape
    picture = io.BytesIO()
    shown = pixels if frame.bits == 8 else np.minimum(pixels >> frame.shift, 255).astype(np.uint8)
    Image.fromarray(shown).save(picture, "JPEG", quality=JPEG_QUALITY)
    saturated = pixels == frame.top
    count = int(np.count_nonzero(saturated))
    mask = io.BytesIO()
    if count:
        Image.fromarray(saturated).save(mask, "PNG", compress_level=1)
    header = {
        "type": "frame",
        "number": frame.number,
        "utc_ms": frame.utc_ms,
        "width": width,
        "height": height,
        "picture_bytes": picture.tell(),
        "saturated": count,
        "darkest": int(pixels.min()),
        "brightest": int(pixels.max()),
        "top": frame.top,
        "level": 1 << frame.shift,
    }
    return binary_message(header, picture.getvalue(), mask.getvalue())


def frame_png(frame: RawFrame, bits: int) -> bytes:
    """Make a PNG of a frame: of 8 bits as it is shown, of 16 with the levels that the camera gave."""
    shown: Levels
    if bits == 16:
        shown = frame.pixels.astype(np.uint16)
    elif frame.bits == 8:
        shown = frame.pixels
    else:
        shown = np.minimum(frame.pixels >> frame.shift, 255).astype(np.uint8)
    picture = io.BytesIO()
    Image.fromarray(shown).save(picture, "PNG", compress_level=1)
    return picture.getvalue()


def pixel_value(frame: RawFrame, x: int, y: int) -> int | None:
    """Gray level of column ``x`` and row ``y``; None outside the frame."""
    height, width = frame.pixels.shape
    return int(frame.pixels[y, x]) if 0 <= x < width and 0 <= y < height else None


def line_profile(frame: RawFrame, ends: Sequence[int]) -> NDArray[np.float32]:
    """Gray levels along a line, one pixel apart, interpolated bilinearly between pixel centres.

    Parameters
    ----------
    ends
        Columns and rows of the pixels that it connects: x0, y0, x1, y1. Moved into the frame where they are
        outside.

    Returns
    -------
    Shape (N,), float32, in gray levels; the first sample is the first end, the last one lies less than a
    pixel before the second.
    """
    height, width = frame.pixels.shape
    x0, x1 = (min(max(x, 0), width - 1) for x in (ends[0], ends[2]))
    y0, y1 = (min(max(y, 0), height - 1) for y in (ends[1], ends[3]))
    length = math.hypot(x1 - x0, y1 - y0)
    step = max(1.0, length / (LONGEST_PROFILE - 1))
    along = np.arange(math.floor(length / step + 1e-9) + 1) * step / (length or 1.0)
    # Rounded, so that what lies on a pixel's centre is that pixel and nothing of its neighbour.
    x, y = np.round(x0 + along * (x1 - x0), 9), np.round(y0 + along * (y1 - y0), 9)
    left = np.minimum(x.astype(np.intp), max(width - 2, 0))
    top = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    to_right, to_bottom = x - left, y - top
    pixels = frame.pixels
    upper = pixels[top, left] * (1 - to_right) + pixels[top, right] * to_right
    lower = pixels[bottom, left] * (1 - to_right) + pixels[bottom, right] * to_right
    profile: NDArray[np.float32] = (upper * (1 - to_bottom) + lower * to_bottom).astype(np.float32)
    return profile
