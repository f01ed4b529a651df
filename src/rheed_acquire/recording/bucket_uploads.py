"""A shard that was uploaded into a bucket: looked at where it lies, and put in its place by the store."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from rheed_acquire.recording.bucket_path import BucketFile, BucketPath
from rheed_acquire.recording.shards import ShardError, count_entries, extend_shard, verify_shard

if TYPE_CHECKING:
    from rheed_acquire.recording.declarations import ChunkDeclaration

LOOKED_AT_EVERY = 400
"""Of so many frames of a stream one is decoded: its uploader has compared the store's MD5 with its own."""


def put_in_place(upload: BucketPath, target: BucketPath, chunk: ChunkDeclaration) -> int:
    """Look at an upload, and have it copied to its place in the array; its length in bytes.

    One with the index of a chunk that is shorter than a full one is written there with the rest of its frames
    absent: all of it passes through this process.

    Raises
    ------
    ShardError
        It does not hold.
    FileNotFoundError
        It is not there.
    OSError
        The store does not answer.
    """
    file = BucketFile(upload)
    if file.size > chunk.largest_shard:
        raise ShardError(f"{file.size} bytes are more than any shard of these dims takes")
    entries = count_entries(file, chunk.frames, chunk.chunk_size)
    verify_shard(file, entries, chunk.height, chunk.width, 1, _looked_at(chunk))
    if entries < chunk.chunk_size:
        padded = BytesIO(upload.read_bytes())
        extend_shard(padded, chunk.frames, chunk.chunk_size)
        target.write_bytes(padded.getvalue())
    else:
        upload.copy_to(target)
    return file.size


def _looked_at(chunk: ChunkDeclaration) -> tuple[int, ...]:
    """Which frames of a chunk are decoded: the stream's first, and one of so many after it."""
    first = chunk.index * chunk.frames
    return tuple(-first % LOOKED_AT_EVERY + more for more in range(0, chunk.frames, LOOKED_AT_EVERY))
