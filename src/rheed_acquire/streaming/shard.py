"""Encodes a chunk as one Zarr v3 shard.

The format is that of the ``sharding_indexed`` codec (Zarr core specification v3, codec "sharding-indexed"
version 1.0) with inner chunks of one frame: the frames' zstd frames one after another, then for each its
offset and its length as little-endian uint64, then the crc32c of those numbers.
"""

from __future__ import annotations

import os
from itertools import accumulate
from typing import TYPE_CHECKING, cast

import numpy as np
import zstandard

from rheed_acquire.server.shards import encode_index

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

DEFAULT_LEVEL = 3


def encode_shard(frames: NDArray[np.uint8], level: int = DEFAULT_LEVEL, threads: int | None = None) -> bytes:
    """Compress frames into a shard.

    The GIL is released while zstd works, and the frames are not copied.

    Parameters
    ----------
    frames
        (N, H, W) uint8, C-contiguous, N >= 1.
    level
        Of zstd. Readers do not need to know it.
    threads
        For zstd to use; by default as many as there are processors.
    """
    count = len(frames)
    frame_bytes = frames.nbytes // count
    segments = np.empty((count, 2), "<u8")
    segments[:, 0] = np.arange(count, dtype=np.uint64) * frame_bytes
    segments[:, 1] = frame_bytes
    collection = zstandard.ZstdCompressor(level=level).multi_compress_to_buffer(
        zstandard.BufferWithSegments(frames.reshape(-1).data, segments.tobytes()),
        threads=min(threads or os.cpu_count() or 1, count),
    )
    compressed = [collection[position] for position in range(count)]
    sizes = [len(segment) for segment in compressed]
    offsets = accumulate(sizes[:-1], initial=0)
    index = encode_index(list(zip(offsets, sizes, strict=True)))
    return b"".join([*cast("list[Buffer]", compressed), index])
