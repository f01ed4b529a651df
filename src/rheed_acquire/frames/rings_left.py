"""The rings of processes that are gone: what their files hold, and which of them nobody needs any more."""

from __future__ import annotations

import logging
import mmap
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rheed_acquire.frames.chunk_buffer import HEADER_BYTES, ChunkBuffer
from rheed_acquire.frames.ring_files import OWNER, SUFFIX, remove_files, shared_memory_root
from rheed_acquire.system.durable_files import despite_readers
from rheed_acquire.system.own_files import check_own_folder, open_own_file

logger = logging.getLogger(__name__)

ORPHAN_AGE_S = 60.0


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
    try:
        # On Windows a thread that is done with a chunk may have it mapped for a moment longer.
        despite_readers(lambda: _remove_empty_files(folder))
    except OSError as error:
        logger.debug("%s stays for now: %s", folder, error)


def _remove_empty_files(folder: Path) -> None:
    kept, troubles = 0, []
    for file in look_into(folder):
        path, is_empty = file.path, file.is_empty
        del file  # and with it the mapping: Windows deletes no file that is mapped
        if is_empty:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                troubles.append(error)
        else:
            kept += 1
    if troubles:
        raise troubles[0]
    if not kept and folder.exists():
        remove_files(folder)
