"""What the upload of a chunk says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.streaming.reference_clock import corrected
from rheed_acquire.streaming.sidecar import SpooledShard

if TYPE_CHECKING:
    from rheed_acquire.frames.chunk import Chunk
    from rheed_acquire.streaming.reference_clock import ReferenceClock
    from rheed_acquire.streaming.stream import Stream

_OFF_MS, _OFF_EXACT_MS = 0.5, 0.001
"""Frames further off where even spacing puts them bring times of their own: such as are dated by this
computer's clock, which no millisecond is certain of, and such as are dated in UTC itself."""


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
    stamps = {
        "frame_ids": chunk.frame_ids.tolist(),
        "timestamps_ns": chunk.timestamps_ns.tolist(),
        "host_ns": chunk.host_ns.tolist(),
    }
    times_us = _own_times_us(chunk, start_ms - round(start_ms), fps)
    if times_us is not None:
        stamps["times_us"] = times_us
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
        stamps=stamps,
        growth=chunk.growth,
    )


def _own_times_us(chunk: Chunk, first_ms: float, fps: float) -> list[int] | None:
    """When each frame was captured, in microseconds since the chunk's start; None where even spacing tells.

    ``first_ms`` is what the start lacks to be the first frame's time.
    """
    if chunk.since_ns is None or not chunk.is_stamped:
        return None
    own_ms = first_ms + np.maximum(chunk.since_ns - chunk.moved_ns, 0) / 1e6
    even_ms = np.arange(len(chunk)) * (1000.0 / fps)
    off_ms = _OFF_EXACT_MS if chunk.time_base == "reference" else _OFF_MS
    if np.abs(own_ms - even_ms).max() <= off_ms:
        return None
    times_us: list[int] = np.rint(own_ms * 1000).astype(np.int64).tolist()
    return times_us
