"""Writes an archive's shards: frames at their own depth, each compressed by Blosc.

LZ4 behind bitshuffle: of 12 and 14 bits it is nearly as small as zstd makes it, and several times as fast, so
that an archive takes little from the stream beside it (``python -m benchmarks archive``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.shards import encode_index
from rheed_acquire.recording.zarr_metadata import blosc_of
from rheed_acquire.system.durable_files import BulkWriter, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

INSTALL = 'pip install "rheed-acquire[archive]"'


def blosc_codec(sample_bytes: int) -> Any:
    """Make the compressor; it releases the GIL while it works.

    Raises
    ------
    SettingsError
        numcodecs is not installed.
    """
    try:
        from numcodecs.blosc import BITSHUFFLE, Blosc
    except ImportError:
        raise SettingsError(f"--archive needs numcodecs: {INSTALL}") from None
    settings = blosc_of(sample_bytes)
    return Blosc(settings["cname"], settings["clevel"], BITSHUFFLE, settings["blocksize"])


def write_shard(path: Path, frames: NDArray[Any], codec: Any) -> float:
    """Write frames (N, ...) as a shard, one after another; the seconds of it that compressing took.

    Raises
    ------
    OSError
        The disk will not take it.
    """
    sizes: list[int] = []
    encode_s = 0.0

    def pieces() -> Iterator[Buffer]:
        nonlocal encode_s
        for frame in frames:
            begun_s = time.perf_counter()
            coded = codec.encode(np.ascontiguousarray(frame))
            encode_s += time.perf_counter() - begun_s
            sizes.append(len(coded))
            yield coded
        yield encode_index(list(zip(accumulate(sizes[:-1], initial=0), sizes, strict=True)))

    with path.open("wb", buffering=0) as file:
        writer = BulkWriter(file)
        for batch in batches(pieces()):
            writer.write(batch)
    return encode_s
