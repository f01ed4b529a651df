"""Where the ring's memory comes from: memory-mapped files that outlive this process, or plain memory.

A ring has to survive the process, not the power, so its pages need never reach a disk. On Linux it lies in
``/dev/shm`` where it fits, which is memory by nature, or in another such folder that the environment names.
Elsewhere it is a file beside the spool, which Windows is told to keep in memory; an ordinary file may stall
the camera's callback for moments while the system writes pages back.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import mmap
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.chunk_buffer import HEADER_BYTES, ChunkBuffer, memory_needed
from rheed_acquire.system.own_files import check_own_folder, make_own_folder, open_own_file

logger = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
SHARED_MEMORY_VARIABLE = "RHEED_SHARED_MEMORY"
"""Of the environment: a folder in memory that is used instead of ``/dev/shm``."""
SUFFIX = ".ring"
OWNER = "owner"
"""Beside a ring in shared memory: the path of the spool folder that it belongs to."""
ORPHAN_AGE_S = 60.0
_BLOCK = bytes(1 << 20)
_PIECE_BYTES = 64 << 20
"""A file grows by so much between two questions whether it is still wanted."""


class RingMemoryError(RheedAcquireError):
    """There is not enough room for the ring, neither in shared memory nor on the spool's disk."""


class RingGivenUpError(RheedAcquireError):
    """The ring was not wanted any more when it was half made; what there was of it is gone."""


def never() -> bool:
    """Whether a ring that is being made is given up: never."""
    return False


def check_wanted(given_up: Callable[[], bool]) -> None:
    """Raise `RingGivenUpError` where nobody waits for a ring that is being made."""
    if given_up():
        raise RingGivenUpError("the run was ended while its ring was made")


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
        path.unlink(missing_ok=True)
        raise
    os.close(descriptor)
    return memory


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
        See `make_file`.

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
        f"the ring needs {count} x {nbytes / 1e6:.0f} MB and fits into none of "
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


@dataclass(frozen=True, slots=True)
class RingFile:
    """A buffer's file that a process now gone has left.

    Attributes
    ----------
    buffer
        What it holds, as far as the file goes; None where it cannot be told, or nothing was ever begun in it.
    trouble
        Why what it holds cannot be used, or None.
    """

    path: Path
    buffer: ChunkBuffer | None
    trouble: str | None = None

    @property
    def holds_chunk(self) -> bool:
        """Whether there are frames in it that somebody has to deliver."""
        return self.buffer is not None and self.buffer.chunk_index >= 0 and self.buffer.committed > 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost where it is deleted."""
        return self.trouble is None and not self.holds_chunk


def look_into(folder: Path) -> Iterator[RingFile]:
    """Every file of a ring whose process is gone, in order."""
    try:
        check_own_folder(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        yield RingFile(folder, None, error.strerror or str(error))
        return
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            yield _look_into_file(path)
        except (OSError, ValueError) as error:
            yield RingFile(path, None, str(getattr(error, "strerror", None) or error))


def _look_into_file(path: Path) -> RingFile:
    descriptor = open_own_file(str(path), os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        if os.fstat(descriptor).st_size < HEADER_BYTES:
            return RingFile(path, None)
        memory = mmap.mmap(descriptor, 0)
    finally:
        os.close(descriptor)
    if not any(memory[:HEADER_BYTES]):
        # A process killed while it made the file leaves one without a header: it held no frame.
        return RingFile(path, None)
    buffer = ChunkBuffer(memory, cut_short=True)
    if buffer.chunk_index < 0 or not buffer.promised:
        return RingFile(path, buffer)
    if not buffer.is_of_this_boot:
        return RingFile(path, buffer, "the computer was restarted since it was written, and it may be torn")
    if not buffer.committed:
        return RingFile(path, buffer, f"it was cut short before the first of its {buffer.promised} frames")
    return RingFile(path, buffer)


def left_behind(folder: Path) -> Iterator[tuple[Path, ChunkBuffer]]:
    """The chunk buffers of a process that is gone; a file that cannot be used is passed over and logged."""
    for file in look_into(folder):
        if file.trouble is not None:
            logger.warning("%s is passed over: %s", file.path, file.trouble)
        elif file.buffer is not None:
            yield file.path, file.buffer


def spooled_by(folder: Path) -> Path:
    """The spool folder that a ring in shared memory belongs to; a path may be no text at all.

    Raises
    ------
    OSError
        The ring does not tell, as one that is being deleted.
    """
    return Path(os.fsdecode((folder / OWNER).read_bytes()))


@dataclass(frozen=True, slots=True)
class OrphanedRing:
    """A ring in shared memory whose stream's folder is gone.

    Attributes
    ----------
    folder, spooled
        Where it lies, and the spool folder that it belonged to.
    nbytes
        Of memory that it takes.
    holds_frames
        Whether there are frames in it, which only this ring has.
    spool_is_away
        Whether the whole spool is gone: it may only be on a disk that is not mounted now.
    """

    folder: Path
    spooled: Path
    nbytes: int
    holds_frames: bool
    spool_is_away: bool


def orphaned_rings(spool: Path | None = None) -> list[OrphanedRing]:
    """Rings in shared memory whose stream's folder is gone, of those made a minute ago or longer.

    Parameters
    ----------
    spool
        Only those of this spool; it need not be there any more.
    """
    root = shared_memory_root()
    orphans = []
    for folder in sorted(root.iterdir()) if root is not None else ():
        try:
            old = time.time() - (folder / OWNER).stat().st_mtime > ORPHAN_AGE_S
            spooled = spooled_by(folder)
            is_asked_for = spool is None or spooled.parent == spool.absolute()
            if is_asked_for and old and not spooled.exists():
                files = list(look_into(folder))
                nbytes = sum(file.path.stat().st_size for file in files)
                holds_frames = not all(file.is_empty for file in files)
                is_away = not spooled.parent.is_dir()
                orphans.append(OrphanedRing(folder, spooled, nbytes, holds_frames, is_away))
        except (OSError, ValueError) as error:
            logger.debug("%s is passed over: %s", folder, error)
    return orphans


def remove_orphans() -> None:
    """Delete orphaned rings in shared memory that hold no frame; the others are named."""
    for orphan in orphaned_rings():
        if orphan.holds_frames:
            logger.warning(
                "%s holds frames of a stream whose folder %s is gone (rheed-acquire spool)",
                orphan.folder,
                orphan.spooled,
            )
        elif not orphan.spool_is_away:
            logger.info("%s belongs to no spool any more and is deleted", orphan.folder)
            remove_files(orphan.folder)


def remove_empty_files(folder: Path) -> None:
    """Delete those files of a ring that hold nothing; and all of it where none holds anything."""
    kept = 0
    for file in look_into(folder):
        path, is_empty = file.path, file.is_empty
        del file  # and with it the mapping: Windows deletes no file that is mapped
        if is_empty:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                logger.debug("%s stays for now: %s", path, error)
        else:
            kept += 1
    if not kept and folder.exists():
        remove_files(folder)


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


def total_memory() -> int | None:
    """Bytes of memory that this computer has; None where the system does not tell."""
    if sys.platform == "win32":
        import ctypes

        # MEMORYSTATUSEX: its own length, the load in percent, and seven numbers of bytes, all memory first.
        status = (ctypes.c_uint64 * 8)(64)
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
            return None
        return int(status[1])
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


def _make_files(place: RingPlace, count: int, nbytes: int, given_up: Callable[[], bool]) -> list[mmap.mmap]:
    made: list[mmap.mmap] = []
    try:
        for number in range(count):
            made.append(place.make(number, nbytes, given_up))  # noqa: PERF401
    except BaseException:
        for memory in made:
            memory.close()
        for number in range(len(made)):
            place.path(number).unlink(missing_ok=True)
        raise
    return made


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
