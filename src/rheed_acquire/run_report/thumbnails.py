"""Frames made small enough for a page that holds dozens of them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.run_report.record import ThumbnailRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONG_SIDE = 320
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture; ``pixels`` is (h, w) uint8, at most `LONG_SIDE` on a side."""

    record: ThumbnailRecord
    pixels: NDArray[np.uint8]


def shrunk(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a frame (H, W) uint8 small, each pixel the mean of a square of its; a copy in any case."""
    from PIL import Image

    factor = math.ceil(max(frame.shape) / LONG_SIDE)
    if factor < 2:
        return frame.copy()
    return np.asarray(Image.fromarray(frame).reduce(factor), np.uint8)


def contrast(pictures: Sequence[Thumbnail]) -> tuple[int, int]:
    """The gray levels, of 8 bits, that are shown black and white, for all pictures of a run alike.

    All but the darkest 1 % and the brightest 0.1 % of their pixels lie between them.
    """
    if not pictures:
        return 0, 255
    levels = np.concatenate([picture.pixels.ravel() for picture in pictures])
    low, high = (int(level) for level in np.percentile(levels, (1.0, 99.9)).round())
    return low, max(high, low + 1)


def stretched(pixels: NDArray[np.uint8], black: int, white: int) -> NDArray[np.uint8]:
    """Spread the levels from ``black`` to ``white`` over all that a screen has, (h, w) uint8."""
    share = (pixels.astype(np.float32) - black) / (white - black)
    return (255 * share.clip(0, 1)).round().astype(np.uint8)


def data_url(pixels: NDArray[np.uint8]) -> str:
    """Encode a picture for the ``src`` of an image."""
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")
