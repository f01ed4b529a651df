"""Pictures that show their number in bars, which survive a lossy codec, and their numbers read again."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS, BAR, HEIGHT = 16, 8, 48
WIDTH = BITS * BAR
DARK, BRIGHT = 40, 200


def picture(number: int) -> NDArray[np.uint8]:
    """Draw a number as bars, the lowest bit first; (HEIGHT, WIDTH)."""
    bits = (number >> np.arange(BITS)) & 1
    row = np.where(np.repeat(bits, BAR), BRIGHT, DARK).astype(np.uint8)
    return np.tile(row, (HEIGHT, 1))


def jpeg(number: int) -> bytes:
    """The same as a JPEG file, all of it gray."""
    file = io.BytesIO()
    Image.fromarray(picture(number)).save(file, "JPEG", quality=95)
    return file.getvalue()


def number_of(pixels: NDArray[Any], *, is_whole: bool = True) -> int:
    """Read the number of a picture, by its first colour; one that is whole has clear bars."""
    gray = pixels if pixels.ndim == 2 else pixels[..., 0]
    bars = gray[HEIGHT // 4 : HEIGHT // 2, :WIDTH].reshape(-1, BITS, BAR)[:, :, 2:-2].mean(axis=(0, 2))
    assert not is_whole or np.all((bars < DARK + 30) | (bars > BRIGHT - 30)), f"no bars: {bars}"
    return int(((bars > (DARK + BRIGHT) / 2) * (1 << np.arange(BITS))).sum())
