"""Memory of a long run: what is freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_THRESHOLD_BYTES = 1 << 20


def return_large_blocks() -> None:
    """Let glibc map blocks of a megabyte and more one by one, and unmap them when they are freed.

    By default it raises that size to that of the largest block ever freed (mallopt(3)), and from then on
    cuts encoded shards, of tens of megabytes each, out of heaps that they leave full of holes: in a run of
    hours the process grew by a shard now and then. Other C libraries do this already.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
    except (OSError, AttributeError):  # musl
        return
