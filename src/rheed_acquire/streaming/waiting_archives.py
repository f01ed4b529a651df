"""Archives that belong into a bucket, and wait on this computer's disk until the bucket has all of them.

::

    <spool>/.archives/<name of the run>/
      bucket.json   where it belongs
      lock          held by the process at work on it, and let go when that dies
      run/          the archive, as `rheed_acquire.recording.archive.Archive` writes it

A shard in ``run/`` goes once the bucket has it, and all but ``stream.json`` once the bucket has everything:
by that a stream in the spool knows that its archive is closed. The rest goes when no stream needs it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.archive import check_archive
from rheed_acquire.recording.bucket import NoBucketError, open_bucket, told_as_os_errors
from rheed_acquire.recording.bucket_path import BucketPath
from rheed_acquire.recording.layout import FRAMES, GROUP, archive_name
from rheed_acquire.streaming.spool_entries import look_through
from rheed_acquire.streaming.stream_places import ARCHIVES, is_in_use, lock_of
from rheed_acquire.system.durable_files import read_json, try_to_remove_tree, write_atomically
from rheed_acquire.system.own_files import check_own_folder, make_own_folder, make_own_root

if TYPE_CHECKING:
    from datetime import datetime

RUN, BUCKET_FILE = "run", "bucket.json"
_LOOK_S = 0.2
_ANSWERS_WITHIN_S = 5
"""How long the start of a run waits for the store: without it the run goes on."""


class WaitingArchive:
    """An archive on its way into a bucket, locked for this process. Use `create` or `take`."""

    def __init__(self, path: Path, lock: FileLock, target: BucketPath) -> None:
        self.path, self._lock, self.target = path, lock, target

    @property
    def folder(self) -> Path:
        """What there is of it on this computer."""
        return self.path / RUN

    @classmethod
    def create(cls, spool: Path, target: BucketPath) -> WaitingArchive:
        """Make room for a new one.

        Raises
        ------
        OSError
            The disk does not take it, or it is there.
        """
        make_own_root(spool)
        make_own_folder(spool / ARCHIVES)
        path = waiting_folder(spool, target).parent
        path.mkdir(mode=0o700)
        lock = lock_of(path)
        lock.acquire(timeout=5.0)  # another process may just be looking at it
        said = json.dumps({"url": str(target)}).encode()
        write_atomically(path / BUCKET_FILE, said, path, durable=True)
        return cls(path, lock, target)

    @classmethod
    def take(cls, path: Path) -> WaitingArchive | None:
        """Take up one that an earlier process left; None where a process is at work on it.

        Raises
        ------
        RheedAcquireError
            It is none.
        OSError
            It cannot be read.
        """
        check_own_folder(path)
        lock = lock_of(path)
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            return None
        try:
            return cls(path, lock, _target(path))
        except BaseException:
            lock.release()
            raise

    def release(self) -> None:
        """Leave it to the next process."""
        self._lock.release()

    def remove(self) -> None:
        """Let go of it for good."""
        try_to_remove_tree(self.folder)
        self._lock.release()  # on Windows nobody deletes a file that is open
        try_to_remove_tree(self.path)


@dataclass(frozen=True, slots=True)
class ArchiveLeft:
    """What waits of an archive.

    Attributes
    ----------
    place
        Where it belongs.
    folder
        Where it waits.
    chunks, bytes
        Those that the bucket does not have yet.
    """

    place: str
    folder: str
    in_use: bool
    chunks: int
    bytes: int


def waiting_folder(spool: Path, target: BucketPath) -> Path:
    """Where an archive waits that is to lie there."""
    return spool / ARCHIVES / target.name / RUN


def free_target(place: BucketPath, name: str, data_id: str, created: datetime) -> BucketPath:
    """Name an archive in a bucket, where others write too whose names nobody here knows."""
    return place / f"{archive_name(name, data_id, created, 1)}-{secrets.token_hex(3)}"


def check_bucket(place: BucketPath, spool: Path) -> str | None:
    """Find out whether archives can be kept in a bucket, and on the way to it; why it cannot be reached now.

    Raises
    ------
    SettingsError
        The store refuses the credentials or knows no such bucket, they cannot wait on the disk, or what is
        needed for it is not installed.
    """
    store = open_bucket(place.bucket, answers_within_s=_ANSWERS_WITHIN_S, tries=0)
    try:
        make_own_root(spool)
        make_own_folder(spool / ARCHIVES)
    except OSError as error:
        raise SettingsError(
            f"--archive {place}: the spool {spool} cannot be used, in which archives wait: "
            f"{error.strerror or error}; or choose another place with --spool-dir or RHEED_SPOOL_DIR"
        ) from None
    check_archive(spool / ARCHIVES)
    import obstore

    try:
        with told_as_os_errors():
            next(iter(obstore.list(store, f"{place.key}/", chunk_size=1)), None)
    except (NoBucketError, PermissionError) as error:
        raise SettingsError(f"--archive {place}: {error.strerror}") from None
    except OSError as error:
        return str(error.strerror)
    return None


def waiting_archives(spool: Path) -> Iterator[Path]:
    """The folders of all, in use or not, oldest first.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    root = spool / ARCHIVES
    yield from sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ()


def archives_left(spool: Path) -> list[ArchiveLeft]:
    """Look at what waits for a bucket; what has all of it there is left out.

    Raises
    ------
    OSError
        It cannot be read.
    """
    found = []
    for path in waiting_archives(spool):
        try:
            place = str(_target(path))
        except RheedAcquireError:
            continue
        if not (path / RUN / GROUP).exists():
            continue
        sizes = shard_sizes(path / RUN)
        found.append(ArchiveLeft(place, str(path / RUN), is_in_use(path), len(sizes), sum(sizes)))
    return found


def shard_sizes(folder: Path) -> list[int]:
    """The sizes in bytes of the shards in a run's folder."""
    sizes = []
    for file in (folder / GROUP / FRAMES / "c").rglob("*"):
        try:
            if file.is_file():
                sizes.append(file.stat().st_size)
        except OSError:  # it has just gone
            continue
    return sizes


def archives_of_streams(spool: Path) -> set[str]:
    """The folders of archives that streams in the spool still have to do with.

    Raises
    ------
    OSError
        The spool cannot be read.
    """
    streams = look_through(spool)[0] if spool.is_dir() else []
    return {record.archive for _, record in streams if record.archive is not None}


def _target(path: Path) -> BucketPath:
    try:
        return BucketPath(read_json(path / BUCKET_FILE)["url"])
    except (ValueError, TypeError, KeyError, SettingsError):
        raise RheedAcquireError(
            f"{path} is left as it is: its {BUCKET_FILE} says no place in a bucket"
        ) from None
