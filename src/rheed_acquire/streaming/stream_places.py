"""Where the spool lies, and what can be told of a stream's folder in it by whoever has not taken it up."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from rheed_acquire.frames.ring_files import shared_memory_folder
from rheed_acquire.system.long_paths import with_room_below

LOCK = "lock"
ARCHIVES = ".archives"
"""The folder in a spool in which archives wait for their bucket."""


def default_spool_folder() -> Path:
    """Where the environment says, else the system's place for what a user's programs must remember.

    ``RHEED_SPOOL_DIR`` names the folder itself. ``ATOMSCALE_SPOOL_DIR`` is also the public client's, which
    deletes whatever folders it finds there that are none of its own: ours goes beside it.
    """
    return with_room_below(_default_spool_folder())


def _default_spool_folder() -> Path:
    mine, shared = os.environ.get("RHEED_SPOOL_DIR"), os.environ.get("ATOMSCALE_SPOOL_DIR")
    if mine:
        return Path(mine).expanduser()
    if shared:
        place = Path(shared).expanduser()
        return place.with_name(f"{place.name}-rheed-acquire")
    return user_state_path("rheed-acquire", appauthor=False) / "spool"


def quarantined(path: Path) -> int:
    """Shards in the quarantine of a stream's folder, with or without their sidecars."""
    return len({file.stem for file in (path / "quarantine").glob("*")})


def is_in_use(path: Path) -> bool:
    """Whether a living process is at work on a stream's folder."""
    lock = lock_of(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def ring_folders(path: Path) -> list[Path]:
    """Where the ring of a stream with this folder may lie."""
    shared = shared_memory_folder(path)
    return [path / "ring"] if shared is None else [path / "ring", shared]


def folder_bytes(path: Path) -> int:
    """Size of the files in a stream's folder, the ring's apart."""
    total = 0
    for name in ("shards", "quarantine"):
        for file in (path / name).glob("*"):
            try:
                total += file.stat().st_size
            except OSError:  # delivered and deleted meanwhile
                continue
    return total


def lock_of(path: Path) -> FileLock:
    """The lock that whoever is at work on a stream's folder holds."""
    # Taken in one thread and let go in another.
    return FileLock(path / LOCK, thread_local=False, mode=0o600)


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A name that is not taken yet: the same chunk may have been damaged before."""
    target = folder / f"{stem}{suffix}"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{stem}-{number}{suffix}"
    return target
