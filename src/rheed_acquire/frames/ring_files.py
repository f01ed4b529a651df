"""Where a ring lies: in memory-mapped files that outlive this process, or in plain memory.

A ring has to survive the process, not the power, so its pages need never reach a disk. On Linux it lies in
``/dev/shm`` where it fits, which is memory by nature, or in another such folder that the environment names.
Elsewhere it is a file beside the spool, which Windows is told to keep in memory; an ordinary file may stall
the camera's callback for moments while the system writes pages back.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import mmap
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.chunk_buffer import memory_needed
from rheed_acquire.frames.mapped_memory import RingGivenUpError, make_file, never, plain_memories
from rheed_acquire.system.durable_files import remove
from rheed_acquire.system.memory import available_memory
from rheed_acquire.system.own_files import make_own_folder

logger = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
SHARED_MEMORY_VARIABLE = "RHEED_SHARED_MEMORY"
"""Of the environment: a folder in memory that is used instead of ``/dev/shm``."""
SUFFIX = ".ring"
OWNER = "owner"
"""Beside a ring in shared memory: the path of the spool folder that it belongs to."""


class RingMemoryError(RheedAcquireError):
    """There is not enough room for the ring, neither in shared memory nor on the spool's disk."""


@dataclass(frozen=True, slots=True)
class RingPlace:
    """Where a ring lies.

    Attributes
    ----------
    folder
        Of its files.
    in_memory
        Whether they never reach a disk.
    """

    folder: Path
    in_memory: bool

    def path(self, number: int) -> Path:
        """The file of one buffer."""
        return self.folder / f"{number:03d}{SUFFIX}"

    def make(self, number: int, nbytes: int, given_up: Callable[[], bool] = never) -> mmap.mmap:
        """Make the file of one buffer; raises as `make_file`."""
        return make_file(self.path(number), nbytes, given_up)


def make_ring_memory(
    beside: Path,
    count: int,
    capacity: int,
    height: int,
    width: int,
    now: int | None = None,
    given_up: Callable[[], bool] = never,
    pixel_format: str = "Mono8",
) -> tuple[RingPlace | None, list[mmap.mmap]]:
    """Make the files of a ring, where there is room for all.

    Parameters
    ----------
    beside
        The stream's folder in the spool, where the files go that do not fit into shared memory.
    count, capacity, height, width, pixel_format
        See `rheed_acquire.frames.ring.ChunkRing`.
    now
        How many are made now; the others come by `RingPlace.make`. By default all.
    given_up
        See `rheed_acquire.frames.mapped_memory.make_file`.

    Returns
    -------
    tuple
        Where they lie, and those made, mapped; plain memory and None where the file system maps no files.

    Raises
    ------
    RingMemoryError
        They fit nowhere.
    RingGivenUpError
        They are not wanted any more; nothing is left of them.
    """
    nbytes = memory_needed(capacity, height, width, pixel_format)
    places = [RingPlace(beside / "ring", in_memory=False)]
    shared = shared_memory_folder(beside)
    if shared is not None:
        places.insert(0, RingPlace(shared, in_memory=True))
    for place in places:
        try:
            make_own_folder(place.folder)
            _check_room(place, count * nbytes)
            (place.folder / OWNER).write_bytes(os.fsencode(beside.absolute()))
            return place, _make_files(place, now or count, nbytes, given_up)
        except RingGivenUpError:
            remove_files(place.folder)
            raise
        except OSError as error:
            if not place.folder.is_symlink():
                remove_files(place.folder)
            reason, full = error.strerror or str(error), error.errno in (errno.ENOSPC, errno.EDQUOT)
            logger.info(
                "a ring of %d x %d bytes does not fit into %s: %s", count, nbytes, place.folder, reason
            )
    if not full:
        logger.warning(
            "%s allows no memory-mapped files (%s): frames that are not encoded yet would not survive the "
            "death of this process",
            beside,
            reason,
        )
        return None, plain_memories(now or count, nbytes, given_up)
    raise RingMemoryError(
        f"the ring needs {count} x {nbytes / 1e6:.3f} MB and fits into none of "
        f"{', '.join(str(place.folder) for place in places)} ({reason}); make room there, use fewer or "
        "shorter chunks (--ring-chunks, --chunk-seconds), or a smaller region of interest"
    )


def shared_memory_folder(beside: Path) -> Path | None:
    """Where the ring of a stream with this spool folder lies in shared memory; None where there is none."""
    root = shared_memory_root()
    if root is None:
        return None
    # Two spools may know a stream of the same name.
    place = hashlib.sha256(os.fsencode(os.path.realpath(beside))).hexdigest()[:12]
    return root / f"{beside.name}-{place}"


def shared_memory_root() -> Path | None:
    """The part of shared memory that is this user's alone; None where there is none that is safe to use."""
    memory = Path(os.environ.get(SHARED_MEMORY_VARIABLE) or SHARED_MEMORY)
    if sys.platform != "linux" or not os.access(memory, os.W_OK):
        return None
    mine = memory / f"rheed-acquire-{os.getuid()}"
    # Anybody may make a folder of this name: one that is not ours alone is not used.
    try:
        make_own_folder(mine)
        found = mine.lstat()
    except OSError as error:
        logger.warning("%s is not used, and the ring lies on disk: %s", mine, error.strerror or error)
        return None
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        logger.warning("%s is not private to this user: the ring lies on disk", mine)
        return None
    return mine


def remove_files(folder: Path) -> None:
    """Delete a ring's files and their folder, as far as nobody has them mapped (Windows)."""
    for path in (*folder.glob(f"*{SUFFIX}"), folder / OWNER):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.debug("%s stays for now: %s", path, error)
    try:
        folder.rmdir()
    except OSError as error:
        logger.debug("%s stays for now: %s", folder, error)


def _check_room(place: RingPlace, nbytes: int) -> None:
    """Raise ``ENOSPC`` where there is no room, before half of it is taken."""
    free = shutil.disk_usage(place.folder).free
    if place.in_memory:
        free = min(free, available_memory())
    if nbytes > free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place.folder))


def _make_files(place: RingPlace, count: int, nbytes: int, given_up: Callable[[], bool]) -> list[mmap.mmap]:
    made: list[mmap.mmap] = []
    try:
        for number in range(count):
            made.append(place.make(number, nbytes, given_up))  # noqa: PERF401
    except BaseException:
        for memory in made:
            memory.close()
        for number in range(len(made)):
            with contextlib.suppress(OSError):
                remove(place.path(number))
        raise
    return made
