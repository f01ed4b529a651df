"""How many chunks wait in memory."""

from __future__ import annotations

import math

from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.chunk_buffer import memory_needed
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.reduction import WHOLE
from rheed_acquire.system.memory import total_memory

RING_CHUNKS = 4
"""Chunk buffers where nobody asks for more or fewer: one is filled, one encoded, one written to the spool,
and one is for when any of these takes longer."""
LEAST_RING_CHUNKS = 2


def decide_ring_chunks(
    ring_chunks: int | None,
    memory_limit_gb: float | None,
    chunk_size: int,
    height: int,
    width: int,
    form: ChunkForm = PLAIN,
    *,
    archives: bool = False,
) -> int:
    """Choose the chunk buffers of the ring: what was asked for, as many as fit, or `RING_CHUNKS`.

    Beside its frames in the ring each chunk takes memory for those that the stream has of it: for their
    8-bit gray, where they are not that already, and with a reduction for themselves. Where frames
    are archived there are twice as many, one half each for the stream and for the archive, so that neither
    takes the other's.

    Raises
    ------
    SettingsError
        Not even two fit into the memory; or, without a limit, they would take more than half of this
        computer's.
    """
    takers = 2 if archives else 1
    frame = form.frame(height, width)
    one = memory_needed(chunk_size, height, width, form.pixel_format)
    gray = 0 if frame.is_gray8 else height * width
    if form.reduction == WHOLE:
        one += chunk_size * gray
    else:
        reduced = frame.unpacked() if form.reduction.is_mean else frame
        one += chunk_size // form.reduction.frames * (reduced.frame_bytes + gray)
    if memory_limit_gb is None:
        count, total = takers * (RING_CHUNKS if ring_chunks is None else ring_chunks), total_memory()
        if total is not None and count * one > total / 2:
            raise SettingsError(
                f"a ring of {count} chunks of {chunk_size} frames of {width} x {height} takes "
                f"{count * one / 1e9:.1f} GB, more than half of this computer's {total / 1e9:.1f}: is the "
                "frame rate right (--fps)? Else choose a smaller region of interest, or set --memory-limit"
            )
        return count
    count = int(memory_limit_gb * 1e9 // one)
    least = takers * LEAST_RING_CHUNKS
    if count < least:
        raise SettingsError(
            f"--memory-limit {memory_limit_gb:g} is {memory_limit_gb * 1e3:g} MB, but a ring takes at "
            f"least {least} chunks of {one / 1e6:.3f} MB ({chunk_size} frames of {width} x "
            f"{height}): allow {math.ceil(least * one / 1e7) / 100:g}, or choose a smaller "
            "region of interest"
        )
    return count
