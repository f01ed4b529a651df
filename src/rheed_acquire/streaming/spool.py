"""The spool: shards on disk, in the order in which they are to be uploaded.

What each stream keeps is in `stream_folder`; this is what they share: the place, the limits, and the queue.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.errors import StreamerError
from rheed_acquire.frames.rings_left import remove_orphans
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.outgoing import OutgoingShard
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool_entries import look_through
from rheed_acquire.streaming.stream_folder import PROBE, StreamFolder
from rheed_acquire.streaming.stream_places import folder_bytes
from rheed_acquire.streaming.stream_record import RecordError, StreamRecord
from rheed_acquire.system.durable_files import remove
from rheed_acquire.system.home_process import HomeProcess
from rheed_acquire.system.own_files import make_own_root

if TYPE_CHECKING:
    from typing_extensions import Buffer

logger = logging.getLogger(__name__)

STOPPED_S = 5.0
"""Who wakes so much later than was meant was in a process that had been stopped, or on a computer asleep."""
SPREAD_S = 10.0
"""Over which the retries are spread that came due meanwhile."""


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Where a stream's shards are.

    Attributes
    ----------
    on_disk, in_memory
        Those that no upload is at work on.
    uploading
        Those that one is.
    nbytes
        Of those that are on disk, uploading or not.
    """

    on_disk: int
    in_memory: int
    uploading: int
    nbytes: int


class SpoolFullError(Exception):
    """A shard would pass one of the limits."""


class StreamLetGoError(Exception):
    """A stream was closed while one of its chunks was still on its way to the disk."""


class Spool:
    """Keeps shards until they are confirmed; every method may be called from any thread.

    Parameters
    ----------
    root
        Folder of the spool; made, and private to the user, where it is not there.
    limits
        How much it may take.

    Raises
    ------
    StreamerError
        The folder cannot be written.
    """

    def __init__(self, root: Path, limits: SpoolLimits) -> None:
        self.root, self.limits = root, limits
        self._home = HomeProcess(f"the spool {root}")
        self._changed = threading.Condition()
        self._folders: dict[str, StreamFolder] = {}
        # In order of arrival: each shard, and when it is due (None while an upload is at work on it).
        self._queue: dict[tuple[str, int], tuple[SpooledShard, float | None]] = {}
        # Of those that are on disk, their sizes, and the sum of them.
        self._on_disk: dict[tuple[str, int], int] = {}
        self._bytes = 0
        # Of shards that are being written, each with its room, so that two at once do not take the same.
        self._promised: dict[tuple[str, int], int] = {}
        self._closed = False
        try:
            make_own_root(root)
            probe = root / f"{PROBE}{os.getpid()}-{threading.get_ident()}"
            probe.write_bytes(b"")
            remove(probe)
            # Of streams that are not taken up here, by folder.
            self._bytes_of_others = {path: folder_bytes(path) for path in root.iterdir() if path.is_dir()}
            remove_orphans()
        except OSError as error:
            raise StreamerError(
                f"the spool {root} cannot be used: {error.strerror or error}; or "
                "choose another place with --spool-dir or RHEED_SPOOL_DIR"
            ) from None

    def open_stream(self, record: StreamRecord) -> StreamFolder:
        """Make the folder of a new stream.

        Raises
        ------
        StreamerError
            It cannot be written.
        """
        self._home.check()
        try:
            folder = StreamFolder.create(self.root, record)
        except OSError as error:
            raise StreamerError(f"the spool {self.root} cannot be written: {error.strerror}") from None
        with self._changed:
            self._folders[record.data_id] = folder
        return folder

    def leftovers(
        self,
        server: str | None = None,
        on_trouble: Callable[[StreamRecord, Exception], None] = lambda record, error: None,  # noqa: ARG005
    ) -> Iterator[StreamFolder]:
        """Take up, one by one, the streams that processes now gone have left, of one server or of all.

        Whatever is strange about one keeps no other from it: ``on_trouble`` is told of those that cannot be
        taken up, and the log of what is no stream at all.
        """
        self._home.check()
        streams, strange = look_through(self.root)
        for entry in strange:
            logger.warning("%s is left as it is: %s", entry.path, entry.reason)
        for path, record in streams:
            if server is not None and record.server != server:
                continue
            with self._changed:
                if record.data_id in self._folders:
                    continue
            try:
                folder = StreamFolder.take(path)
            except (OSError, ValueError, RecordError) as error:
                logger.warning("%s cannot be taken up: %s", path, error)
                on_trouble(record, error)
                continue
            if folder is None:
                continue
            try:
                with self._changed:
                    is_late = self._closed
                    if not is_late:
                        self._bytes_of_others.pop(path, None)
                        self._folders[folder.record.data_id] = folder
            except BaseException:
                folder.close(delete=False)
                raise
            if is_late:  # closed meanwhile: another process may want it
                folder.close(delete=False)
                return
            yield folder

    def close_stream(self, data_id: str, *, delete: bool) -> None:
        """Let a stream go, and forget its shards; deleted or for a later `leftovers`."""
        self._home.check()
        with self._changed:
            folder = self._folders.pop(data_id, None)
            for key in [key for key in {*self._queue, *self._on_disk} if key[0] == data_id]:
                self._forget(key)
            for key in [key for key in self._promised if key[0] == data_id]:
                del self._promised[key]
        if folder is None:
            return
        folder.close(delete=delete)
        if not delete:
            with self._changed:
                self._bytes_of_others[folder.path] = folder_bytes(folder.path)

    def add(self, shard: SpooledShard, content: Iterable[Buffer]) -> None:
        """`keep` a shard and `enqueue` it."""
        self.keep(shard, content)
        self.enqueue(shard)

    def keep(self, shard: SpooledShard, content: Iterable[Buffer]) -> None:
        """Write a shard, which comes in pieces, to disk; from the return on it survives loss of power.

        Raises
        ------
        SpoolFullError
            It would pass a limit.
        StreamLetGoError
            Its stream is this process's no more.
        OSError
            The disk will not take it.
        """
        self._home.check()
        key = (shard.data_id, shard.chunk_idx)
        with self._changed:
            self._check_room(shard.size)
            folder = self._folders.get(shard.data_id)
            if folder is None:
                raise StreamLetGoError(shard.data_id)
            self._promised[key] = shard.size
        try:
            folder.add(shard, content)
        except BaseException as error:
            with self._changed:
                self._promised.pop(key, None)
                was_let_go = self._folders.get(shard.data_id) is not folder
            if was_let_go and isinstance(error, OSError):
                raise StreamLetGoError(shard.data_id) from None
            raise
        with self._changed:
            self._promised.pop(key, None)
            if self._folders.get(shard.data_id) is folder:
                self._note_on_disk(key, shard.size)
        if shard.content is not None:
            shard.content.move_to(partial(folder.open_file, shard), shard.crc32c)
            shard.content = None

    def enqueue(self, shard: SpooledShard) -> None:
        """Put a shard into the queue that is on disk already, or that lives by its `SpooledShard.content`.

        One that has arrived is passed over: a step that failed half-way is repeated.
        """
        self._home.check()
        if shard.confirmed:
            return
        key = (shard.data_id, shard.chunk_idx)
        with self._changed:
            if key not in self._queue:
                self._queue[key] = (shard, 0.0)
                if shard.content is None:
                    self._note_on_disk(key, shard.size)
            self._changed.notify_all()

    def take(self) -> SpooledShard | None:
        """Claim the oldest shard that is due, waiting for one; None once the spool is closed."""
        self._home.check()
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                claimed = self._claim(now)
                if claimed is not None:
                    return claimed
                soonest = min((due for _, due in self._queue.values() if due is not None), default=None)
                self._changed.wait(None if soonest is None else soonest - now)
                if soonest is not None:
                    self._spread_after_a_stop(soonest)
            return None

    def _claim(self, now: float) -> SpooledShard | None:
        # By itself, so that nobody who waits holds a shard: its content may be a chunk of the ring.
        for key, (shard, due) in self._queue.items():
            if due is not None and due <= now:
                self._queue[key] = (shard, None)
                return shard
        return None

    def open(self, shard: SpooledShard) -> OutgoingShard:
        """The encoded bytes of a claimed shard; raises as `StreamFolder.open`."""
        self._home.check()
        content = shard.content
        if content is not None:
            return content.open()
        with self._changed:
            folder = self._folders[shard.data_id]
        return folder.open(shard)

    def retry(self, shard: SpooledShard, delay_s: float) -> None:
        """Give a claimed shard back, due again in ``delay_s`` seconds."""
        self._home.check()
        with self._changed:
            key = (shard.data_id, shard.chunk_idx)
            if key in self._queue:
                self._queue[key] = (shard, time.monotonic() + delay_s)
                self._changed.notify_all()

    def confirm(self, shard: SpooledShard) -> None:
        """Let go of a claimed shard that the server has confirmed, on disk too."""
        self._home.check()
        with self._changed:
            folder = self._folders.get(shard.data_id)
        if folder is not None and shard.content is None:
            try:
                folder.remove(shard)
            except OSError as error:
                # Uploaded twice at the worst, after a restart, to the same place.
                logger.warning("chunk %d stays in %s: %s", shard.chunk_idx, folder.path, error)
        self.give_up(shard)

    def keep_back(self, shard: SpooledShard) -> None:
        """Take a claimed shard out of the queue that may be sent again: it stays where it is, and counts."""
        self._home.check()
        with self._changed:
            self._queue.pop((shard.data_id, shard.chunk_idx), None)

    def quarantine(self, shard: SpooledShard) -> str:
        """Set a claimed shard aside that was damaged on disk, as far as it can be; says where it is."""
        self._home.check()
        with self._changed:
            folder = self._folders.get(shard.data_id)
        try:
            kept = folder is not None and folder.quarantine(shard)
            where = "it lies in the quarantine of the spool" if kept else "nothing is left of it"
        except OSError as error:
            where = f"it cannot be set aside: {error.strerror or error}"
        self.give_up(shard)
        return where

    def give_up(self, shard: SpooledShard) -> None:
        """Take a claimed shard out of the queue; on disk it stays."""
        self._home.check()
        with self._changed:
            self._forget((shard.data_id, shard.chunk_idx))

    def counts(self, data_id: str) -> QueueCounts:
        """Count a stream's shards by where they are."""
        with self._changed:
            mine = [(key, due is not None) for key, (_, due) in self._queue.items() if key[0] == data_id]
            waiting = [key for key, is_waiting in mine if is_waiting]
            return QueueCounts(
                on_disk=sum(key in self._on_disk for key in waiting),
                in_memory=sum(key not in self._on_disk for key in waiting),
                uploading=len(mine) - len(waiting),
                nbytes=sum(self._on_disk.get(key, 0) for key, _ in mine),
            )

    @property
    def shards_waiting(self) -> int:
        """Shards that no upload is at work on, of all streams."""
        with self._changed:
            return sum(due is not None for _, due in self._queue.values())

    @property
    def shards_queued(self) -> int:
        """Shards that wait for an upload, or that one is at work on, of all streams."""
        with self._changed:
            return len(self._queue)

    def close(self) -> None:
        """Let everyone who waits return, and let all streams go as they are."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            left = list(self._folders)
        for data_id in left:
            self.close_stream(data_id, delete=False)

    def _spread_after_a_stop(self, awaited_s: float) -> None:
        """Let one retry try first where the process was stopped, and not all that have come due meanwhile.

        Called by whoever has waited until ``awaited_s``, with the lock.
        """
        now = time.monotonic()
        if now - awaited_s < STOPPED_S:
            return
        late = [
            (key, shard) for key, (shard, due) in self._queue.items() if due is not None and 0 < due <= now
        ]
        for key, shard in late[1:]:
            self._queue[key] = (shard, now + random.uniform(0, SPREAD_S))  # noqa: S311

    def _note_on_disk(self, key: tuple[str, int], size: int) -> None:
        self._bytes += size - self._on_disk.get(key, 0)
        self._on_disk[key] = size

    def _forget(self, key: tuple[str, int]) -> None:
        self._queue.pop(key, None)
        self._bytes -= self._on_disk.pop(key, 0)

    def _check_room(self, size: int) -> None:
        limits = self.limits
        promised = sum(self._promised.values())
        used = self._bytes + promised + sum(self._bytes_of_others.values())
        if limits.max_bytes is not None and used + size > limits.max_bytes:
            raise SpoolFullError(
                f"the spool holds {used / 1e6:.0f} MB, of {limits.max_bytes / 1e6:.0f} allowed"
            )
        free = shutil.disk_usage(self.root).free
        # What is promised may be on the disk by half already: then a little more stays free than must.
        if free - promised - size < limits.keep_free_bytes:
            raise SpoolFullError(
                f"the disk of the spool has {free / 1e6:.0f} MB free, and {limits.keep_free_bytes / 1e6:.0f} "
                "are to stay so"
            )
