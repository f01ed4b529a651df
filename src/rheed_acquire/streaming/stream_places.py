"""What can be told of a stream's folder in the spool by whoever has not taken it up."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from rheed_acquire.frames.ring_files import shared_memory_folder

LOCK = "lock"


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
