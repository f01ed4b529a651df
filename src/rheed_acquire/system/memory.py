"""How much memory the computer has, and can give."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def total_memory() -> int | None:
    """Bytes of memory that this computer has; None where the system does not tell."""
    if sys.platform == "win32":
        import ctypes

        # MEMORYSTATUSEX: its own length, the load in percent, and seven numbers of bytes, all memory first.
        status = (ctypes.c_uint64 * 8)(64)
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
            return None
        return int(status[1]) or None  # Wine says 0 to the second of two threads that ask at once
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def available_memory() -> int:
    """Bytes of memory that Linux can give without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return sys.maxsize
