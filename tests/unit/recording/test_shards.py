"""Reading, checking and extending shards."""

from __future__ import annotations

import io
import struct

import google_crc32c
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.recording.shards import (
    ABSENT,
    MISSING,
    ShardError,
    decode_index,
    encode_index,
    extend_shard,
    read_index,
    verify_shard,
)

HEIGHT, WIDTH = 5, 7


def make_frames(count: int, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)


def encode_shard(frames: NDArray[np.uint8], *, leave_out_zeros: bool = True) -> bytes:
    """Written from the format's description, without the code under test."""
    data, pairs = b"", b""
    for frame in frames:
        if leave_out_zeros and not frame.any():
            pairs += struct.pack("<QQ", 2**64 - 1, 2**64 - 1)
            continue
        compressed = zstandard.ZstdCompressor(level=3).compress(frame.tobytes())
        pairs += struct.pack("<QQ", len(data), len(compressed))
        data += compressed
    return data + pairs + struct.pack("<I", google_crc32c.value(pairs))


@given(
    count=st.integers(1, 12),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    black=st.sets(st.integers(0, 11)),
    leave_out_zeros=st.booleans(),
    extra=st.integers(0, 5),
)
def test_a_whole_shard_is_accepted_and_stays_readable_when_extended(
    count: int, height: int, width: int, black: set[int], leave_out_zeros: bool, extra: int
) -> None:
    frames = make_frames(count, count, height, width)
    frames[[number for number in black if number < count]] = 0
    file = io.BytesIO(encode_shard(frames, leave_out_zeros=leave_out_zeros))
    before = read_index(file, count)
    verify_shard(file, count, height, width)
    extend_shard(file, count, count + extra)
    verify_shard(file, count + extra, height, width)
    assert read_index(file, count + extra) == before + [ABSENT] * extra


@given(data=st.data())
def test_any_change_of_the_index_or_the_length_is_detected(data: st.DataObject) -> None:
    frames = make_frames(3)
    shard = encode_shard(frames)
    index_start = len(shard) - 3 * 16 - 4
    damage = data.draw(st.sampled_from(["flip", "cut", "append", "prepend"]))
    if damage == "flip":
        position = data.draw(st.integers(index_start, len(shard) - 1))
        damaged = bytearray(shard)
        damaged[position] ^= data.draw(st.integers(1, 255))
        shard = bytes(damaged)
    elif damage == "cut":
        shard = shard[: data.draw(st.integers(0, len(shard) - 1))]
    elif damage == "append":
        shard += data.draw(st.binary(min_size=1, max_size=40))
    else:
        shard = data.draw(st.binary(min_size=1, max_size=40).filter(lambda b: b[:4] != shard[:4])) + shard
    with pytest.raises(ShardError):
        verify_shard(io.BytesIO(shard), 3, HEIGHT, WIDTH)


@given(
    shard=st.binary(max_size=200),
    frames=st.integers(1, 4),
)
def test_arbitrary_bytes_are_refused_and_nothing_else_is_raised(shard: bytes, frames: int) -> None:
    with pytest.raises(ShardError):
        verify_shard(io.BytesIO(shard), frames, HEIGHT, WIDTH)


@given(
    extents=st.lists(
        st.tuples(
            st.one_of(st.just(MISSING), st.integers(0, 80), st.integers(0, MISSING)),
            st.one_of(st.just(MISSING), st.integers(0, 80), st.integers(0, MISSING)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_an_index_with_a_right_checksum_may_say_anything(extents: list[tuple[int, int]]) -> None:
    assert decode_index(encode_index(extents)) == extents
    shard = zstandard.compress(bytes(HEIGHT * WIDTH)) + encode_index(extents)
    try:
        verify_shard(io.BytesIO(shard), len(extents), HEIGHT, WIDTH)
    except ShardError:
        return
    length = len(zstandard.compress(bytes(HEIGHT * WIDTH)))
    assert all(extent in {ABSENT, (0, length)} for extent in extents)
    assert extents.count((0, length)) <= 1, "no bytes are two frames"


@pytest.mark.parametrize("known_size", [True, False])
@pytest.mark.parametrize("size", [HEIGHT * WIDTH - 1, HEIGHT * WIDTH + 1, 50_000_000])
def test_a_frame_of_another_size_is_refused_without_being_decoded_whole(size: int, known_size: bool) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=known_size)
    compressed = compressor.compress(bytes(size))
    shard = compressed + encode_index([(0, len(compressed))])
    with pytest.raises(ShardError, match="frame 0"):
        verify_shard(io.BytesIO(shard), 1, HEIGHT, WIDTH)


def test_a_frame_without_a_known_size_is_accepted() -> None:
    compressed = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(HEIGHT * WIDTH))
    verify_shard(io.BytesIO(compressed + encode_index([(0, len(compressed))])), 1, HEIGHT, WIDTH)


def test_two_zstd_frames_in_the_place_of_one_are_refused() -> None:
    compressed = zstandard.compress(bytes(HEIGHT * WIDTH)) * 2
    with pytest.raises(ShardError):
        verify_shard(io.BytesIO(compressed + encode_index([(0, len(compressed))])), 1, HEIGHT, WIDTH)


@given(data=st.data())
def test_frames_that_lie_on_the_same_bytes_are_refused_in_whatever_order(data: st.DataObject) -> None:
    size = data.draw(st.integers(4, 64))
    extents = [
        data.draw(
            st.integers(0, size - 1).flatmap(lambda at: st.tuples(st.just(at), st.integers(1, size - at)))
        )
        for _ in range(data.draw(st.integers(1, 6)))
    ]
    taken = [byte for offset, length in extents for byte in range(offset, offset + length)]
    index = data.draw(st.permutations([*extents, ABSENT]))
    file = io.BytesIO(bytes(size) + encode_index(index))
    if len(set(taken)) == len(taken):
        assert read_index(file, len(index)) == index
    else:
        with pytest.raises(ShardError, match="the same bytes"):
            read_index(file, len(index))


def test_a_frame_of_more_bytes_than_its_pixels_can_take_is_refused_unread() -> None:
    compressed = zstandard.compress(bytes(HEIGHT * WIDTH)) + bytes(10_000)
    with pytest.raises(ShardError, match="frame 0 takes"):
        verify_shard(io.BytesIO(compressed + encode_index([(0, len(compressed))])), 1, HEIGHT, WIDTH)


@pytest.mark.parametrize("decode_every", [1, 16])
def test_a_frame_that_does_not_say_how_large_it_is_is_decoded_always(decode_every: int) -> None:
    good = zstandard.compress(bytes(HEIGHT * WIDTH))
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 24))
    shard = good + bomb + encode_index([(0, len(good)), (len(good), len(bomb))])
    with pytest.raises(ShardError, match="frame 1"):
        verify_shard(io.BytesIO(shard), 2, HEIGHT, WIDTH, decode_every)


def test_a_window_larger_than_frames_need_is_refused() -> None:
    header = struct.pack("<IBB", 0xFD2FB528, 0x00, (27 - 10) << 3)  # RFC 8878: 128 MB of window, no size
    frame = header + struct.pack("<I", 1)[:3]
    with pytest.raises(ShardError, match="frame 0 does not decode"):
        verify_shard(io.BytesIO(frame + encode_index([(0, len(frame))])), 1, HEIGHT, WIDTH)
