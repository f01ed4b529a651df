"""Brings an archive into its bucket: shard by shard while it is written, the rest once it is closed."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.archive import Archive, is_begun, is_closed
from rheed_acquire.recording.declarations import PixelDeclaration
from rheed_acquire.recording.layout import (
    CHUNKS_FILE,
    FRAMES,
    GROUP,
    INCOMING,
    NUMBERS,
    REPACKING,
    STREAM_FILE,
    shard_path,
)
from rheed_acquire.recording.run_files import read_stream
from rheed_acquire.streaming.waiting_archives import (
    WaitingArchive,
    archives_of_streams,
    shard_sizes,
    waiting_archives,
)
from rheed_acquire.system.durable_files import remove, try_to_remove_tree

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath

logger = logging.getLogger(__name__)

_MD5 = re.compile(r"[0-9a-f]{32}")


def never() -> bool:
    """Whether it is given up: it is not."""
    return False


class ArchiveUpload:
    """What is done for one archive, as often as it takes; one thread at a time.

    Whatever it does may have been done before, by a process that was killed at any instant: an object is put
    only where none is, and a shard leaves the disk only once the bucket is known to have the same bytes.

    Attributes
    ----------
    is_complete
        Whether the bucket has all of it, and it is closed.
    chunks_put, bytes_put
        Shards, and their bytes, that were brought there.
    """

    def __init__(self, archive: WaitingArchive) -> None:
        self._archive, self._folder, self._target = archive, archive.folder, archive.target
        self.is_complete = False
        self.chunks_put = self.bytes_put = 0
        self._is_claimed = False
        self._log_read = 0
        self._confirmed: dict[int, None] = {}
        self._left: dict[int, None] = {}
        self._small: dict[str, bytes] = {}

    def go_on(self, given_up: Callable[[], bool] = never) -> None:
        """Bring there what there is of it by now.

        Parameters
        ----------
        given_up
            Asked before each object.

        Raises
        ------
        OSError
            The store or the disk does not do it; it may later.
        RheedAcquireError
            Something else lies there, or a shard has got lost.
        """
        record = read_stream(self._folder)
        if record is None:  # it is just being made
            return
        self._claim(record)
        self._read_log()  # after the record: where that is closed, no chunk comes any more
        axes = PixelDeclaration(record["pixel_format"], record["bit_depth"], record["bit_shift"]).axes
        for index in list(self._left):
            if given_up():
                return
            self._put_shard(index, axes)
            del self._left[index]
        if record["state"] == "closed":
            self._complete(given_up)

    def waiting(self) -> tuple[int, int]:
        """How many shards are still on this computer, and their bytes."""
        sizes = shard_sizes(self._folder)
        return len(sizes), sum(sizes)

    def _claim(self, record: dict[str, Any]) -> None:
        """Be the one whose run lies there."""
        if self._is_claimed:
            return
        place = self._target / STREAM_FILE
        try:
            place.create((self._folder / STREAM_FILE).read_bytes())
        except FileExistsError:
            there = json.loads(place.read_bytes())
            same = ("data_id", "created_utc", "name")
            if not isinstance(there, dict) or any(there.get(key) != record.get(key) for key in same):
                raise RheedAcquireError(
                    f"{self._target} is another run's, and nothing is put there"
                ) from None
        self._is_claimed = True

    def _read_log(self) -> None:
        """Learn of the chunks that are safely in the archive; others may still be taken back."""
        try:
            with (self._folder / CHUNKS_FILE).open("rb") as file:
                file.seek(self._log_read)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._log_read += len(whole)
        for line in whole.splitlines():
            try:
                index = int(json.loads(line)["index"])
            except (ValueError, TypeError, KeyError):  # the half line of a crash, closed off since
                continue
            if index not in self._confirmed:
                self._confirmed[index] = self._left[index] = None

    def _put_shard(self, index: int, axes: int) -> None:
        shard = shard_path(self._folder / GROUP / FRAMES, index, axes)
        try:
            data = shard.read_bytes()
        except FileNotFoundError:  # it is there already, or lost: that is seen at the end
            return
        _put_for_good(self._below(shard), data)
        remove(shard)
        try_to_remove_tree(self._folder / GROUP / FRAMES / "c" / str(index))
        self.chunks_put += 1
        self.bytes_put += len(data)

    def _complete(self, given_up: Callable[[], bool]) -> None:
        """Put what is left, what shows that the run is whole at last; then take it from the disk."""
        self._refuse_lost()
        for file in self._small_files():
            if given_up():
                return
            key, data = file.relative_to(self._folder).as_posix(), file.read_bytes()
            digest = hashlib.sha256(data).digest()
            if self._small.get(key) != digest:
                self._below(file).write_bytes(data)
                self._small[key] = digest
        self._clear()
        self.is_complete = True

    def _refuse_lost(self) -> None:
        if not self._confirmed:
            return
        frames = self._target / GROUP / FRAMES / "c"
        there = {path.path_from(frames).partition("/")[0] for path, _, _ in frames.below()}
        lost = sorted(index for index in self._confirmed if str(index) not in there)
        if lost:
            self._left = dict.fromkeys(lost)
            raise RheedAcquireError(
                f"of {self._target} chunks are lost: {', '.join(map(str, lost))} lie neither there nor in "
                f"{self._folder}"
            )

    def _small_files(self) -> Iterator[Path]:
        """Elements before the shapes that show them, then the group, and what says that the run is closed."""
        aside = (INCOMING, NUMBERS, REPACKING)
        files = [
            file
            for file in self._folder.rglob("*")
            if file.relative_to(self._folder).parts[0] not in aside and file.is_file()
        ]
        last = (self._folder / GROUP / "zarr.json", self._folder / STREAM_FILE)

        def turn(file: Path) -> tuple[int, bool, str]:
            return last.index(file) + 1 if file in last else 0, file.name == "zarr.json", str(file)

        yield from sorted(files, key=turn)

    def _clear(self) -> None:
        """Leave of it what says that it is closed."""
        for path in list(self._folder.iterdir()):
            if path.name == STREAM_FILE:
                continue
            if path.is_dir():
                try_to_remove_tree(path)
            else:
                remove(path)

    def _below(self, file: Path) -> BucketPath:
        return self._target / file.relative_to(self._folder).as_posix()


def _put_for_good(path: BucketPath, data: bytes) -> None:
    """Put an object where there is none, and be sure that it is the same there.

    Raises
    ------
    OSError
        The store does not take it, or keeps something else.
    """
    try:
        tag = path.create(data)
    except FileExistsError:  # of an earlier attempt, whose answer never came
        tag = path.size_and_tag()[1]
    if _is_kept(path, data, tag) or _is_kept(path, data, path.replace(data, tag)):
        return
    raise OSError(errno.EIO, "the store keeps other bytes than it was sent", str(path))


def _is_kept(path: BucketPath, data: bytes, tag: str) -> bool:
    """Whether an object has these bytes, by its tag where that is their MD5, else by reading it."""
    plain = tag.strip('"').lower()
    if _MD5.fullmatch(plain) and plain == hashlib.md5(data, usedforsecurity=False).hexdigest():
        return True
    return path.read_bytes() == data


@dataclass(frozen=True, slots=True)
class ArchiveOutcome:
    """What became of an archive that waited.

    Attributes
    ----------
    place, folder
        Where it belongs, and where the rest of it waits.
    chunks_put, chunks_waiting, bytes_waiting
        What was brought there now, and what still waits.
    is_complete
        Whether the bucket has all of it.
    trouble
        Why not.
    """

    place: str
    folder: str
    chunks_put: int
    chunks_waiting: int
    bytes_waiting: int
    is_complete: bool
    trouble: str | None


def catch_up(
    spool: Path, bucket: str | None = None, given_up: Callable[[], bool] = never
) -> Iterator[ArchiveOutcome]:
    """Bring into their buckets what processes that are gone have left.

    Of several for a bucket that cannot be reached only the first is tried. An archive that a stream in the
    spool has to do with is not closed here: the stream's recovery adds what only its ring has.

    Parameters
    ----------
    bucket
        The only one to bring them to; None for all.
    given_up
        Asked before each object.

    Raises
    ------
    OSError
        The spool cannot be read.
    """
    needed = archives_of_streams(spool)
    out_of_reach: dict[str, str] = {}
    for path in waiting_archives(spool):
        if given_up():
            return
        try:
            archive = WaitingArchive.take(path)
        except (OSError, RheedAcquireError) as error:
            yield ArchiveOutcome("", str(path), 0, 0, 0, is_complete=False, trouble=_told(error))
            continue
        if archive is None:
            continue
        try:
            if bucket in (None, archive.target.bucket):
                yield from _bring(archive, needed, out_of_reach, given_up)
        finally:
            archive.release()


def _bring(
    archive: WaitingArchive, needed: set[str], out_of_reach: dict[str, str], given_up: Callable[[], bool]
) -> Iterator[ArchiveOutcome]:
    folder, bucket = archive.folder, archive.target.bucket
    is_needed = str(folder) in needed
    if not is_begun(folder):
        if not is_needed:
            archive.remove()
        return
    if _is_done_with(folder):
        if not is_needed:
            archive.remove()
        return
    upload = ArchiveUpload(archive)
    trouble = out_of_reach.get(bucket)
    if trouble is None:
        try:
            if not is_needed and (read_stream(folder) or {}).get("state") != "closed":
                Archive.resume(folder).close("recovered after the run")
            upload.go_on(given_up)
        except (OSError, RheedAcquireError) as error:
            trouble = _told(error)
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                out_of_reach[bucket] = trouble
            logger.warning("%s: %s", archive.target, trouble)
    chunks, size = upload.waiting()
    if upload.is_complete and not is_needed:
        archive.remove()
    yield ArchiveOutcome(
        str(archive.target), str(folder), upload.chunks_put, chunks, size, upload.is_complete, trouble
    )


def _is_done_with(folder: Path) -> bool:
    """Whether nothing is left of an archive but that it is closed."""
    return is_closed(folder) and [path.name for path in folder.iterdir()] == [STREAM_FILE]


def _told(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
