"""What the upload of a chunk says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.streaming.reference_clock import corrected
from rheed_acquire.streaming.sidecar import SpooledShard

if TYPE_CHECKING:
    from rheed_acquire.frames.chunk import Chunk
    from rheed_acquire.streaming.reference_clock import ReferenceClock
    from rheed_acquire.streaming.stream import Stream


def describe_shard(
    stream: Stream, chunk: Chunk, size: int, clock: ReferenceClock | None = None
) -> SpooledShard:
    """Put together what the upload of a chunk needs to say (wire protocol, "A chunk").

    Its stamps are corrected by ``clock``, where that knows the time.
    """
    count, height, width = chunk.shape
    start_ms = chunk.capture_start_ms_utc or 0.0
    correction = None
    if clock is not None and chunk.time_base != "reference":
        correction = clock.correction(start_ms, wall=chunk.time_base == "wall")
    start, offset_ms, uncertainty_ms = corrected(start_ms, correction)
    clock_fields = {}
    if offset_ms is not None:
        clock_fields = {"clock_offset_ms": str(offset_ms), "clock_uncertainty_ms": str(uncertainty_ms)}
    fps = stream.fps if chunk.fps is None else chunk.fps
    return SpooledShard(
        data_id=stream.data_id,
        chunk_idx=chunk.index,
        size=size,
        frames=count,
        body={
            "data_id": stream.data_id,
            "data_stream": "rheed",
            "is_stream": "1",
            "is_rotating": "1" if stream.rotating else "0",
            "raw_frame_rate": str(float(stream.fps)),
            "avg_frame_rate": str(float(fps)),
            "chunk_size": str(stream.chunk_size),
            "dims": f"{count},{height},{width}",
            "start_unix_ms_utc": str(start),
            "end_unix_ms_utc": str(start + int(count / fps * 1000)),
            **clock_fields,
        },
        stamps={
            "frame_ids": chunk.frame_ids.tolist(),
            "timestamps_ns": chunk.timestamps_ns.tolist(),
            "host_ns": chunk.host_ns.tolist(),
        },
    )
