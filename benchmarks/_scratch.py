"""Where the benchmarks keep their files: on the disk that the project lies on, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1] / "build" / "benchmarks"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for the time of a ``with``.

    What others have left for the disk to write is written first, so that nobody pays for it here.
    """
    ROOT.mkdir(parents=True, exist_ok=True)
    if hasattr(os, "sync"):
        os.sync()
    folder = Path(tempfile.mkdtemp(dir=ROOT))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment_apart(folder: Path) -> dict[str, str]:
    """Give the environment for a process that knows no account of the user's and spools into ``folder``."""
    users = ("AS_", "ATOMSCALE_", "RHEED_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(users)}
    return {**kept, "RHEED_SPOOL_DIR": str(folder / "spool")}
