"""What frame number n looks like, for the camera and for whoever checks what arrived."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PICTURES = 7
STAMP_BYTES = 8


@lru_cache(maxsize=4)
def _pictures(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    # Half noise, half smooth, so that encoded sizes are those of neither extreme.
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (_PICTURES, height, width), np.uint8)
    noise[:, : height // 2] &= 0x0F
    return noise


def draw(number: int, seed: int, out: NDArray[np.uint8]) -> None:
    """Write frame ``number`` into ``out``, (H, W) uint8: noise that depends on the number, and its stamp."""
    pictures = _pictures(*out.shape, seed)
    np.add(pictures[number % _PICTURES], np.uint8(number % 251), out=out)
    out.reshape(-1)[:STAMP_BYTES] = np.frombuffer(number.to_bytes(STAMP_BYTES, "little"), np.uint8)


def deepen(gray: NDArray[np.uint8], number: int) -> NDArray[np.uint16]:
    """12 bits for each pixel of frame ``number``: its gray, and below it four that follow from both."""
    low = (gray + np.uint8(number % 16)) & np.uint8(15)
    return (gray.astype(np.uint16) << np.uint16(4)) | low


def lay_out(gray: NDArray[np.uint8], number: int, pixel_format: str) -> NDArray[Any]:
    """Lay a frame out as PFNC has ``Mono8``, ``RGB8``, ``Mono12`` or ``Mono12p`` (two in three bytes)."""
    if pixel_format == "Mono8":
        return gray
    if pixel_format == "RGB8":
        return np.repeat(gray[..., np.newaxis], 3, axis=-1)
    levels = deepen(gray, number)
    if pixel_format == "Mono12":
        return levels
    first, second = levels.reshape(-1, 2).T
    packed = np.stack([first & 0xFF, first >> 8 | (second & 0x0F) << 4, second >> 4], axis=1)
    return packed.astype(np.uint8).reshape(-1)


def expected_frame(number: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Frame ``number`` as the camera delivers it, (H, W) uint8."""
    out: NDArray[np.uint8] = np.empty((height, width), np.uint8)
    draw(number, seed, out)
    return out
