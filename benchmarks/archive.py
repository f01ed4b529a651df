"""Codecs for an archive's frames that zarr-python reads, beside the one that archives have.

A computed diffraction pattern with shot noise, frame by frame on one thread: how much of a processor each
takes, as bytes of samples in a second of the thread's own time (which other programs do not change much), and
how small the frames become. The archive's is LZ4 behind bitshuffle.
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
DEPTHS = (8, 10, 12, 14)
FULL_WELL_E = 10_000
"""Electrons of the brightest pixel: they are what shot noise is of."""


def rows(quick: bool) -> Iterator[Row]:
    """Measure depths at one size, colour and a mosaic, and the larger size."""
    rounds = 2 if quick else 7
    small, large = SIZES
    cases = {
        **{f"{small[0]} x {small[1]}, {bits} bits": (small, bits, "") for bits in DEPTHS},
        f"{small[0]} x {small[1]}, Bayer 12 bits": (small, 12, "RGGB"),
        f"{small[0]} x {small[1]}, RGB 8 bits": (small, 8, "RGB"),
        f"{large[0]} x {large[1]}, 12 bits": (large, 12, ""),
    }
    # In a thread of its own, as the archiver has: in the main thread Blosc takes several.
    with ThreadPoolExecutor(1) as thread:
        for case, (size, bits, colours) in cases.items():
            frames = pattern(SIZES[size], *size, bits, colours)
            yield from thread.submit(_compare, case, frames, rounds).result()


def pattern(count: int, height: int, width: int, bits: int = 12, colours: str = "") -> NDArray[Any]:
    """Streaks and a specular spot over a background, with shot noise.

    (count, H, W), uint8 up to 8 bits, else uint16; with ``RGB`` (count, H, W, 3), with ``RGGB`` behind a
    mosaic.
    """
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / height
    light = 0.01 + 0.04 * np.exp(-2 * y)
    for place in (0.4, 0.83, 1.26):
        light += 0.6 * np.exp(-(((x - place) / 0.02) ** 2) - ((y - 0.6) / 0.2) ** 2)
    light += 0.15 * np.exp(-(((x - 0.83) / 0.1) ** 2) - ((y - 0.5) / 0.1) ** 2)
    seen = {"R": 0.3, "G": 1.0, "B": 0.2}  # of the green that a phosphor screen gives
    if colours == "RGB":
        light = np.stack([light * seen[colour] for colour in colours], -1)
    elif colours:
        tile = np.array([seen[colour] for colour in colours]).reshape(2, 2)
        light *= np.tile(tile, (height // 2, width // 2))
    electrons = light * FULL_WELL_E
    noisy = random.normal(electrons, np.sqrt(electrons + 64), (count, *light.shape))
    top = 2**bits - 1
    samples: NDArray[Any] = np.clip(noisy / FULL_WELL_E * top, 0, top)
    return samples.astype(np.uint8 if bits == 8 else np.uint16)


def _compare(case: str, frames: NDArray[Any], rounds: int) -> list[Row]:
    codecs = _codecs()
    rates: dict[str, list[float]] = {name: [] for name in codecs}
    size: dict[str, float] = {}
    for name, encode in codecs.items():
        size[name] = sum(len(encode(frame)) for frame in frames) / frames.nbytes
    for _, name in turns(list(codecs), rounds):
        begun_s = time.thread_time()
        for frame in frames:
            codecs[name](frame)
        rates[name].append(frames.nbytes / 1e6 / (time.thread_time() - begun_s))
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


def _codecs() -> dict[str, Callable[[NDArray[Any]], bytes]]:
    try:
        from numcodecs.blosc import BITSHUFFLE, SHUFFLE, Blosc
    except ImportError:
        raise UnavailableError("numcodecs is not installed") from None
    from rheed_acquire.recording.archive_shards import blosc_codec

    def zstd(level: int) -> Callable[[NDArray[Any]], bytes]:
        compressor = zstandard.ZstdCompressor(level=level)
        return lambda frame: compressor.compress(frame.data)

    def blosc(*settings: Any) -> Callable[[NDArray[Any]], bytes]:
        encode: Callable[[NDArray[Any]], bytes] = Blosc(*settings).encode
        return encode

    return {
        "archive": blosc_codec(2).encode,
        "LZ4 and byte shuffle": blosc("lz4", 5, SHUFFLE),
        "zstd and bitshuffle": blosc("zstd", 1, BITSHUFFLE),
        "zstd and byte shuffle": blosc("zstd", 1, SHUFFLE),
        "zstd, level 1": zstd(1),
    }
