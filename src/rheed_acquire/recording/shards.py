"""The bytes of a shard: reading, checking and extending them.

A shard is one encoded chunk of a Zarr v3 array with the ``sharding_indexed`` codec, its index at the end
(Zarr v3 specification, "Sharding codec"): the frames' zstd frames, then for every inner chunk a pair of
little-endian uint64 (offset, length), then the crc32c of those pairs as a little-endian uint32. An inner
chunk that is absent has both numbers equal to `MISSING` and reads as the fill value, here 0.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Sequence
from itertools import pairwise
from typing import BinaryIO, Protocol, TypeAlias

import google_crc32c
import zstandard

MISSING = 2**64 - 1
"""Offset and length, in a shard's index, of a frame that the shard does not hold."""

ENTRY_BYTES = 16
CHECKSUM_BYTES = 4

_LONGEST_FRAME_HEADER = 18
"""Bytes of a zstd frame's header with its magic number (RFC 8878, 3.1.1.1)."""

_WINDOW_OF_ANY_DECODER = 1 << 23
"""Bytes of window that every decoder should take (RFC 8878, 3.1.1.1.2)."""

Extent: TypeAlias = tuple[int, int]
"""Where in the shard a frame's zstd frame lies: (offset, length), in bytes."""

ABSENT: Extent = (MISSING, MISSING)


class SeekableBytes(Protocol):
    """What a shard is read from: a file, or an object in a bucket."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place in it."""

    def read(self, size: int = -1, /) -> bytes:
        """Read from there on."""


class ShardError(ValueError):
    """These bytes are not the shard they are said to be; the message says why."""


def index_bytes(frames: int) -> int:
    """Size in bytes of the index of a shard of ``frames`` frames, its checksum included."""
    return frames * ENTRY_BYTES + CHECKSUM_BYTES


def encode_index(extents: Sequence[Extent]) -> bytes:
    """Encode the index of a shard, one extent for each frame, with its checksum."""
    pairs = struct.pack(f"<{2 * len(extents)}Q", *(number for extent in extents for number in extent))
    return pairs + struct.pack("<I", google_crc32c.value(pairs))


def decode_index(encoded: bytes) -> list[Extent]:
    """Decode the index of a shard.

    Raises
    ------
    ShardError
        The checksum does not fit the pairs.
    """
    pairs, checksum = encoded[:-CHECKSUM_BYTES], encoded[-CHECKSUM_BYTES:]
    if struct.pack("<I", google_crc32c.value(pairs)) != checksum:
        raise ShardError(
            f"the crc32c of the index does not fit its {len(pairs) // ENTRY_BYTES} entries: "
            "the shard is damaged, or holds another number of frames than was declared"
        )
    numbers = struct.unpack(f"<{len(pairs) // 8}Q", pairs)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def read_index(file: SeekableBytes, frames: int) -> list[Extent]:
    """Read the index of a shard of ``frames`` frames and check that the extents lie within it, side by side.

    So the frames' bytes together are never more than the shard has, whatever is made of them.

    Parameters
    ----------
    file
        The whole shard, open for reading in binary mode.
    frames
        How many entries the index has.

    Raises
    ------
    ShardError
        The shard is too short, its checksum is wrong, an extent lies outside the frames' bytes, or two
        overlap.
    """
    extents, data_bytes = _read_index(file, frames)
    end = 0
    in_order = True
    for number, extent in enumerate(extents):
        if extent == ABSENT:
            continue
        offset, length = extent
        if length == 0 or offset + length > data_bytes:
            raise ShardError(
                f"frame {number} is said to lie at byte {offset} with length {length}, "
                f"outside the {data_bytes} bytes of frames"
            )
        in_order = in_order and offset >= end
        end = offset + length
    if not in_order:
        _refuse_overlaps(extents)
    return extents


def _read_index(file: SeekableBytes, entries: int) -> tuple[list[Extent], int]:
    """Read the index of a shard, and how many bytes lie before it."""
    size = file.seek(0, os.SEEK_END)
    data_bytes = size - index_bytes(entries)
    if data_bytes < 0:
        raise ShardError(f"a shard of {size} bytes cannot hold the index of {entries} frames")
    file.seek(data_bytes)
    return decode_index(file.read(index_bytes(entries))), data_bytes


def count_entries(file: SeekableBytes, frames: int, chunk_size: int) -> int:
    """How many entries the index of a chunk's shard has: one for each frame, or those of a full chunk.

    Parameters
    ----------
    file
        The whole shard, open for reading in binary mode.
    frames, chunk_size
        Of the chunk, and of a full one.

    Raises
    ------
    ShardError
        It is the index of a full chunk, and holds more frames than the chunk has.
    """
    if frames == chunk_size:
        return frames
    try:
        extents, _ = _read_index(file, chunk_size)
    except ShardError:  # the checksum fits an index of one length only
        return frames
    if any(extent != ABSENT for extent in extents[frames:]):
        raise ShardError(f"it holds more than the {frames} frames that were declared")
    return chunk_size


def _refuse_overlaps(extents: Sequence[Extent]) -> None:
    order = sorted((extent, number) for number, extent in enumerate(extents) if extent != ABSENT)
    for ((offset, length), number), ((next_offset, _), next_number) in pairwise(order):
        if next_offset < offset + length:
            raise ShardError(f"frames {number} and {next_number} are said to lie on the same bytes")


def verify_shard(
    file: SeekableBytes,
    frames: int,
    height: int,
    width: int,
    decode_every: int = 1,
    looked_at: Container[int] | None = None,
) -> None:
    """Check a shard as a reader would meet it: its index, and that every frame decodes to (height, width).

    Memory stays at one compressed and one decoded frame and zstd's window, which is no larger than a frame,
    whatever a damaged or hostile header claims: a frame that announces another size, or is longer than any of
    its size, is not decoded. zstd carries no checksum here, so that a flipped bit within a frame's literals
    cannot be seen; the transport's checksum is there for that.

    Parameters
    ----------
    decode_every
        Which frames are decoded: each one, or the first of so many. Of the others the header is read, and
        one that does not announce its size is decoded.
    looked_at
        Of which frames the header is read at all; None for all.

    Raises
    ------
    ShardError
        Something is wrong; the message says what, and in which frame.
    """
    pixels = height * width
    decompressor = zstandard.ZstdDecompressor(max_window_size=max(2 * pixels, _WINDOW_OF_ANY_DECODER))
    for number, (offset, length) in enumerate(read_index(file, frames)):
        if offset == MISSING:
            continue
        if length > longest_frame(pixels):
            raise ShardError(
                f"frame {number} takes {length} bytes, more than any of {height} x {width} pixels does"
            )
        if looked_at is not None and number not in looked_at:
            continue
        file.seek(offset)
        is_decoded = number % decode_every == 0
        # At once what is needed: in a bucket each read is a request.
        header = file.read(length if is_decoded else min(length, _LONGEST_FRAME_HEADER))
        try:
            announced = zstandard.get_frame_parameters(header).content_size
            if announced not in (pixels, zstandard.CONTENTSIZE_UNKNOWN):
                raise ShardError(f"frame {number} holds {announced} bytes, not {height} x {width} = {pixels}")
            if not is_decoded and announced == pixels:
                continue
            compressed = header + file.read(length - len(header))
            decoded = len(decompressor.decompress(compressed, max_output_size=pixels, allow_extra_data=False))
        except zstandard.ZstdError as error:
            raise ShardError(f"frame {number} does not decode: {error}") from error
        if decoded != pixels:
            raise ShardError(f"frame {number} holds {decoded} bytes, not {height} x {width} = {pixels}")


def longest_frame(pixels: int) -> int:
    """More bytes than a zstd frame of so many pixels has.

    zstd expands noise by less than 0.4 % and a header; a tenth leaves room for any encoder.
    """
    return int(pixels * 1.1) + 1024


def extend_shard(file: BinaryIO, frames: int, entries: int) -> None:
    """Make a shard of ``frames`` frames one of ``entries`` in place; those added are absent.

    The frames' bytes stay as they are; only the index is written anew. A Zarr array has one shard shape, so
    that a chunk shorter than the others can be stored in no other way without being encoded again.

    Parameters
    ----------
    file
        The whole shard, open for reading and writing in binary mode.
    """
    extents = read_index(file, frames)
    file.seek(-index_bytes(frames), os.SEEK_END)
    file.write(encode_index(extents + [ABSENT] * (entries - frames)))
    file.truncate()
