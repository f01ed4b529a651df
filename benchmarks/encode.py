"""`encode_shard` on all processors, beside what else makes a shard of the same bytes.

``zstandard`` compresses frame by frame on one thread, as one would write it by hand; zarr-python writes the
same sharded array into memory with its own threads; `encode_shard` on one thread tells what is owed to the
processors. All at level 3, in bytes of pixels, the others as zstd has it. The first three make the shard in
pieces, one after another, as the spool writes them; zarr-python puts it together too.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from benchmarks._frames import contents, make_frames
from benchmarks._rounds import Spread, short, turns
from benchmarks._table import Row
from rheed_acquire.recording.shard_encoding import encode_shard

SIZES = {(300, 500): 240, (1038, 1388): 60}
"""Height and width of the frames, and how many make a chunk."""
LEVEL = 3


def rows(quick: bool) -> Iterator[Row]:
    """Measure both sizes and contents."""
    for (height, width), count in SIZES.items():
        for content in (*contents(), "shot noise"):
            frames = make_frames(content, count, height, width)
            yield from _compare(f"{height} x {width}, {content}", frames, 2 if quick else 7)


def _compare(case: str, frames: NDArray[np.uint8], rounds: int) -> Iterator[Row]:
    encoders: dict[str, Callable[[NDArray[np.uint8]], object]] = {
        "encode_shard": lambda frames: _all_of(encode_shard(frames, LEVEL)),
        "encode_shard, one thread": lambda frames: _all_of(encode_shard(frames, LEVEL, threads=1)),
        "zstandard, one thread": _frame_by_frame,
    }
    try:
        encoders["zarr-python"] = _zarr_writer(frames)
    except ImportError:
        yield (f"{case}: zarr-python", "not installed", "", "")
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    for name in encoders:
        encoders[name](frames)
    for _, name in turns(list(encoders), rounds):
        begun = time.perf_counter()
        encoders[name](frames)
        rates[name].append(frames.nbytes / 1e6 / (time.perf_counter() - begun))
    ours = rates["encode_shard"]
    for name in list(encoders)[1:]:
        yield (
            case,
            f"{short(statistics.median(ours))} MB/s",
            f"{name} {short(statistics.median(rates[name]))} MB/s",
            str(Spread.of_ratios(ours, rates[name])),
        )


def _all_of(pieces: Iterable[object]) -> None:
    """Have every piece made, and keep none: those of frames that are stored are made when asked for."""
    deque(pieces, maxlen=0)


def _frame_by_frame(frames: NDArray[np.uint8]) -> None:
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    _all_of(compressor.compress(frame.data) for frame in frames)


def _zarr_writer(frames: NDArray[np.uint8]) -> Callable[[NDArray[np.uint8]], object]:
    import zarr
    from zarr.codecs import ZstdCodec

    array: Any = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=frames.shape,
        dtype="uint8",
        shards=frames.shape,
        chunks=(1, *frames.shape[1:]),
        compressors=ZstdCodec(level=LEVEL),
        fill_value=0,
    )

    def write(frames: NDArray[np.uint8]) -> None:
        array[:] = frames

    return write
