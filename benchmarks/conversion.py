"""Pixel formats to 8-bit gray, on one thread of an idle process: bytes read and written per second.

The copy beside them is numpy's, of the same frame as it came.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._rounds import Spread, short, turns
from benchmarks._table import Row
from rheed_acquire.cameras.pixel_formats import SUPPORTED_FORMATS, frame_layout
from rheed_acquire.frames.pixels import make_converter

SIZES = ((300, 500), (1038, 1388))
FRAMES = 16
"""That are converted in turn, so that a small one does not stay in the nearest cache."""
TURN_S = 0.05
BIT_SHIFT = 1
"""Besides the default: noise is then mostly above what 8 bits hold."""
FORMATS = [
    name for name in SUPPORTED_FORMATS if not name.startswith(("BayerGR", "BayerGB", "BayerBG", "BGR"))
]
"""The other tiles, and the other order of colours, cost the same."""
SHIFTED = ("Mono12", "Mono10p", "Mono12p", "Mono12Packed")


def rows(quick: bool) -> Iterator[Row]:
    """Measure each kind of format."""
    formats, shifted = (["Mono8", "Mono12", "Mono12p"], ("Mono12p",)) if quick else (FORMATS, SHIFTED)
    for height, width in SIZES:
        for pixel_format in formats:
            yield _measure(pixel_format, height, width, None, 4 if quick else 10)
        for pixel_format in shifted:
            yield _measure(pixel_format, height, width, BIT_SHIFT, 4 if quick else 10)


def source_frames(pixel_format: str, height: int, width: int, count: int) -> list[NDArray[Any]]:
    """Make frames of noise as a camera would deliver them, within the format's range of values."""
    shape, dtype = frame_layout(pixel_format, height, width)
    bits = int("".join(filter(str.isdigit, pixel_format)) or 8) if dtype.itemsize == 2 else 8
    random = np.random.default_rng(0)
    return [random.integers(0, 1 << bits, shape, dtype) for _ in range(count)]


def _measure(pixel_format: str, height: int, width: int, bit_shift: int | None, rounds: int) -> Row:
    sources = source_frames(pixel_format, height, width, FRAMES)
    gray = np.empty((FRAMES, height, width), np.uint8)
    copies = [np.empty_like(source) for source in sources]
    convert = make_converter(pixel_format, height, width, bit_shift)

    def converting(number: int) -> None:
        convert(sources[number], gray[number])

    def copying(number: int) -> None:
        np.copyto(copies[number], sources[number])

    frames_per_s: dict[str, list[float]] = {"convert": [], "copy": []}
    work = {"convert": converting, "copy": copying}
    for _, side in turns(list(work), rounds):
        do, done = work[side], 0
        begun = time.perf_counter()
        for number in itertools.cycle(range(FRAMES)):
            do(number)
            done += 1
            if (spent := time.perf_counter() - begun) > TURN_S:
                break
        frames_per_s[side].append(done / spent)
    rate = statistics.median(frames_per_s["convert"])
    read, written = sources[0].nbytes * rate / 1e9, height * width * rate / 1e9
    copied = statistics.median(frames_per_s["copy"]) * sources[0].nbytes / 1e9
    return (
        f"{height} x {width}, {pixel_format}{'' if bit_shift is None else f', bit shift {bit_shift}'}",
        f"{short(read)} GB/s in, {short(written)} GB/s out",
        f"np.copyto {short(copied)} GB/s",
        str(Spread.of_ratios(frames_per_s["convert"], frames_per_s["copy"])),
    )
