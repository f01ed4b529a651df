"""Encodes a chunk as one Zarr v3 shard.

The format is that of the ``sharding_indexed`` codec (Zarr core specification v3, codec "sharding-indexed"
version 1.0) with inner chunks of one frame: the frames' zstd frames one after another, then for each its
offset and its length as little-endian uint64, then the crc32c of those numbers.

Frames that zstd cannot shrink, such as noise, are stored: a zstd frame (RFC 8878) may hold its content as it
is, in raw blocks, which costs neither side more than a copy.

What zstd searches at each level is made for text and programs. A camera's frame repeats few strings of bytes,
and its noise many short ones by chance, so that the levels are changed for it (`_parameters`); any reader of
zstd reads what they make.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

from rheed_acquire.recording.shards import ABSENT, encode_index

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

DEFAULT_LEVEL = 3
STORED = 0
"""The level that leaves frames as they are."""

_SHORTEST_MATCH = {zstandard.STRATEGY_FAST: 7}
_SHORTEST_MATCH_ELSE = 6
"""Bytes, by strategy. A shorter string that occurred before costs more to name than its pixels by themselves,
entropy-coded: in shot noise, level 3 takes ten times as long to find such strings, for shards that are a
tenth larger."""
_LARGEST_TABLES = {zstandard.STRATEGY_FAST: (12, 8), zstandard.STRATEGY_DFAST: (13, 8)}
"""Base-2 logarithms of the lengths of zstd's two tables (hash, chain), by strategy: so that they lie in a
core's first cache."""

_SAMPLES = 3
_WORTH_CODING = 0.98
"""Of the raw size: frames that shrink by less are stored."""

_ZSTD_MAGIC = 0xFD2FB528
_SINGLE_SEGMENT_SIZE_32 = 0xA0
"""Frame header descriptor (RFC 8878, 3.1.1.1.1): content size in 4 bytes, one segment, no checksum."""
_LARGEST_BLOCK = 1 << 17


class Shard:
    """An encoded shard, in pieces that lie wherever the encoder left them.

    Iterating yields them in order, as often as it is asked for; ``bytes`` puts them together.

    Parameters
    ----------
    size
        Of all pieces together, in bytes.
    pieces
        Yields them.
    is_of_chunk
        Whether they are made of the chunk's own memory, as those of frames that are stored are: it must stay.
    """

    def __init__(
        self, size: int, pieces: Callable[[], Iterator[Buffer]], *, is_of_chunk: bool = False
    ) -> None:
        self.size, self._pieces, self.is_of_chunk = size, pieces, is_of_chunk

    def __iter__(self) -> Iterator[Buffer]:
        return self._pieces()

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def copy(self) -> Shard:
        """The same in memory of its own; the GIL is released while it is copied."""
        whole = np.empty(self.size, np.uint8)
        end = 0
        for piece in self:
            block = np.frombuffer(memoryview(piece), np.uint8)
            whole[end : end + len(block)] = block
            end += len(block)
        return Shard(self.size, lambda: iter([whole.data]))


def encode_shard(
    frames: NDArray[np.uint8],
    level: int = DEFAULT_LEVEL,
    threads: int | None = None,
    entries: int | None = None,
) -> Shard:
    """Compress frames into a shard.

    The GIL is released while zstd works, and the frames are not copied.

    Parameters
    ----------
    frames
        (N, H, W) uint8, C-contiguous, N >= 1.
    level
        As hard as zstd tries at this level, or `STORED`. Readers do not need to know it.
    threads
        For zstd to use; by default as many as there are processors.
    entries
        That the index has: frames that are missing for as many are absent. By default one for each frame.
    """
    absent = 0 if entries is None else entries - len(frames)
    if level == STORED or not _shrinks(frames[:: max(1, len(frames) // _SAMPLES)][:_SAMPLES]):
        return _store(frames, absent)
    compressed = _compress(frames, level, threads or os.cpu_count() or 1)
    return _assemble([len(one) for one in compressed], lambda: iter(compressed), absent)


def _compress(frames: NDArray[np.uint8], level: int, threads: int) -> list[Any]:
    """Compress each frame; what comes back has the buffer protocol."""
    count = len(frames)
    frame_bytes = frames.nbytes // count
    segments = np.empty((count, 2), "<u8")
    segments[:, 0] = np.arange(count, dtype=np.uint64) * frame_bytes
    segments[:, 1] = frame_bytes
    compressor = zstandard.ZstdCompressor(compression_params=_parameters(level, frame_bytes))
    collection = compressor.multi_compress_to_buffer(
        zstandard.BufferWithSegments(frames.reshape(-1).data, segments.tobytes()), threads=min(threads, count)
    )
    return [collection[position] for position in range(count)]


@cache
def _parameters(level: int, frame_bytes: int) -> zstandard.ZstdCompressionParameters:
    """What zstd searches for at a level, changed for frames of a camera.

    Levels below 0 are left as they are: there pixels between two matches are not coded at all.
    """
    usual = zstandard.ZstdCompressionParameters.from_level(level, source_size=frame_bytes)
    if level < 0:
        return usual
    hash_log, chain_log = _LARGEST_TABLES.get(usual.strategy, (usual.hash_log, usual.chain_log))
    return zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=frame_bytes,
        min_match=max(usual.min_match, _SHORTEST_MATCH.get(usual.strategy, _SHORTEST_MATCH_ELSE)),
        hash_log=min(usual.hash_log, hash_log),
        chain_log=min(usual.chain_log, chain_log),
    )


def _shrinks(sample: NDArray[np.uint8]) -> bool:
    """Whether coding frames like these is worth the while."""
    compressor = zstandard.ZstdCompressor(compression_params=_parameters(1, sample[0].nbytes))
    coded = sum(len(compressor.compress(np.ascontiguousarray(frame).data)) for frame in sample)
    return coded < _WORTH_CODING * sample.nbytes


def _store(frames: NDArray[np.uint8], absent: int) -> Shard:
    """Make a shard of frames as they are, each put together only when it is asked for."""
    pixels = frames.nbytes // len(frames)
    blocks = [slice(start, min(start + _LARGEST_BLOCK, pixels)) for start in range(0, pixels, _LARGEST_BLOCK)]
    # Block header (RFC 8878, 3.1.1.2): 1 for the last block, type 0 for raw, and the size, in 3 bytes.
    heads = [
        ((block.stop - block.start) << 3 | (block.stop == pixels)).to_bytes(3, "little") for block in blocks
    ]
    heads[0] = struct.pack("<IBI", _ZSTD_MAGIC, _SINGLE_SEGMENT_SIZE_32, pixels) + heads[0]

    def stored() -> Iterator[Buffer]:
        # As arrays: google_crc32c takes no memoryview.
        content: Any
        for content in frames.reshape(len(frames), -1):
            for head, block in zip(heads, blocks, strict=True):
                yield head
                yield content[block]

    size = pixels + sum(len(head) for head in heads)
    return _assemble([size] * len(frames), stored, absent, is_of_chunk=True)


def _assemble(
    sizes: list[int], coded: Callable[[], Iterable[Buffer]], absent: int, *, is_of_chunk: bool = False
) -> Shard:
    """Put the index behind the coded frames."""
    offsets = accumulate(sizes[:-1], initial=0)
    index = encode_index([*zip(offsets, sizes, strict=True), *[ABSENT] * absent])

    def pieces() -> Iterator[Buffer]:
        yield from coded()
        yield index

    return Shard(sum(sizes) + len(index), pieces, is_of_chunk=is_of_chunk)
