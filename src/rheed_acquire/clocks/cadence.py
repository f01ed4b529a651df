"""Which frame rate a stream declares, how many frames a chunk has, and how many chunks wait in memory."""

from __future__ import annotations

import math

from rheed_acquire.cameras.camera import CameraInfo
from rheed_acquire.errors import SettingsError

MIN_CHUNK_S = 2.0
"""The service refuses chunks that are declared shorter than this."""

RING_CHUNKS = 4
"""Chunk buffers where nobody asks for more or fewer: one is filled, one encoded, one written to the spool,
and one is for when any of these takes longer."""
LEAST_RING_CHUNKS = 2


def smallest_chunk_size(fps: float) -> int:
    """Frames that a chunk needs at least, at ``fps`` frames per second."""
    return math.ceil(MIN_CHUNK_S * fps)


def decide_fps(info: CameraInfo, asked: float | None, tolerance: float) -> float:
    """Choose the rate that the stream declares.

    Raises
    ------
    SettingsError
        Neither the user nor the camera says one, or they differ by more than ``tolerance`` (a fraction).
    """
    if asked is None:
        if info.fps is None:
            bound = "" if info.fps_at_most is None else f"at most {info.fps_at_most:.6g} frames/s, by "
            why = f" ({bound}{info.fps_limited_by})" if info.fps_limited_by else ""
            raise SettingsError(f"{info.device} cannot tell its frame rate{why}: give --fps")
        return info.fps
    if info.fps is not None:
        is_right, delivers = abs(info.fps - asked) <= tolerance * asked, f"{info.fps:.6g}"
    elif info.fps_at_most is not None:
        is_right, delivers = asked <= info.fps_at_most * (1 + tolerance), f"at most {info.fps_at_most:.6g}"
    else:
        return asked
    if not is_right:
        limit = f", limited by {info.fps_limited_by}" if info.fps_limited_by else ""
        raise SettingsError(
            f"--fps asks for {asked:g} frames/s, but {info.device} delivers {delivers}{limit}; "
            f"change that, or --fps, or allow more than {tolerance:.3g} of difference by --fps-tolerance"
        )
    return asked


def decide_chunk_size(fps: float, chunk_size: int | None, chunk_seconds: float | None) -> int:
    """Choose the frames per chunk: what was asked for, else two seconds of them.

    Raises
    ------
    SettingsError
        A chunk would be shorter than two seconds.
    """
    least = smallest_chunk_size(fps)
    if chunk_size is None:
        if chunk_seconds is None:
            return least
        chunk_size = math.ceil(chunk_seconds * fps)
        flag = f"--chunk-seconds {chunk_seconds:g}"
    else:
        flag = f"--chunk-size {chunk_size}"
    if chunk_size < least:
        raise SettingsError(
            f"{flag} makes chunks of {chunk_size} frames, but at {fps:.6g} frames/s they need at least "
            f"{least} (2 seconds)"
        )
    return chunk_size


def decide_ring_chunks(
    ring_chunks: int | None, memory_limit_gb: float | None, chunk_size: int, height: int, width: int
) -> int:
    """Choose the chunk buffers of the ring: what was asked for, as many as fit, or `RING_CHUNKS`.

    Raises
    ------
    SettingsError
        Not even two fit into the memory; or, without a limit, they would take more than half of this
        computer's.
    """
    from rheed_acquire.frames.chunk_buffer import memory_needed  # with numpy, which the help does without
    from rheed_acquire.frames.ring_files import total_memory

    one = memory_needed(chunk_size, height, width)
    if memory_limit_gb is None:
        count, total = RING_CHUNKS if ring_chunks is None else ring_chunks, total_memory()
        if total is not None and count * one > total / 2:
            raise SettingsError(
                f"a ring of {count} chunks of {chunk_size} frames of {width} x {height} takes "
                f"{count * one / 1e9:.1f} GB, more than half of this computer's {total / 1e9:.1f}: is the "
                "frame rate right (--fps)? Else choose a smaller region of interest, or set --memory-limit"
            )
        return count
    count = int(memory_limit_gb * 1e9 // one)
    if count < LEAST_RING_CHUNKS:
        raise SettingsError(
            f"--memory-limit {memory_limit_gb:g} is {memory_limit_gb * 1e3:.0f} MB, but a ring takes at "
            f"least {LEAST_RING_CHUNKS} chunks of {one / 1e6:.0f} MB ({chunk_size} frames of {width} x "
            f"{height}): allow {math.ceil(LEAST_RING_CHUNKS * one / 1e7) / 100:g}, or choose a smaller "
            "region of interest"
        )
    return count
