"""What is streamed: real RHEED frames where they are there, the noise of a camera, and noise alone."""

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
        ``real``: crops of recorded frames, from the middle outwards so that all differ; ``shot noise``:
        three streaks, each pixel with the noise of the light that falls on it, as no recording that was
        compressed before has it; or ``noise``, uniform, which nothing can compress.

    Raises
    ------
    UnavailableError
        There are no recorded frames here, or they are smaller.
    """
    if content == "noise":
        return np.random.default_rng(0).integers(0, 256, (count, height, width), np.uint8)
    if content == "shot noise":
        return _shot_noise(count, height, width)
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


def _shot_noise(count: int, height: int, width: int) -> NDArray[np.uint8]:
    across = (np.arange(width) / width - 0.5)[np.newaxis, :]
    down = (np.arange(height) / height - 0.6)[:, np.newaxis]
    light = 12.0 + sum(
        gray * np.exp(-(((across - place) / 0.015) ** 2) - (down / 0.15) ** 2)
        for gray, place in ((180.0, 0.0), (120.0, -0.14), (120.0, 0.14))
    )
    generator = np.random.default_rng(0)
    frames = np.empty((count, height, width), np.uint8)
    for frame in frames:
        noise = generator.standard_normal((height, width), np.float32)
        frame[:] = np.clip(light + np.sqrt(light) * noise, 0, 255)
    return frames


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
