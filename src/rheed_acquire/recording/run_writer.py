"""A run as it is written: chunks come in, are checked and kept, and at the end are moved together."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rheed_acquire.recording.declarations import ChunkDeclaration, PixelDeclaration, StreamDeclaration
from rheed_acquire.recording.frame_numbers import FrameNumbers
from rheed_acquire.recording.layout import (
    AT_CHUNKS,
    CHUNKS_FILE,
    FRAMES,
    FRAMES_AT,
    GROUP,
    INCOMING,
    NUMBERS,
    REPACKING,
    STREAM_FILE,
    STREAMED_BY,
    shard_path,
)
from rheed_acquire.recording.marks import read_marks
from rheed_acquire.recording.readings import read_readings
from rheed_acquire.recording.received_chunks import ReceivedChunks
from rheed_acquire.recording.refusals import UnfitError, refuse_unless_open, refuse_unlike
from rheed_acquire.recording.repacking import StoredChunk, repack
from rheed_acquire.recording.run_arrays import RunArrays
from rheed_acquire.recording.run_record import MOST_TAGS, new_record, utc_now
from rheed_acquire.recording.shards import ShardError, count_entries, extend_shard, verify_shard
from rheed_acquire.recording.zarr_metadata import encode_document
from rheed_acquire.system.durable_files import (
    append_durably,
    forget_cached,
    put_durably,
    read_json,
    remove,
    try_to_remove_tree,
    write_atomically,
)

if TYPE_CHECKING:
    from rheed_acquire.regions.regions import Region

logger = logging.getLogger(__name__)

Noted = TypeVar("Noted")

DECODE_EVERY = 16
"""Of a chunk that is as it was sent, one frame in so many is decoded."""
_CHECKING = threading.BoundedSemaphore(min(8, os.cpu_count() or 1))
"""Shards that are checked at once: each may hold a frame, and more would only wait for the processors."""
LISTED_AFTER_S = 1.0
"""How far the arrays may be behind while chunk comes upon chunk: eight files are replaced each time."""
LISTING_SHARE = 10
"""And where that takes long so many times as long as it takes: chunks have the rest of the time."""


class RunWriter:
    """A stream in its run folder. Thread-safe; one process at a time (see `StreamStore`).

    Its ``stream.json`` and ``chunks.jsonl`` are the truth; all else in the folder but the shards follows from
    them. A chunk is confirmed once its line is in ``chunks.jsonl``.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder = folder
        self._record = record
        self._incoming = folder / INCOMING
        self._work = folder / REPACKING
        self._frames_folder = folder / GROUP / FRAMES
        self.pixels = None
        if record.get("pixel_format") is not None:
            self.pixels = PixelDeclaration(record["pixel_format"], record["bit_depth"], record["bit_shift"])
        self._numbers = folder / NUMBERS
        self._arrays = RunArrays(
            folder / GROUP,
            self._incoming,
            record["fps"],
            self.pixels,
            self._numbers_of,
        )
        self._lock = threading.RLock()
        self._chunks = ReceivedChunks()
        # Confirmed, and not in the arrays yet; how many more are being committed; and when they were written.
        self._unlisted: list[ChunkDeclaration] = []
        self._committing = 0
        self._listed_s, self._listing_took_s = -math.inf, 0.0

    @classmethod
    def create(
        cls,
        folder: Path,
        data_id: str,
        declaration: StreamDeclaration,
        pixels: PixelDeclaration | None = None,
        **links: Any,
    ) -> RunWriter:
        """Make a new stream in the empty ``folder``; an archive where ``pixels`` says what its frames are.

        ``links`` are as in `link`, where they are known already.
        """
        record = {**new_record(data_id, declaration, pixels), **links}
        stream = cls(folder, record)
        stream._write_record()
        return stream

    @classmethod
    def load(cls, folder: Path) -> RunWriter:
        """Read a stream from its folder, to go on with it or to know that it is closed."""
        stream = cls(folder, read_json(folder / STREAM_FILE))
        log = folder / CHUNKS_FILE
        for line in log.read_bytes().splitlines() if log.exists() else ():
            try:
                chunk = ChunkDeclaration(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the half line of a crash: its chunk was not confirmed
            stream._chunks.add(chunk)
        if not stream.is_closed:
            stream._recover()
        return stream

    def _recover(self) -> None:
        """Bring the folder in line with the confirmed chunks, after whatever ended the last process."""
        try_to_remove_tree(self._incoming)
        if self.state == "open":
            self._arrays.remove_unconfirmed({chunk.index for chunk in self._chunks.in_order})
            if self._chunks.in_order:
                self._arrays.write_in_place(self._chunks.in_order, durable=False)

    @property
    def data_id(self) -> str:
        """The id that the client knows the stream by."""
        return str(self._record["data_id"])

    @property
    def streamed_by(self) -> str | None:
        """The name of the key that the stream was made with, where that had one."""
        return self._record.get(STREAMED_BY)

    @property
    def fps(self) -> float:
        """Frames per second that it declares."""
        return float(self._record["fps"])

    @property
    def state(self) -> str:
        """``open``, ``closing`` while the frames are moved together, or ``closed``."""
        return str(self._record["state"])

    @property
    def is_closed(self) -> bool:
        """Whether the stream has ended and its frames are in their final place."""
        return self.state == "closed"

    def check(self, chunk: ChunkDeclaration) -> None:
        """Refuse a chunk that this stream cannot take.

        Raises
        ------
        RunClosedError
            The stream is closed.
        UnfitError
            The chunk's shape does not fit those before it.
        """
        self._refuse_unless_open()  # at once, while moving the frames together may hold the lock for long
        with self._lock:
            self._refuse_unless_open()
            if not self._chunks.in_order:
                return
            known = self._chunks.in_order[0]
            refuse_unlike(chunk, known.height, known.width, known.chunk_size)

    def _refuse_unless_open(self) -> None:
        refuse_unless_open(self.data_id, self.state)

    def incoming_path(self) -> Path:
        """Choose a new file, on the stream's own file system, to receive an upload in."""
        self._incoming.mkdir(exist_ok=True)
        return self._incoming / f"{secrets.token_hex(8)}.upload"

    def has(self, index: int) -> bool:
        """Whether a chunk is there and confirmed."""
        with self._lock:
            return index in self._chunks

    def newest_regions(self) -> tuple[Region, ...]:
        """Those that were followed in the last chunk of an archive that is open."""
        with self._lock:
            newest = self._chunks.in_order[-1:]
        known = [self._numbers_of(chunk.index) for chunk in newest]
        return tuple(trace.region for numbers in known if numbers for trace in numbers.traces)

    def commit(
        self,
        received: Path,
        chunk: ChunkDeclaration,
        *,
        is_as_sent: bool = False,
        numbers: FrameNumbers | None = None,
        more_wait: bool = False,
    ) -> None:
        """Check an uploaded shard and keep it; once this returns, it survives whatever happens.

        A chunk index that is there already is replaced. What is derived from the chunks, such as the frames'
        stamps, is written by the last of those that are committed at once.

        Parameters
        ----------
        received
            The body as it came, in a file that `incoming_path` chose. It is gone afterwards on success.
        is_as_sent
            Whether a checksum of the sender's was found to fit the body. Then what could go wrong on the way
            did not, and only some frames are decoded, to see that the sender can encode at all.
        numbers
            What is known of the chunk's frames; of a stream's only when each was captured. The frames of an
            archive, of which it is always known, this process has encoded itself.
        more_wait
            Whether other chunks wait already, as if they were committed at once with this one.

        Raises
        ------
        UnfitError
            The shard is not what was declared; or as `check`.
        OSError
            It cannot be stored.
        """
        self.check(chunk)
        with self._lock:
            self._committing += 1
        try:
            self._keep(received, chunk, DECODE_EVERY if is_as_sent else 1, numbers)
        finally:
            with self._lock:
                self._committing -= 1
                if self._unlisted and self._is_listing_due(more_wait=more_wait) and self.state == "open":
                    self._list()

    def _keep(
        self, received: Path, chunk: ChunkDeclaration, decode_every: int, numbers: FrameNumbers | None
    ) -> None:
        try:
            with _CHECKING, received.open("r+b") as file:
                entries = count_entries(file, chunk.frames, chunk.chunk_size)
                if self.pixels is None:
                    verify_shard(file, entries, chunk.height, chunk.width, decode_every)
                if entries < chunk.chunk_size:
                    extend_shard(file, chunk.frames, chunk.chunk_size)
                file.flush()
                os.fsync(file.fileno())
                forget_cached(file)
        except ShardError as error:
            raise UnfitError(f"chunk {chunk.index} is not a valid shard: {error}") from error
        with self._lock:
            self.check(chunk)
            if numbers is not None:
                numbers.write(self._numbers_path(chunk.index), self._incoming)
            else:  # of one that is replaced
                remove(self._numbers_path(chunk.index))
            put_durably(received, self._shard_path(chunk.index), self.folder)
            append_durably(self.folder / CHUNKS_FILE, json.dumps(asdict(chunk)).encode())
            self._chunks.add(chunk)
            self._unlisted.append(chunk)

    def _is_listing_due(self, *, more_wait: bool) -> bool:
        if not (self._committing or more_wait):
            return True
        behind_s = time.monotonic() - self._listed_s
        return behind_s > max(LISTED_AFTER_S, LISTING_SHARE * self._listing_took_s)

    def _list(self) -> None:
        """Bring the arrays up to date."""
        self._refuse_unless_there()
        begun_s = time.monotonic()
        self._arrays.write_changed(self._chunks.in_order, self._unlisted)
        self._arrays.write_attributes(self._attributes(), durable=False)
        self._unlisted.clear()
        self._listed_s = time.monotonic()
        self._listing_took_s = self._listed_s - begun_s

    def link(self, **links: Any) -> None:
        """Record ``physical_sample`` ({"id", "name"}), more ``tags`` (of the same form), or ``growth``."""
        with self._lock:
            if "tags" in links:
                known = {tag["id"]: tag for tag in (*self._record["tags"], *links["tags"])}
                if len(known) > MOST_TAGS:
                    raise UnfitError(f"stream {self.data_id} would have more than {MOST_TAGS} tags")
                links["tags"] = list(known.values())
            self._record.update(links)
            self._write_record()
            if self.is_closed:
                try_to_remove_tree(self._incoming)

    def close(self, reason: str) -> None:
        """End the stream: move its frames together, unless they stay, and complete its metadata, once.

        Parameters
        ----------
        reason
            For the metadata: who or what ended it.
        """
        with self._lock:
            if self.is_closed:
                return
            if self.state == "open":
                self._record.update(state="closing", ended_utc=utc_now(), end_reason=reason)
                self._write_record()
            chunks = self._chunks.in_order
            if chunks and self._record.get(FRAMES_AT) == AT_CHUNKS:
                self._arrays.write_in_place(chunks, durable=True)
            elif chunks:
                stored = [StoredChunk(chunk.index, chunk.frames) for chunk in chunks]
                repack(self._frames_folder, self._work, stored, chunks[0].chunk_size, self._axes)
                self._arrays.write_moved_together(chunks)
            self._arrays.write_marks(self._noted("marks", read_marks))
            self._arrays.write_readings(self._noted("readings", read_readings))
            self._record["state"] = "closed"
            self._write_record()
            try_to_remove_tree(self._work)
            try_to_remove_tree(self._incoming)
            try_to_remove_tree(self._numbers)

    def _noted(self, what: str, read: Callable[[Path], tuple[Noted, ...]]) -> tuple[Noted, ...]:
        """What lies beside the frames; nothing where that cannot be read: the stream ends all the same."""
        try:
            return read(self.folder)
        except OSError as error:
            logger.warning("the %s in %s cannot be read: %s", what, self.folder, error)
            return ()

    def _numbers_of(self, index: int) -> FrameNumbers | None:
        path = self._numbers_path(index)
        return FrameNumbers.read(path) if self.pixels is not None or path.exists() else None

    @property
    def _axes(self) -> int:
        return 3 if self.pixels is None else self.pixels.axes

    def _shard_path(self, index: int) -> Path:
        return shard_path(self._frames_folder, index, self._axes)

    def remove_shard(self, index: int) -> None:
        """Remove what there may be of a chunk that was not confirmed, as well as that can be done."""
        try_to_remove_tree(self._frames_folder / "c" / str(index))

    def _numbers_path(self, index: int) -> Path:
        return self._numbers / str(index)

    def _attributes(self) -> Mapping[str, Any]:
        return {**self._record, **self._chunks.attributes()}

    def _refuse_unless_there(self) -> None:
        """Make no folder anew whose disk is away: it would lie below where that is mounted."""
        if not self.folder.is_dir():
            raise OSError(errno.ENOENT, "the folder is not there at present", str(self.folder))

    def _write_record(self) -> None:
        self._refuse_unless_there()
        self._arrays.write_attributes(self._attributes(), durable=self.is_closed)
        write_atomically(
            self.folder / STREAM_FILE,
            encode_document(self._record),
            self._incoming,
            durable=True,
            root=self.folder,
        )
