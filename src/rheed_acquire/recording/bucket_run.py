"""A run as it is written into a bucket, by any number of processes at once.

``stream.json`` and an object for each chunk (``chunks/INDEX.json``) are the truth, and are written by
conditional puts. All else follows from them. A chunk goes this way:

1. It is *announced*: its declaration is written, and its uploader gets a URL for ``uploads/INDEX`` alone.
2. It is *stored*: its shard was looked at, and the store has copied it to its place in the array; one that is
   shorter than a full chunk was rewritten there with the rest of its frames absent.
3. The arrays list it.

Each step may be done by several processes, and again: all of them come to the same objects. Frames are not
moved together at the end, for that would copy the whole run: they stay at the places of their chunks.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.bucket import ChangedMeanwhileError
from rheed_acquire.recording.bucket_path import BucketFile, BucketPath
from rheed_acquire.recording.declarations import ChunkDeclaration
from rheed_acquire.recording.derived_objects import derived_objects
from rheed_acquire.recording.layout import (
    AT_CHUNKS,
    CHUNK_RECORDS,
    FRAMES,
    FRAMES_ARE,
    FRAMES_AT,
    GROUP,
    STREAM_FILE,
    STREAMED_BY,
    UPLOADS,
    shard_path,
)
from rheed_acquire.recording.received_chunks import ReceivedChunks
from rheed_acquire.recording.refusals import UnfitError, refuse_unless_open, refuse_unlike
from rheed_acquire.recording.run_writer import LISTING_SHARE, MOST_TAGS, new_record, utc_now
from rheed_acquire.recording.shards import ShardError, extend_shard, verify_shard
from rheed_acquire.recording.zarr_metadata import encode_document

if TYPE_CHECKING:
    from rheed_acquire.recording.declarations import StreamDeclaration

logger = logging.getLogger(__name__)

VALID_FOR = timedelta(minutes=15)
LOOKED_AT_EVERY = 200
"""Of so many frames of a stream one is decoded: its uploader has compared the store's MD5 with its own."""
_TRIES = 50
ANNOUNCED, STORED, MISSING = "announced", "stored", "missing"


class BucketRun:
    """A run in a bucket. Thread-safe, and safe among processes.

    Parameters
    ----------
    on_stored
        Called with the length in bytes of each chunk that was stored from here.

    Raises
    ------
    OSError
        From whatever it does: the store does not answer.
    """

    def __init__(
        self,
        folder: BucketPath,
        on_stored: Callable[[int], None] = lambda size: None,  # noqa: ARG005
    ) -> None:
        self.folder = folder
        self._on_stored = on_stored
        self._records: dict[str, tuple[str, dict[str, Any]]] = {}
        # By keys, the digest and the tag of what this process has listed; and when it may list again.
        self._listed: dict[str, tuple[bytes, str]] = {}
        self._listing = threading.Lock()
        self._is_behind = False
        self._list_again_s = -math.inf

    @classmethod
    def create(
        cls,
        folder: BucketPath,
        data_id: str,
        declaration: StreamDeclaration,
        on_stored: Callable[[int], None] = lambda size: None,  # noqa: ARG005
        **links: Any,
    ) -> BucketRun:
        """Begin a run where there is none."""
        record = {**new_record(data_id, declaration), **links, FRAMES_AT: AT_CHUNKS, FRAMES_ARE: None}
        (folder / STREAM_FILE).create(encode_document(record))
        return cls(folder, on_stored)

    def record(self) -> dict[str, Any]:
        """What is known of the stream now."""
        return dict(json.loads((self.folder / STREAM_FILE).read_bytes()))

    @property
    def data_id(self) -> str:
        """The id that the client knows the stream by."""
        return str(self._begun["data_id"])

    @cached_property
    def _begun(self) -> dict[str, Any]:
        """Its record at some time, for what never changes in it."""
        return self.record()

    @property
    def streamed_by(self) -> str | None:
        """The name of the key that the stream was made with, where that had one."""
        return self._begun.get(STREAMED_BY)

    @property
    def is_closed(self) -> bool:
        """Whether the stream has ended, and all of it is in its place."""
        return bool(self.record()["state"] == "closed")

    def link(self, **links: Any) -> None:
        """Record the ``physical_sample`` ({"id", "name"}) or more ``tags`` (of the same form)."""

        def change(record: dict[str, Any]) -> None:
            added = dict(links)
            if "tags" in added:
                known = {tag["id"]: tag for tag in (*record["tags"], *added["tags"])}
                if len(known) > MOST_TAGS:
                    raise UnfitError(f"stream {record['data_id']} would have more than {MOST_TAGS} tags")
                added["tags"] = list(known.values())
            record.update(added)

        record = self._change(self.folder / STREAM_FILE, change)
        if record["state"] == "closed":
            known = {key: record[key] for key in links}
            group = self.folder / GROUP / "zarr.json"
            self._change(group, lambda document: document["attributes"].update(known))

    def check(self, chunk: ChunkDeclaration) -> None:
        """Refuse a chunk that this stream cannot take.

        Raises
        ------
        RunClosedError
            The stream is closed.
        UnfitError
            The chunk's shape does not fit those before it.
        """
        shape = [chunk.height, chunk.width, chunk.chunk_size]
        record = self.record()
        if record["state"] == "open" and record[FRAMES_ARE] is None:

            def change(record: dict[str, Any]) -> None:
                record[FRAMES_ARE] = record[FRAMES_ARE] or shape

            record = self._change(self.folder / STREAM_FILE, change)
        refuse_unless_open(record["data_id"], record["state"])
        refuse_unlike(chunk, *record[FRAMES_ARE])

    def announce(self, chunk: ChunkDeclaration, times_us: str | None = None) -> str:
        """Expect a chunk that `check` has let through; the URL to put its shard to.

        Parameters
        ----------
        times_us
            When each of its frames was captured, as `rheed_acquire.recording.frame_times` writes it.

        Raises
        ------
        RunClosedError
            The stream has been closed meanwhile.
        """
        announced = {**asdict(chunk), "times_us": times_us, "state": ANNOUNCED}
        path = self._record_path(chunk.index)

        def change(known: dict[str, Any]) -> None:
            if known["state"] != STORED:  # its shard stays as it is, whatever comes again
                known.clear()
                known.update(announced)

        try:
            path.create(encode_document(announced))
        except FileExistsError:
            self._change(path, change)
        # Whoever closes the stream looks for announcements afterwards: one of the two sees the other.
        record = self.record()
        refuse_unless_open(record["data_id"], record["state"])
        return self._upload_path(chunk.index).upload_url(VALID_FOR)

    def settle(self) -> None:
        """Store what has been uploaded, and list it; help to end a stream whose closing was broken off."""
        if self.record()["state"] == "closing":
            self.close("")
            return
        if self._store_uploads(is_last=False):
            self._is_behind = True
        begun_s = time.monotonic()
        if self._is_behind and begun_s >= self._list_again_s:
            self._is_behind = False
            self._list()
            ended_s = time.monotonic()
            self._list_again_s = ended_s + LISTING_SHARE * (ended_s - begun_s)

    def close(self, reason: str) -> None:
        """End the stream: store what has come, and complete its metadata. Again does nothing.

        Parameters
        ----------
        reason
            For the metadata: who or what ended it.
        """

        def change(record: dict[str, Any]) -> None:
            if record["state"] == "open":
                record.update(state="closing", ended_utc=utc_now(), end_reason=reason)

        if self._change(self.folder / STREAM_FILE, change)["state"] == "closing":
            self._store_uploads(is_last=True)
            if self._list():
                self._change(self.folder / STREAM_FILE, lambda record: record.update(state="closed"))
        for folder in (UPLOADS, CHUNK_RECORDS):
            for path, _, _ in list((self.folder / folder).below()):
                path.unlink()

    def _store_uploads(self, *, is_last: bool) -> bool:
        """Store what was announced and has come; whether there was any."""
        arrived = {path.name for path, _, _ in (self.folder / UPLOADS).below()}
        stored = False
        for name, record in self._read_records().items():
            if record["state"] != ANNOUNCED:
                continue
            chunk = _declaration(record)
            if str(chunk.index) in arrived and self._store(chunk):
                stored = True
            elif is_last:
                self._change_chunk(name, ANNOUNCED, MISSING)
        return stored

    def _store(self, chunk: ChunkDeclaration) -> bool:
        """Put an upload in its place; False where it does not hold, or another process has done it."""
        upload = self._upload_path(chunk.index)
        target = shard_path(self.folder / GROUP / FRAMES, chunk.index)
        try:
            file = BucketFile(upload)
            _verify(file, chunk)
            if chunk.frames < chunk.chunk_size:
                padded = BytesIO(upload.read_bytes())
                extend_shard(padded, chunk.frames, chunk.chunk_size)
                target.write_bytes(padded.getvalue())
            else:
                upload.copy_to(target)
        except FileNotFoundError:
            return False
        except ShardError as error:
            logger.warning(
                "chunk %d of %s is no valid shard and waited for again: %s",
                chunk.index,
                self.folder,
                error,
            )
            upload.unlink()
            return False
        is_stored, by_us = self._change_chunk(f"{chunk.index}.json", ANNOUNCED, STORED)
        if by_us:
            self._on_stored(file.size)
        upload.unlink()
        return is_stored

    def _list(self) -> bool:
        """Write what follows from the chunks that are stored; False where the stream has been closed before.

        No process can put something older in the place of something newer: an object is replaced only if it
        is as it was when its tag was asked for, and what is put there is made of what was read after that.
        """
        with self._listing:  # of two threads one would take the other's tags for its own
            return self._list_alone()

    def _list_alone(self) -> bool:
        for _ in range(_TRIES):
            records = self._read_records()
            record = self.record()  # after the chunks': as long as it is not closed, those are all there
            if record["state"] == "closed":
                return False
            chunks = ReceivedChunks()
            times: dict[int, str] = {}
            for one in sorted(records.values(), key=lambda one: int(one["index"])):
                if one["state"] == STORED:
                    chunks.add(_declaration(one))
                    if one["times_us"] is not None:
                        times[one["index"]] = one["times_us"]
            derived = derived_objects(record, chunks, times)
            refused = [key for key, data in derived if not self._put(key, data)]
            if not refused:
                return True
        raise ChangedMeanwhileError(f"{self.folder} is written to by too many at once")

    def _put(self, key: str, data: bytes) -> bool:
        """Write what is derived; False where another process has done so, and it has to be made anew."""
        path = self.folder / key
        known = self._listed.get(key)
        digest = hashlib.sha256(data).digest()
        if known is not None and known[0] == digest:
            return True
        try:
            tag = path.create(data) if known is None else path.replace(data, known[1])
        except (FileExistsError, ChangedMeanwhileError):
            self._listed[key] = (b"", path.size_and_tag()[1])
            return False
        self._listed[key] = (digest, tag)
        return True

    def _read_records(self) -> Mapping[str, dict[str, Any]]:
        """The chunks' records by their objects' names; those that have not changed are not read again."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for path, tag, _ in (self.folder / CHUNK_RECORDS).below():
            known = self._records.get(path.name)
            if known is None or known[0] != tag:
                try:
                    data, tag = path.tagged()
                except FileNotFoundError:  # the stream has just been closed
                    continue
                known = tag, json.loads(data)
            found[path.name] = known
        self._records = found
        return {name: record for name, (_, record) in found.items()}

    def _change_chunk(self, name: str, before: str, after: str) -> tuple[bool, bool]:
        """Bring a chunk's record from one state into another; whether it is there then, and by us."""
        by_us = False

        def change(record: dict[str, Any]) -> None:
            nonlocal by_us
            by_us = record["state"] == before
            if by_us:
                record["state"] = after

        try:
            changed = self._change(self.folder / CHUNK_RECORDS / name, change)
        except FileNotFoundError:  # the stream has been closed meanwhile
            return False, False
        return bool(changed["state"] == after), by_us

    def _change(self, path: BucketPath, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change an object as if nobody else did; what it is then."""
        for _ in range(_TRIES):
            data, tag = path.tagged()
            content: dict[str, Any] = json.loads(data)
            before = json.dumps(content)
            change(content)
            if json.dumps(content) == before:
                return content
            try:
                path.replace(encode_document(content), tag)
            except ChangedMeanwhileError:
                continue
            return content
        raise ChangedMeanwhileError(f"{path} is written to by too many at once")

    def _record_path(self, index: int) -> BucketPath:
        return self.folder / CHUNK_RECORDS / f"{index}.json"

    def _upload_path(self, index: int) -> BucketPath:
        return self.folder / UPLOADS / str(index)


def _declaration(record: Mapping[str, Any]) -> ChunkDeclaration:
    return ChunkDeclaration(**{key: record[key] for key in ChunkDeclaration.__dataclass_fields__})


def _verify(file: BucketFile, chunk: ChunkDeclaration) -> None:
    if file.size > chunk.largest_shard:
        raise ShardError(f"{file.size} bytes are more than any shard of these dims takes")
    verify_shard(file, chunk.frames, chunk.height, chunk.width, 1, _looked_at(chunk))


def _looked_at(chunk: ChunkDeclaration) -> tuple[int, ...]:
    """Which frames of a chunk are decoded: the stream's first, and one of so many after it."""
    first = chunk.index * chunk.frames
    return tuple(-first % LOOKED_AT_EVERY + more for more in range(0, chunk.frames, LOOKED_AT_EVERY))
