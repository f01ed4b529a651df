"""Memory whose pages are there before the first frame: of this process alone, or a file that outlives it."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.system.durable_files import remove

_BLOCK = bytes(1 << 20)
_PIECE_BYTES = 64 << 20
"""A file grows by so much between two questions whether it is still wanted."""


class RingGivenUpError(RheedAcquireError):
    """The ring was not wanted any more when it was half made; what there was of it is gone."""


def never() -> bool:
    """Whether a ring that is being made is given up: never."""
    return False


def check_wanted(given_up: Callable[[], bool]) -> None:
    """Raise `RingGivenUpError` where nobody waits for a ring that is being made."""
    if given_up():
        raise RingGivenUpError("the run was ended while its ring was made")


def plain_memory(nbytes: int) -> mmap.mmap:
    """Memory of this process alone, present from the start."""
    if sys.platform == "linux":
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        return mmap.mmap(-1, nbytes, flags=flags)
    memory = mmap.mmap(-1, nbytes)
    _touch(memory)
    return memory


def plain_memories(count: int, nbytes: int, given_up: Callable[[], bool] = never) -> list[mmap.mmap]:
    """Make so many pieces of plain memory; raises `RingGivenUpError`."""
    made: list[mmap.mmap] = []
    for _ in range(count):
        check_wanted(given_up)
        made.append(plain_memory(nbytes))
    return made


def make_file(path: Path, nbytes: int, given_up: Callable[[], bool] = never) -> mmap.mmap:
    """Make a file of ``nbytes`` bytes that are really there, and map it.

    Parameters
    ----------
    given_up
        Asked again and again, since gigabytes take seconds, whether nobody wants it any more.

    Raises
    ------
    OSError
        ``ENOSPC`` where they do not fit: a file without its blocks would kill the process later, when a
        page is touched that the file system cannot give.
    RingGivenUpError
        It is not wanted any more.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    if sys.platform == "win32":
        # Windows keeps a file that is marked short-lived in memory as long as it can.
        flags |= os.O_BINARY | os.O_SHORT_LIVED
    descriptor = os.open(path, flags, 0o600)
    try:
        _reserve(descriptor, nbytes, given_up)
        memory = _map(descriptor, nbytes)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # what went wrong before is what is told
            remove(path)
        raise
    os.close(descriptor)
    return memory


def _reserve(descriptor: int, nbytes: int, given_up: Callable[[], bool]) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            for begin in range(0, nbytes, _PIECE_BYTES):
                check_wanted(given_up)
                os.posix_fallocate(descriptor, begin, min(_PIECE_BYTES, nbytes - begin))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        else:
            return
    written = 0
    while written < nbytes:
        check_wanted(given_up)
        written += os.write(descriptor, _BLOCK[: min(len(_BLOCK), nbytes - written)])


def _map(descriptor: int, nbytes: int) -> mmap.mmap:
    if sys.platform == "linux":
        # The page tables are filled now, not under the first frames.
        return mmap.mmap(descriptor, nbytes, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
    memory = mmap.mmap(descriptor, nbytes)
    _touch(memory)
    return memory


def _touch(memory: mmap.mmap) -> None:
    for offset in range(0, len(memory), mmap.PAGESIZE):
        memory[offset] = 0
