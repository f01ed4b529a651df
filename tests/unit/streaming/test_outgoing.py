"""A shard that is read on its way into a socket."""

from __future__ import annotations

import hashlib
import io

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.streaming.outgoing import DamagedShardError, ShardFile

CONTENT = st.binary(min_size=1, max_size=200)


def outgoing(on_disk: bytes, written: bytes) -> ShardFile:
    return ShardFile(io.BytesIO(on_disk), len(written), google_crc32c.value(written))


@given(content=CONTENT, sizes=st.lists(st.integers(1, 70), max_size=50))
def test_what_was_written_is_read_whatever_the_blocks(content: bytes, sizes: list[int]) -> None:
    shard = outgoing(content, content)
    pieces = [shard.read(size) for size in sizes]
    pieces.append(b"".join(iter(lambda: shard.read(64), b"")))
    assert b"".join(pieces) == content
    assert shard.read(1) == b""
    assert len(shard) == len(content)
    assert shard.md5() == hashlib.md5(content).hexdigest()


@given(content=CONTENT, size=st.integers(1, 70), place=st.integers(0), bit=st.integers(0, 7))
def test_of_what_was_changed_on_disk_the_end_is_never_given_out(
    content: bytes, size: int, place: int, bit: int
) -> None:
    damaged = bytearray(content)
    damaged[place % len(content)] ^= 1 << bit
    shard = outgoing(bytes(damaged), content)
    given_out: list[bytes] = []
    with pytest.raises(DamagedShardError):
        given_out.extend(iter(lambda: shard.read(size), b""))
    assert sum(map(len, given_out)) < len(content)


@pytest.mark.parametrize("on_disk", [b"", b"conten", b"content and more"])
def test_a_shard_of_another_size_is_not_even_begun(on_disk: bytes) -> None:
    with pytest.raises(DamagedShardError, match="bytes where 7 were written"):
        outgoing(on_disk, b"content")


def test_the_checksum_is_spelled_as_s3_does() -> None:
    # The check value of CRC-32C (RFC 3720, B.4 names the polynomial): E3069283 for the digits 1 to 9.
    assert outgoing(b"123456789", b"123456789").crc32c_base64 == "4waSgw=="
