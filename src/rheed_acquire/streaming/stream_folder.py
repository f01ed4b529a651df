"""One stream's folder in the spool: its record, its lock, its shards, and the ring it may have left behind.

::

    <spool>/<data_id>/
      stream.json       what the stream is; never a key
      lock              held by the process at work on it, and let go when that dies
      shards/7.shard    an encoded chunk as it will be uploaded
      shards/7.json     its sidecar: what the upload says, the checksums, ids and stamps of the frames
      shards/7.done     a sidecar whose shard the server has confirmed, on its way out
      quarantine/       shards that are not what their sidecar says
      tmp/              files being written
      ring/             chunk buffers, where shared memory has no room for them

A shard counts once its sidecar has its name: both are written under other names, synced and renamed, the
sidecar last.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from filelock import FileLock, Timeout

from rheed_acquire.frames.ring_files import SUFFIX
from rheed_acquire.streaming.outgoing import DamagedShardError, ShardFile
from rheed_acquire.streaming.shard_in_memory import checksum
from rheed_acquire.streaming.sidecar import SpooledShard, decode_sidecar, encode_sidecar
from rheed_acquire.streaming.stream_places import folder_bytes, free_name, lock_of, quarantined
from rheed_acquire.streaming.stream_record import RECORD, StreamRecord, folder_name, load_record
from rheed_acquire.streaming.stream_ring import StreamRing
from rheed_acquire.system.durable_files import (
    BulkWriter,
    batches,
    remove,
    sync_directory,
    try_to_remove_tree,
    write_atomically,
)
from rheed_acquire.system.durable_files import replace as rename
from rheed_acquire.system.own_files import check_own_folder, make_own_folder, open_own_file

if TYPE_CHECKING:
    from typing_extensions import Buffer


logger = logging.getLogger(__name__)

PROBE = ".probe-"
"""Begins the names of files by which a process finds out whether it can write to a spool."""
LOOK_S = 0.2
"""Longer than `is_in_use` of another process holds a lock to see whether it is free."""
_OWN_NAME = re.compile(r"(0|[1-9][0-9]*)\.(shard|json|done)")


class StreamFolder:
    """A stream's folder, locked for this process.

    Use `create` or `take`; neither the constructor nor anything else here is safe without the lock.

    Attributes
    ----------
    strange
        What lies among the shards and is left as it is, with what is strange about it.
    unreadable
        Chunks whose sidecars cannot be read at present, by index, and why.
    """

    def __init__(self, path: Path, lock: FileLock, record: StreamRecord) -> None:
        self.path, self._lock, self.record = path, lock, record
        self._shards = path / "shards"
        self._tmp = path / "tmp"
        self.strange: dict[Path, str] = {}
        self.unreadable: dict[int, str] = {}
        for folder in (self._shards, self._tmp):
            make_own_folder(folder)

    @property
    def ring(self) -> StreamRing:
        """The stream's ring; made for each use, since a folder that is let go of lets its lock go at once."""
        return StreamRing(self)

    @classmethod
    def create(cls, root: Path, record: StreamRecord) -> StreamFolder:
        """Make the folder of a new stream.

        Raises
        ------
        OSError
            It cannot be written.
        """
        path = root / folder_name(record.data_id)
        make_own_folder(path)
        lock = lock_of(path)
        lock.acquire(timeout=5.0)  # another process may just be looking whether there is something to finish
        folder = cls(path, lock, record)
        folder._write_record()
        sync_directory(root)
        return folder

    @classmethod
    def take(cls, path: Path) -> StreamFolder | None:
        """Take up a folder that an earlier process left; None where one is at work on it.

        Raises
        ------
        RecordError
            It is no stream that this program knows.
        OSError
            It cannot be read or written.
        """
        check_own_folder(path)
        lock = lock_of(path)
        try:
            lock.acquire(timeout=LOOK_S)
        except Timeout:
            return None
        try:
            folder = cls(path, lock, load_record(path))
            folder._tidy()
        except BaseException:
            lock.release()
            raise
        return folder

    def update(self, **changes: Any) -> None:
        """Change the record, durably."""
        self.record = replace(self.record, **changes)
        self._write_record()

    def add(self, shard: SpooledShard, content: Iterable[Buffer]) -> None:
        """Keep a shard, which comes in pieces; from the return on it survives loss of power.

        Raises
        ------
        OSError
            The disk will not take it.
        """
        # Names that nobody else gives: a folder that was let go of meanwhile may be another process's by now.
        staged = self._tmp / f"{shard.chunk_idx}-{secrets.token_hex(4)}"
        described = staged.with_suffix(".json")
        own = [staged, described]
        try:
            shard.crc32c = write_synced(staged, content)
            write_synced(described, [encode_sidecar(shard)])
            self._check_is_ours()
            for path, place in (
                (staged, self._shard_path(shard.chunk_idx)),
                (described, self._sidecar_path(shard.chunk_idx)),
            ):
                rename(path, place)
                own.append(place)
            sync_directory(self._shards)
        except BaseException:
            # None of it stays, since the chunk goes another way: the sidecar, by which it counts, goes first.
            for path in reversed(own):
                with contextlib.suppress(OSError):
                    remove(path)
            raise

    def open(self, shard: SpooledShard) -> ShardFile:
        """Open a shard for reading; what is damaged shows while it is read.

        Raises
        ------
        DamagedShardError
            It is gone, or of another size than was written.
        OSError
            It cannot be read at present, which says nothing about what it holds.
        """
        file = self.open_file(shard)
        try:
            return ShardFile(file, shard.size, shard.crc32c)
        except BaseException:
            file.close()
            raise

    def open_file(self, shard: SpooledShard) -> BinaryIO:
        """Open a shard's file as it is; raises as `open`."""
        # Looked for again: the folder may have come back after the first look and before it was asked for.
        for _ in range(2):
            try:
                return open(self._shard_path(shard.chunk_idx), "rb", opener=open_own_file)
            except FileNotFoundError:
                if not (self.path / RECORD).exists():
                    raise OSError(errno.ENOENT, "the spool is not there at present", str(self.path)) from None
        raise DamagedShardError("the shard is gone from the disk")

    def check(self, shard: SpooledShard) -> None:
        """Read a shard from end to end; raises as `open`, or where it is not what was written."""
        with self.open(shard) as content:
            content.check()

    def quarantine(self, shard: SpooledShard) -> bool:
        """Set a damaged shard aside, with its sidecar; False where nothing is left of the shard.

        Raises
        ------
        OSError
            It cannot be moved.
        """
        return self._quarantine(shard.chunk_idx)

    def remove(self, shard: SpooledShard) -> None:
        """Delete a shard that the server has confirmed."""
        done = self._shards / f"{shard.chunk_idx}.done"
        rename(self._sidecar_path(shard.chunk_idx), done)
        remove(self._shard_path(shard.chunk_idx))
        remove(done)

    def shards(self) -> list[SpooledShard]:
        """Every shard that waits here, by index.

        A sidecar that is damaged goes into the quarantine; one that cannot be read at present is left.
        """
        found = []
        for path in self._own_files(".json"):
            try:
                shard = decode_sidecar(path.read_bytes())
                if (shard.data_id, str(shard.chunk_idx)) != (self.record.data_id, path.stem):
                    raise ValueError("it belongs to another shard")  # noqa: TRY301
            except (ValueError, TypeError) as error:
                logger.warning("%s is damaged and goes into the quarantine: %s", path, error)
                self._quarantine(path.stem)
            except OSError as error:
                reason = f"it cannot be read: {error.strerror or error}"
                self.leave(path, reason)
                self.unreadable[int(path.stem)] = f"{path.name}: {reason}"
            else:
                found.append(shard)
        return sorted(found, key=lambda shard: shard.chunk_idx)

    def waiting(self) -> set[int]:
        """Indices of the chunks that lie here undelivered: encoded, or in the ring."""
        encoded = {int(path.stem) for path in self._shards.glob("*.json") if path.stem.isdecimal()}
        return encoded | {buffer.chunk_index for buffer in self.ring.chunks_left()}

    @property
    def nbytes(self) -> int:
        """Of everything in the folder but the ring."""
        return folder_bytes(self.path)

    @property
    def quarantined(self) -> int:
        """Shards in the quarantine."""
        return quarantined(self.path)

    @property
    def is_done_with(self) -> bool:
        """Whether nothing in the folder was set aside, or left because it cannot be used."""
        return not self.quarantined and not any(path.suffix == SUFFIX for path in self.strange)

    def close(self, *, delete: bool) -> None:
        """Let the folder go, and delete it where nothing in it is needed any more."""
        is_gone = False
        if delete:
            rests = [self.path / name for name in ("shards", "tmp", "ring", "quarantine")]
            gone = [try_to_remove_tree(rest) for rest in rests]
            is_gone = all(gone)
            # Where something cannot be deleted yet (Windows: a ring that is still mapped), the record stays
            # for whoever comes next. The lock file goes last: until then the folder is taken.
            if is_gone:
                remove(self.path / RECORD)
        self._lock.release()
        if is_gone:
            try_to_remove_tree(self.path)

    def _tidy(self) -> None:
        """Put right what a process killed in the middle of something has left."""
        try_to_remove_tree(self._tmp)
        self._tmp.mkdir(mode=0o700, exist_ok=True)
        for done in self._own_files(".done"):
            remove(self._shard_path(int(done.stem)))
            remove(done)
        waiting_in_ring = {buffer.chunk_index for buffer in self.ring.chunks_left()}
        for path in self._own_files(".shard"):
            # Its sidecar never got its name. Where the ring has the chunk it is encoded again.
            if not path.with_suffix(".json").exists() and int(path.stem) not in waiting_in_ring:
                self._quarantine(path.stem)

    def _own_files(self, suffix: str) -> list[Path]:
        """The files among the shards with a name as this program gives it; all others are left and named."""
        own = []
        for path in sorted(self._shards.iterdir()):
            if _OWN_NAME.fullmatch(path.name) is None:
                self.leave(path, "its name is none that this program gives")
            elif path.is_symlink() or not path.is_file():
                self.leave(path, "it is no file")
            elif path.suffix == suffix:
                own.append(path)
        return own

    def leave(self, path: Path, reason: str) -> None:
        """Note what lies here and cannot be used."""
        if path not in self.strange:
            logger.warning("%s is left as it is: %s", path, reason)
            self.strange[path] = reason

    def _quarantine(self, stem: int | str) -> bool:
        has_shard = (self._shards / f"{stem}.shard").exists()
        quarantine = self.make_quarantine()
        for path in (self._shards / f"{stem}.shard", self._shards / f"{stem}.json"):
            if not path.exists():
                continue
            rename(path, free_name(quarantine, str(stem), path.suffix))
        return has_shard

    def make_quarantine(self) -> Path:
        """Where damaged files go; made where it is not there."""
        quarantine = self.path / "quarantine"
        make_own_folder(quarantine)
        return quarantine

    def _check_is_ours(self) -> None:
        if not self._lock.is_locked:
            raise OSError(errno.ESTALE, "the stream was let go of meanwhile", str(self.path))

    def _write_record(self) -> None:
        self._check_is_ours()
        if not self._tmp.is_dir():
            # Whose disk is away for the moment: what were made now would lie below where it is mounted.
            raise OSError(errno.ENOENT, "the spool is not there at present", str(self.path))
        content = json.dumps(asdict(self.record), indent=2).encode()
        write_atomically(self.path / RECORD, content, self._tmp, durable=True)

    def _shard_path(self, chunk_idx: int) -> Path:
        return self._shards / f"{chunk_idx}.shard"

    def _sidecar_path(self, chunk_idx: int) -> Path:
        return self._shards / f"{chunk_idx}.json"


def write_synced(path: Path, pieces: Iterable[Buffer]) -> int:
    """Write a file through to the disk; the crc32c of its content."""
    crc32c = 0
    with open(path, "wb", buffering=0, opener=open_own_file) as file:
        writer = BulkWriter(file)
        for batch in batches(pieces):
            crc32c = checksum(batch, crc32c)
            writer.write(batch)
        os.fsync(file.fileno())
    return crc32c
