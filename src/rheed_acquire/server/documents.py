"""The small files that all servers of a place share: in its folder ``.server``, on a disk or in a bucket."""

from __future__ import annotations

import errno
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from filelock import FileLock

from rheed_acquire.recording.bucket import ChangedMeanwhileError
from rheed_acquire.server.server_folder import server_folder
from rheed_acquire.system.durable_files import write_atomically

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.recording.run_path import RunPath

_TRIES = 50

Change: TypeAlias = Callable[[bytes | None], bytes]
"""From what a document holds, None where it is not there, to what it is to hold."""


class Documents(ABC):
    """Documents by their names, which may have slashes in them. Thread-safe, and safe among servers.

    All methods raise an OSError where disk or store do not do what they should.
    """

    _folder: RunPath

    def __str__(self) -> str:
        return str(self._folder)

    def read(self, name: str) -> bytes | None:
        """What a document holds; None where it is not there."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    @abstractmethod
    def change(self, name: str, change: Change, *, is_private: bool = False) -> None:
        """Change a document as if nobody else did.

        Parameters
        ----------
        change
            May be called more than once. What it raises is raised, and nothing is changed.
        is_private
            Whether only this user may read it; in a bucket that is the store's to say.
        """

    @abstractmethod
    def below(self, folder: str) -> dict[str, str]:
        """The names of all documents in a folder, each with a tag that is another one once it is changed."""


def documents_of(place: Path | BucketPath) -> Documents:
    """The documents of a place where runs are kept."""
    return FolderDocuments(place) if isinstance(place, Path) else BucketDocuments(place)


class FolderDocuments(Documents):
    """The documents of a directory of runs on a disk."""

    def __init__(self, directory: Path) -> None:
        self._folder: Path = server_folder(directory)
        self._threads = threading.Lock()

    def change(self, name: str, change: Change, *, is_private: bool = False) -> None:
        """Change a document; see `Documents`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._threads, FileLock(self._folder / "catalogue.lock"):
            before = self.read(name)
            after = change(before)
            if after != before:
                write_atomically(
                    self._folder / name, after, self._folder, durable=True, is_private=is_private
                )

    def below(self, folder: str) -> dict[str, str]:
        """The names of documents; see `Documents`."""
        found = {}
        for path in (self._folder / folder).glob("*"):
            status = path.stat()
            found[f"{folder}/{path.name}"] = f"{status.st_mtime_ns} {status.st_size}"
        return found


class BucketDocuments(Documents):
    """The documents of a place in a bucket, changed by conditional puts."""

    def __init__(self, place: BucketPath) -> None:
        self._folder: BucketPath = place / ".server"

    def change(self, name: str, change: Change, *, is_private: bool = False) -> None:  # noqa: ARG002
        """Change a document; see `Documents`."""
        path = self._folder / name
        for _ in range(_TRIES):
            try:
                before, tag = path.tagged()
            except FileNotFoundError:
                before, tag = None, ""
            after = change(before)
            if after == before:
                return
            try:
                if before is None:
                    path.create(after)
                else:
                    path.replace(after, tag)
            except (ChangedMeanwhileError, FileExistsError):
                continue
            return
        raise ChangedMeanwhileError(errno.EBUSY, "too many write to it at once", str(path))

    def below(self, folder: str) -> dict[str, str]:
        """The names of documents; see `Documents`."""
        return {path.path_from(self._folder): tag for path, tag, _ in (self._folder / folder).below()}
