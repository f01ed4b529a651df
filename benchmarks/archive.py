"""Codecs for frames of more than 8 bits that zarr-python reads, beside the one that archives have.

A computed diffraction pattern with shot noise, of 12 bits in 16, frame by frame on one thread: how fast each
compresses, in bytes of pixels, and how small the frames become. The archive's is LZ4 behind bitshuffle.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from benchmarks._rounds import Spread, UnavailableError, short, turns
from benchmarks._table import Row

SIZES = {(300, 500): 60, (1038, 1388): 12}
FULL_WELL = 4095


def rows(quick: bool) -> Iterator[Row]:
    """Measure both sizes."""
    # In a thread of its own, as the archiver has: in the main thread Blosc takes several.
    with ThreadPoolExecutor(1) as thread:
        for (height, width), count in SIZES.items():
            frames = pattern(count, height, width)
            case = f"{height} x {width}, 12 bits"
            yield from thread.submit(_compare, case, frames, 2 if quick else 7).result()


def pattern(count: int, height: int, width: int) -> NDArray[np.uint16]:
    """Streaks and a specular spot over a background, with shot noise; (count, H, W) uint16 below 4096."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / height
    light = 40 + 150 * np.exp(-2 * y)
    for place in (0.4, 0.83, 1.26):
        light += 2500 * np.exp(-(((x - place) / 0.02) ** 2) - ((y - 0.6) / 0.2) ** 2)
    light += 600 * np.exp(-(((x - 0.83) / 0.1) ** 2) - ((y - 0.5) / 0.1) ** 2)
    noisy = random.normal(light, np.sqrt(light / 2 + 16), (count, height, width))
    return np.clip(noisy, 0, FULL_WELL).astype(np.uint16)


def _compare(case: str, frames: NDArray[np.uint16], rounds: int) -> list[Row]:
    codecs = _codecs()
    rates: dict[str, list[float]] = {name: [] for name in codecs}
    size: dict[str, float] = {}
    for name, encode in codecs.items():
        size[name] = sum(len(encode(frame)) for frame in frames) / frames.nbytes
    for _, name in turns(list(codecs), rounds):
        begun = time.perf_counter()
        for frame in frames:
            codecs[name](frame)
        rates[name].append(frames.nbytes / 1e6 / (time.perf_counter() - begun))
    ours, *others = codecs
    return [
        (
            case,
            f"{short(statistics.median(rates[ours]))} MB/s, {100 * size[ours]:.0f} % left",
            f"{name} {short(statistics.median(rates[name]))} MB/s, {100 * size[name]:.0f} %",
            str(Spread.of_ratios(rates[ours], rates[name])),
        )
        for name in others
    ]


def _codecs() -> dict[str, Callable[[NDArray[np.uint16]], bytes]]:
    try:
        from numcodecs.blosc import BITSHUFFLE, SHUFFLE, Blosc
    except ImportError:
        raise UnavailableError("numcodecs is not installed") from None
    from rheed_acquire.recording.archive_shards import blosc_codec

    def zstd(level: int) -> Callable[[NDArray[np.uint16]], bytes]:
        compressor = zstandard.ZstdCompressor(level=level)
        return lambda frame: compressor.compress(frame.data)

    def blosc(*settings: Any) -> Callable[[NDArray[np.uint16]], bytes]:
        encode: Callable[[NDArray[np.uint16]], bytes] = Blosc(*settings).encode
        return encode

    return {
        "archive": blosc_codec(2).encode,
        "LZ4 and byte shuffle": blosc("lz4", 5, SHUFFLE),
        "zstd and bitshuffle": blosc("zstd", 1, BITSHUFFLE),
        "zstd and byte shuffle": blosc("zstd", 1, SHUFFLE),
        "zstd, level 1": zstd(1),
        "zstd, level 3": zstd(3),
    }
