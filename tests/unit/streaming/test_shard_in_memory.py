"""A shard read from memory, moved to the disk at any moment, is the same bytes all the way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.recording.shard_encoding import STORED, Shard, encode_shard
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.shard_in_memory import ShardInMemory

pieces = st.lists(st.binary(max_size=20), min_size=1, max_size=8).filter(any)


def in_memory(parts: list[bytes]) -> tuple[ShardInMemory, list[bytearray], bytes]:
    """A shard, the memory that it is made of, and its bytes."""
    memory = [bytearray(part) for part in parts]
    shard = Shard(sum(map(len, parts)), lambda: iter(memory))
    return ShardInMemory(shard), memory, b"".join(parts)


def sizes() -> Iterator[int]:
    while True:
        yield from (1, 7, 3)


@given(parts=pieces, moved_after=st.integers(0, 12), size=st.integers(1, 30))
def test_it_is_read_to_its_end_wherever_it_lies_meanwhile(
    parts: list[bytes], moved_after: int, size: int
) -> None:
    shard, memory, content = in_memory(parts)
    assert shard.crc32c == google_crc32c.value(content)
    read = b""
    with shard.open() as reader:
        assert (len(reader), reader.size) == (len(content), len(content))
        for number in range(len(content) + 2):
            if number == moved_after:
                shard.move_to(lambda: io.BytesIO(content), google_crc32c.value(content))
                for part in memory:  # it belongs to other frames now
                    part[:] = bytes(len(part))
            read += reader.read(size)
        assert reader.read(size) == b""
    assert read == content


@given(parts=pieces, moved_after=st.integers(0, 12), damage=st.integers(0, 10_000), cut=st.booleans())
def test_what_was_damaged_on_disk_does_not_come_to_an_end(
    parts: list[bytes], moved_after: int, damage: int, cut: bool
) -> None:
    shard, _, content = in_memory(parts)
    place = damage % len(content)
    damaged = content[:place] if cut else content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    from_memory = 0
    read = b""
    with shard.open() as reader:
        try:
            for number in range(len(content) + 2):
                if number == moved_after:
                    from_memory = len(read)
                    shard.move_to(lambda: io.BytesIO(damaged), google_crc32c.value(content))
                read += reader.read(1)
        except DamagedShardError:
            assert len(read) < len(content)
            return
    # All of it, or what is damaged, had been read before.
    assert read == content
    assert moved_after >= len(content) or place < from_memory


def test_it_can_be_read_again_and_by_several_before_and_after_it_has_moved() -> None:
    shard, _, content = in_memory([b"head", b"", b"the rest of it"])
    with shard.open() as first, shard.open() as second:
        assert first.read(6) == content[:6]
        assert second.md5() == first.md5()
        first.rewind()
        assert first.read(3) == content[:3]
        shard.move_to(lambda: io.BytesIO(content), google_crc32c.value(content))
        assert first.read() == content[3:]
        assert first.md5() == second.md5()
    with shard.open() as third:
        assert b"".join(third) == content


@pytest.mark.parametrize("level", [STORED, 3])
def test_of_frames_it_is_the_shard_that_the_encoder_made(level: int) -> None:
    frames: Any = np.random.default_rng(1).integers(0, 4, (5, 300, 500), np.uint8)
    encoded = bytes(encode_shard(frames, level))
    shard = ShardInMemory(encode_shard(frames, level))
    with shard.open() as reader:
        blocks = list(reader)
    assert b"".join(blocks) == encoded
    assert shard.crc32c == google_crc32c.value(encoded)


@pytest.mark.parametrize("level", [STORED, 3])
def test_one_that_owns_its_bytes_outlives_the_frames(level: int) -> None:
    frames = np.random.default_rng(1).integers(0, 9, (3, 5, 400), np.uint8)
    encoded = encode_shard(frames, level)
    content = bytes(encoded)
    shard = ShardInMemory(encoded)
    shard.own()
    shard.own()
    frames[:] = 0
    with shard.open() as reader:
        assert reader.read() == content
