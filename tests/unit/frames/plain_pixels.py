"""Pixels packed and made gray slowly and plainly: Python integers, one pixel at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONTAINERS = {"Mono10": 10, "Mono12": 12, "Mono14": 14, "Mono16": 16}
PACKED = {"Mono10p": 10, "Mono12p": 12, "Mono12Packed": 12}
MOSAICS = {
    "BayerRG8": ("RG", "GB"),
    "BayerGR8": ("GR", "BG"),
    "BayerGB8": ("GB", "RG"),
    "BayerBG8": ("BG", "GR"),
}
POISON = 0xA5
Gray = list[list[int]]


def narrowed(samples: Sequence[int], width: int, shift: int) -> Gray:
    flat = [min(sample // 2**shift, 255) for sample in samples]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def packed(pixel_format: str, samples: Sequence[int]) -> NDArray[np.uint8]:
    """Pack as the standards' figures draw it."""
    bits = PACKED[pixel_format]
    size = math.ceil(bits * len(samples) / 8)
    if pixel_format != "Mono12Packed":
        stream = sum(sample << (bits * index) for index, sample in enumerate(samples))
        return np.frombuffer(stream.to_bytes(size, "little"), np.uint8).copy()
    payload: list[int] = []
    for index in range(0, len(samples), 2):
        first = samples[index]
        second = samples[index + 1] if index + 1 < len(samples) else 0
        payload += [first >> 4, (first & 15) | (second & 15) << 4, second >> 4]
    return np.array(payload[:size], np.uint8)


def luma(red: int, green: int, other_green: int, blue: int) -> int:
    return (77 * red + 75 * green + 75 * other_green + 29 * blue + 128) // 256


def luma_of_mosaic(name: str, mosaic: NDArray[Any]) -> list[int]:
    """Of each pixel, by the four around it."""
    height, width = mosaic.shape
    tile = MOSAICS[f"{name[:7]}8"]
    expected = []
    for y, x in itertools.product(range(height), range(width)):
        seen: dict[str, list[int]] = {"R": [], "G": [], "B": []}
        top, left = min(y, height - 2), min(x, width - 2)
        for near_y, near_x in itertools.product((top, top + 1), (left, left + 1)):
            seen[tile[near_y % 2][near_x % 2]].append(int(mosaic[near_y, near_x]))
        expected.append(luma(*seen["R"], *seen["G"], *seen["B"]))
    return expected
