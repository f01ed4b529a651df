"""How glibc hands out memory, where the commands of this package make it move gigabytes an hour."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20
_KEPT_BYTES = 1 << 26


def tune_allocator() -> None:
    """Keep what is used again and again, and give large blocks back to the system (mallopt(3)).

    By default glibc maps blocks of 128 kB and more one by one and unmaps each when it is freed, so that the
    pieces in which a shard is read and sent are paid for page by page; a block once freed raises that size
    to its own, and from then on shards of tens of megabytes are cut out of heaps that they leave full of
    holes: in a run of hours the process grew by a shard now and then. Other C libraries do neither.
    """
    if sys.platform != "linux":
        return
    try:
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    except (OSError, AttributeError):  # musl
        return
