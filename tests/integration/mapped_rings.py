"""Whether a process has let go of the files of its rings: Windows deletes none that is mapped."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rheed_acquire.frames.ring_files import SHARED_MEMORY_VARIABLE


def rings_in_use(spool: Path) -> list[str]:
    """Of this test: files of rings that this process has mapped, or (Windows) that could not be deleted."""
    if sys.platform == "linux":
        places = (str(spool), os.environ[SHARED_MEMORY_VARIABLE])
        mapped = Path("/proc/self/maps").read_text("utf-8").splitlines()
        return [line for line in mapped if ".ring" in line and any(place in line for place in places)]
    return [str(path) for path in spool.glob("*/ring/*.ring")]
