"""Writes what waits in the spool as a recording, for streams that their server takes no more of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.frame_numbers import FrameNumbers
from rheed_acquire.recording.layout import GROUP, folder_name
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.recovery import recovered_chunk
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.system.durable_files import remove, replace, sync_directory, try_to_remove_tree


def export_stream(
    folder: StreamFolder,
    directory: Path,
    on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
) -> Path:
    """Write a stream's shards as a Zarr recording, the same as the local server's.

    Damaged shards are left out; the recording's metadata names the chunks that are missing. Nothing is left
    of a recording that is not finished.

    Parameters
    ----------
    folder
        Of the stream; its shards stay where they are.
    directory
        Where the recording's folder is made.
    on_chunks
        Told of how many more chunks are written or left out.

    Returns
    -------
    Path
        Of the ``frames.zarr``.

    Raises
    ------
    OSError
        It cannot be written.
    """
    record = folder.record
    created = datetime.fromtimestamp(record.created_unix_s, UTC)
    target = directory / folder_name(record.name, record.data_id, created)
    number = 1
    while target.exists():  # an earlier export, which stays as it is
        number += 1
        target = directory / f"{folder_name(record.name, record.data_id, created)}.{number}"
    half = directory / f".{target.name}.part"
    try_to_remove_tree(half)  # of a process that was killed
    half.mkdir(parents=True)
    try:
        _write(folder, half, on_chunks)
        replace(half, target)
    except BaseException:
        try_to_remove_tree(half)
        raise
    sync_directory(directory)
    return target / GROUP


def _write(folder: StreamFolder, target: Path, on_chunks: Callable[[int], None]) -> None:
    record = folder.record
    _encode_what_is_left(folder)
    rotations = record.rotations_per_min
    declaration = StreamDeclaration(
        name=record.name,
        fps=record.fps,
        rotations_per_min=rotations,
        rotational_period=record.fps * 60.0 / rotations if rotations > 0 else None,
        project_id=None,
        azimuth_label=None,
    )
    recorded = RunWriter.create(target, record.data_id, declaration)
    for shard in folder.shards():
        received = recorded.incoming_path()
        try:
            with folder.open(shard) as content, received.open("wb") as copy:
                copy.writelines(content)
        except DamagedShardError:
            remove(received)
            folder.quarantine(shard)
            on_chunks(1)
            continue
        declared, times_us = _declaration(shard), shard.times_us
        numbers = None
        if times_us is not None:
            numbers = FrameNumbers.of_times(declared.start_unix_ms + times_us / 1000)
        recorded.commit(received, declared, numbers=numbers)
        on_chunks(1)
    recorded.close("exported from the spool")


def _encode_what_is_left(folder: StreamFolder) -> None:
    """Make shards of the chunks that a dead process had only in its ring."""
    stream = Stream(folder, ring_chunks=2, when_full=WhenFull.STOP)
    spooled = {shard.chunk_idx for shard in folder.shards()}
    for buffer in folder.ring.chunks_left():
        if buffer.chunk_index in spooled:
            continue
        chunk = recovered_chunk(buffer, stream)
        content = encode_shard(chunk.frames)
        folder.add(describe_shard(stream, chunk, content.size), content)
        chunk.release()


def _declaration(shard: SpooledShard) -> ChunkDeclaration:
    """Read what `describe_shard` has written into the body of a shard's presign request."""
    body = shard.body
    frames, height, width = (int(number) for number in body["dims"].split(","))
    offset_ms, uncertainty_ms = body.get("clock_offset_ms"), body.get("clock_uncertainty_ms")
    return ChunkDeclaration(
        index=shard.chunk_idx,
        frames=frames,
        height=height,
        width=width,
        chunk_size=int(body["chunk_size"]),
        start_unix_ms=int(body["start_unix_ms_utc"]),
        clock_offset_ms=None if offset_ms is None else float(offset_ms),
        clock_uncertainty_ms=None if uncertainty_ms is None else float(uncertainty_ms),
        avg_frame_rate=float(body["avg_frame_rate"]),
    )
