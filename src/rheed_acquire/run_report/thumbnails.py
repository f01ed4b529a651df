"""Frames made small enough for a page that holds dozens of them."""

from __future__ import annotations

import base64
import io
import math
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


def data_url(pixels: NDArray[np.uint8]) -> str:
    """Encode a picture for the ``src`` of an image."""
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")
