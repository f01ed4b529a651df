"""All streams under one runs directory: made, found, resumed after a crash, closed when silent.

Several servers may share the directory (two cameras on one machine): each open stream belongs to the process
that holds its lock, and the lock goes with the process. A server takes a stream up when it is first asked for
it, so that one started for another camera does not seize what it was not asked about.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.declarations import StreamDeclaration
from rheed_acquire.recording.layout import STREAM_FILE, STREAMED_BY, find_run_folder, folder_name
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.zarr_metadata import encode_document
from rheed_acquire.server.audit import Audit
from rheed_acquire.server.documents import FolderDocuments
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.server_folder import open_streams_folder, server_folder
from rheed_acquire.server.streams import OpenStream, links_of, no_stream, too_many_open
from rheed_acquire.system.durable_files import (
    read_json,
    remove,
    sync_directory,
    try_to_remove_tree,
    write_atomically,
)

if TYPE_CHECKING:
    from rheed_acquire.server.keys import Key

logger = logging.getLogger(__name__)

MOST_OPEN = 256
"""Streams that are open at once in one process: each keeps a lock, and so a file, open."""

CLOSE_AFTER_S = 2 * 3600.0
"""A stream that nothing is heard of for so long is closed, as the service does."""


_SETTLED_AFTER_S = 120.0
"""After its start a server leaves streams of earlier ones alone for so long: several of a client's tries."""


class _OpenStream:
    """A stream that is not closed, with what says that it is this process's."""

    def __init__(self, stream: RunWriter, lock: FileLock) -> None:
        self.stream = stream
        self.lock = lock
        self.last_heard = time.monotonic()


class StreamStore:
    """The streams of a runs directory. Thread-safe.

    Parameters
    ----------
    directory
        Made where it is not there.
    close_after_s
        Silence after which `close_silent` closes a stream, in seconds.
    audit
        Has a line for each stream that has ended; None for that of the directory.

    Raises
    ------
    RheedAcquireError
        The directory cannot be made or written to.
    """

    def __init__(
        self, directory: Path, close_after_s: float = CLOSE_AFTER_S, audit: Audit | None = None
    ) -> None:
        self.directory = directory
        self._audit = audit or Audit(FolderDocuments(directory))
        self._close_after_s = close_after_s
        self._open: dict[str, _OpenStream] = {}
        self._creating = 0
        self._creating_by: Counter[str | None] = Counter()
        self._begun_s = time.monotonic()
        self._lock = threading.RLock()
        self._markers = open_streams_folder(directory)
        self._staging = server_folder(directory)
        try:
            self._markers.mkdir(parents=True, exist_ok=True)
            probe = self._staging / f"probe-{uuid.uuid4().hex}"
            probe.write_bytes(b"")
            remove(probe)
        except OSError as error:
            raise RheedAcquireError(
                f"the runs directory {directory} cannot be written to ({error.strerror}): "
                "choose another with --dir, or for a run's own server with --output"
            ) from error

    def create(self, declaration: StreamDeclaration, key: Key | None = None) -> RunWriter:
        """Make a stream, and its folder, named after today's date, its name and its id.

        Raises
        ------
        Refusal
            429 where too many are open, or as many as its key may have.
        OSError
            It cannot be stored; nothing is left of it.
        """
        name = None if key is None else key.name
        with self._lock:
            if len(self._open) + self._creating >= MOST_OPEN:
                raise Refusal(
                    429, f"{len(self._open)} streams are open here, as many as may be: end some of them first"
                )
            if key is not None and name is not None:
                count = self._open_of(name) + self._creating_by[name]
                if count >= key.most_streams:
                    raise too_many_open(name, count)
            self._creating += 1
            self._creating_by[name] += 1
        try:
            return self._create(declaration, links_of(key))
        finally:
            with self._lock:
                self._creating -= 1
                self._creating_by[name] -= 1

    def _open_of(self, name: str) -> int:
        """How many streams of a key are open, in this and other processes."""
        markers = (read_json(marker) for marker in self._markers.glob("*.json"))
        return sum(marker is not None and marker.get(STREAMED_BY) == name for marker in markers)

    def _create(self, declaration: StreamDeclaration, links: Mapping[str, Any]) -> RunWriter:
        created = datetime.now(UTC)
        while True:
            data_id = str(uuid.uuid4())
            folder = self.directory / folder_name(declaration.name, data_id, created)
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            break
        lock = FileLock(self._lock_path(data_id), thread_local=False)
        try:
            stream = RunWriter.create(folder, data_id, declaration, **links)
            sync_directory(self.directory)
            lock.acquire()
            marker = encode_document({"folder": folder.name, **links})
            write_atomically(self._marker_path(data_id), marker, self._staging, durable=True)
        except BaseException:
            # The client is told that there is no stream, so that nothing may be left of one.
            lock.release()
            self._remove_lock_file(data_id)
            try_to_remove_tree(folder)
            raise
        with self._lock:
            self._open[data_id] = _OpenStream(stream, lock)
        return stream

    def get(self, data_id: str) -> RunWriter:
        """Find a stream, open or closed; an open one is this process's from now on.

        Raises
        ------
        Refusal
            404 where there is none, 503 where another process is at work on it.
        """
        with self._lock:
            if data_id in self._open:
                self._open[data_id].last_heard = time.monotonic()
                return self._open[data_id].stream
            folder = find_run_folder(self.directory, data_id)
            if folder is None:
                raise no_stream(data_id)
            marker = self._marker_path(data_id)
            if not marker.exists() and read_json(folder / STREAM_FILE)["state"] == "closed":
                return RunWriter.load(folder)
            lock = FileLock(self._lock_path(data_id), thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise Refusal(503, f"another server process keeps stream {data_id}") from None
            try:
                stream = RunWriter.load(folder)
            except BaseException:
                lock.release()
                raise
            self._open[data_id] = _OpenStream(stream, lock)
            return stream

    def heard_of(self, data_id: str) -> None:
        """Note a sign of life of an open stream, for this process and for those after it."""
        with self._lock:
            if data_id in self._open:
                self._open[data_id].last_heard = time.monotonic()
                self._marker_path(data_id).touch()

    def close(self, data_id: str, reason: str) -> None:
        """End a stream; may take long where its frames have to be moved together. Again does nothing.

        Raises
        ------
        Refusal
            As `get`.
        """
        stream = self.get(data_id)
        stream.close(reason)
        with self._lock:
            is_noted = data_id not in self._open
        if not is_noted:
            self._audit.note(stream.folder)
        with self._lock:
            kept = self._open.pop(data_id, None)
            if kept is not None:
                remove(self._marker_path(data_id))
                kept.lock.release()
                self._remove_lock_file(data_id)

    def refusals(self, data_id: str, *, after_a_look: bool = False) -> tuple[()]:  # noqa: ARG002
        """None: what does not hold is not confirmed here."""
        return ()

    def close_silent(self) -> None:
        """Close streams not heard of for long, and those that a crash left half closed.

        Streams that another process keeps are left to it. A failure is logged and tried again next time.
        """
        for marker in sorted(self._markers.glob("*.json")):
            data_id = marker.stem
            try:
                if not self._is_due(data_id, marker):
                    continue
                if find_run_folder(self.directory, data_id) is None:
                    remove(marker)  # its folder was moved away or deleted
                    self._remove_lock_file(data_id)
                    continue
                self.close(data_id, "nothing was heard of it")
                logger.warning("closed stream %s: nothing was heard of it", data_id)
            except (OSError, ValueError, Refusal) as error:
                if not (isinstance(error, Refusal) and error.status == 503):
                    logger.warning("stream %s could not be closed: %s", data_id, error)

    def _is_due(self, data_id: str, marker: Path) -> bool:
        with self._lock:
            kept = self._open.get(data_id)
        if kept is not None:
            return time.monotonic() - kept.last_heard > self._close_after_s
        folder = find_run_folder(self.directory, data_id)
        if folder is not None and read_json(folder / STREAM_FILE)["state"] != "open":
            return True  # half closed
        # What an earlier process noted is by the system's clock, which may have been set since; and where
        # that process has just died, the client is about to ask for its stream.
        is_settled = time.monotonic() - self._begun_s > min(self._close_after_s, _SETTLED_AFTER_S)
        return is_settled and time.time() - marker.stat().st_mtime > self._close_after_s

    def open_streams(self) -> Iterator[OpenStream]:
        """Those that are open, in this and other processes."""
        for marker in self._markers.glob("*.json"):
            known = read_json(marker)
            if known is not None:
                heard = datetime.fromtimestamp(marker.stat().st_mtime, UTC)
                yield OpenStream(marker.stem, str(known["folder"]), heard)

    def release(self) -> None:
        """Let go of every stream, as they are; another server may go on with them."""
        with self._lock:
            for kept in self._open.values():
                kept.lock.release()
            self._open.clear()

    def _marker_path(self, data_id: str) -> Path:
        return self._markers / f"{data_id}.json"

    def _lock_path(self, data_id: str) -> Path:
        return self._markers / f"{data_id}.lock"

    def _remove_lock_file(self, data_id: str) -> None:
        try:
            self._lock_path(data_id).unlink(missing_ok=True)
        except OSError as error:  # Windows: another process is just looking at it
            logger.info("lock of stream %s stays: %s", data_id, error)
