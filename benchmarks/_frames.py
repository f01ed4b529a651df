"""What is streamed: real RHEED frames where they are there, and noise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._rounds import UnavailableError

REAL_FRAMES = Path(__file__).parents[2] / "shared" / "data" / "rheed-deposition"


def make_frames(content: str, count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Make frames of shape (count, height, width), C-contiguous.

    Parameters
    ----------
    content
        ``real``: crops of recorded frames, from the middle outwards so that all differ; or ``noise``,
        uniform, which nothing can compress.

    Raises
    ------
    UnavailableError
        There are no recorded frames here, or they are smaller.
    """
    if content == "noise":
        return np.random.default_rng(0).integers(0, 256, (count, height, width), np.uint8)
    pictures = _recorded()
    _, full_height, full_width = pictures.shape
    if height > full_height or width > full_width:
        raise UnavailableError(f"the recorded frames are {full_height} x {full_width} only")
    frames = np.empty((count, height, width), np.uint8)
    for number in range(count):
        lap = number // len(pictures)
        top = ((full_height - height) // 2 + 7 * lap) % (full_height - height + 1)
        left = ((full_width - width) // 2 + 11 * lap) % (full_width - width + 1)
        frames[number] = pictures[number % len(pictures), top : top + height, left : left + width]
    return frames


def contents() -> list[str]:
    """The contents that can be had here; real frames come first."""
    return ["real", "noise"] if _files() else ["noise"]


def _files() -> list[Path]:
    return sorted(REAL_FRAMES.glob("*.bmp"))


@cache
def _recorded() -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise UnavailableError("pillow is needed to read the recorded frames") from None
    pictures = []
    for path in _files():
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("L")))
    if not pictures:
        raise UnavailableError(
            f"there are no recorded frames in {REAL_FRAMES.parent.name}/{REAL_FRAMES.name}"
        )
    return np.stack(pictures)
