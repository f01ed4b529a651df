"""A run as it is written into a bucket, by any number of processes at once.

``stream.json`` and an object for each chunk (``chunks/INDEX.json``) are the truth, and are written by
conditional puts. All else follows from them. A chunk goes this way:

1. It is *announced*: its declaration is written, and its uploader gets a URL for ``uploads/INDEX-TIMES``
   alone, by how often it was announced.
2. It is *stored*: its shard was looked at, and the store has copied it to its place in the array; one that is
   shorter than a full chunk was rewritten there with the rest of its frames absent. Or it is *refused*, and
   ``stream.json`` says so to whoever is asked for the stream, until it is announced again.
3. The arrays list it.

Each step may be done by several processes, and again: all of them come to the same objects. Frames are not
moved together at the end, for that would copy the whole run: they stay at the places of their chunks.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from rheed_acquire.recording.bucket_listing import BucketListing
from rheed_acquire.recording.bucket_uploads import put_in_place
from rheed_acquire.recording.chunk_records import (
    ANNOUNCED,
    REFUSED,
    STORED,
    ChunkRecords,
    declaration_of,
    refusals_in,
    upload_name,
)
from rheed_acquire.recording.layout import (
    AT_CHUNKS,
    FRAMES,
    FRAMES_ARE,
    FRAMES_AT,
    GROUP,
    REFUSED_CHUNKS,
    STREAM_FILE,
    STREAMED_BY,
    UPLOADS,
    shard_path,
)
from rheed_acquire.recording.refusals import UnfitError, refuse_unless_open, refuse_unlike
from rheed_acquire.recording.run_record import MOST_TAGS, new_record, utc_now
from rheed_acquire.recording.shards import ShardError
from rheed_acquire.recording.shared_object import change_object
from rheed_acquire.recording.zarr_metadata import encode_document

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration

logger = logging.getLogger(__name__)

VALID_FOR = timedelta(minutes=15)
NEVER_CAME = "nothing of it had come when the stream was ended"


class Announcement(NamedTuple):
    """What is known once a chunk was announced.

    Attributes
    ----------
    url
        To put its shard to.
    upload_id
        That upload's, by which it is told where it does not hold.
    refusals
        What is told of the chunks that did not hold, as `BucketRun.refusals` does.
    """

    url: str
    upload_id: str
    refusals: list[dict[str, Any]]


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
        self._chunks = ChunkRecords(folder)
        # What it was when it was last looked at: of the other states none leads back to open.
        self._state = "open"
        self._frames_are: list[int] | None = None
        self._listing = BucketListing(folder, self._chunks, self.record)

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
        record = dict(json.loads((self.folder / STREAM_FILE).read_bytes()))
        self._state = record["state"]
        return record

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
        """Record ``physical_sample`` ({"id", "name"}), more ``tags`` (of the same form), or ``growth``."""

        def change(record: dict[str, Any]) -> None:
            added = dict(links)
            if "tags" in added:
                known = {tag["id"]: tag for tag in (*record["tags"], *added["tags"])}
                if len(known) > MOST_TAGS:
                    raise UnfitError(f"stream {record['data_id']} would have more than {MOST_TAGS} tags")
                added["tags"] = list(known.values())
            record.update(added)

        record = change_object(self.folder / STREAM_FILE, change)
        if record["state"] == "closed":
            known = {key: record[key] for key in links}
            group = self.folder / GROUP / "zarr.json"
            change_object(group, lambda document: document["attributes"].update(known))

    def check(self, chunk: ChunkDeclaration) -> None:
        """Refuse a chunk that this stream cannot take.

        Raises
        ------
        RunClosedError
            The stream is known to be closed; where it is since a moment ago, `announce` raises that.
        UnfitError
            The chunk's shape does not fit those before it.
        """
        if self._frames_are is None:  # what it is once never changes
            shape = [chunk.height, chunk.width, chunk.chunk_size]

            def change(record: dict[str, Any]) -> None:
                if record["state"] == "open":
                    record[FRAMES_ARE] = record[FRAMES_ARE] or shape

            record = change_object(self.folder / STREAM_FILE, change)
            self._state, self._frames_are = record["state"], record[FRAMES_ARE]
        refuse_unless_open(self.data_id, self._state)
        assert self._frames_are is not None
        refuse_unlike(chunk, *self._frames_are)

    def announce(self, chunk: ChunkDeclaration, times_us: str | None = None) -> Announcement:
        """Expect a chunk that `check` has let through; where its shard is to be put.

        Parameters
        ----------
        times_us
            When each of its frames was captured, as `rheed_acquire.recording.frame_times` writes it.

        Raises
        ------
        RunClosedError
            The stream has been closed meanwhile.
        """
        upload_id = upload_name(chunk.index, self._chunks.announce(chunk, times_us))
        # Whoever closes the stream looks for announcements afterwards: one of the two sees the other.
        record = self.record()
        if record["state"] == "closed":
            self._chunks.forget(chunk.index)
        refuse_unless_open(record["data_id"], record["state"])
        url = (self.folder / UPLOADS / upload_id).upload_url(VALID_FOR)
        return Announcement(url, upload_id, record.get(REFUSED_CHUNKS) or [])

    def refusals(self, *, after_a_look: bool = False) -> Sequence[dict[str, Any]]:
        """The chunks that were uploaded and did not hold, and have not come again.

        Parameters
        ----------
        after_a_look
            Whether all that has come by now is looked at before.

        Returns
        -------
        sequence of dict
            Of each ``chunk`` (its index) the ``upload_id`` of its `Announcement` and the ``reason``.
        """
        if after_a_look:
            self.settle()
        return self.record().get(REFUSED_CHUNKS) or []

    def settle(self, *, all_of_it: bool = True) -> bool:
        """Store what has been uploaded, and list it; help to end a stream whose closing was broken off.

        Parameters
        ----------
        all_of_it
            Also what was announced to another process a moment ago, which is going to look at it by itself.

        Returns
        -------
        bool
            Whether the stream is open.
        """
        record = self.record()
        if record["state"] == "closing":
            self.close("")
        if record["state"] != "open":
            return False
        self._listing.keep_up(has_more=self._store_uploads(record, all_of_it=all_of_it))
        return True

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

        record = change_object(self.folder / STREAM_FILE, change)
        self._state = record["state"]
        if record["state"] == "closing":
            self._store_uploads(record, all_of_it=True, is_last=True)
            if self._listing.write():
                change_object(self.folder / STREAM_FILE, lambda record: record.update(state="closed"))
        for path, _, _ in list((self.folder / UPLOADS).below()):
            path.unlink()
        self._chunks.remove()

    def _store_uploads(self, stream: Mapping[str, Any], *, all_of_it: bool, is_last: bool = False) -> bool:
        """Store what was announced and has come, and say what of it does not hold; whether any was stored.

        Parameters
        ----------
        stream
            Its record, as it was before.
        all_of_it
            Whether also what other processes are about to look at.
        is_last
            Whether the stream takes no more.
        """
        records = self._chunks.read()
        expected = [
            record
            for record in records
            if record["state"] == ANNOUNCED
            and (all_of_it or not self._chunks.leaves_to_others(record["index"]))
        ]
        arrived: defaultdict[int, list[int]] = defaultdict(list)
        if expected:
            for path, _, _ in (self.folder / UPLOADS).below():
                index, _, times = path.name.partition("-")
                arrived[int(index)].append(int(times))
        became = set()
        for record in expected:
            chunk = declaration_of(record)
            state = self._store(chunk, arrived[chunk.index], record["times"])
            if state == ANNOUNCED and is_last:
                self._chunks.refuse(chunk.index, record["times"], NEVER_CAME)
                state = REFUSED
            became.add(state)
        if REFUSED in became or refusals_in(records) != (stream.get(REFUSED_CHUNKS) or []):
            self._tell_refusals()
        return STORED in became

    def _store(self, chunk: ChunkDeclaration, uploads: Sequence[int], announced: int) -> str:
        """Put the newest upload that holds in its place; what becomes of the chunk, as far as is known.

        Parameters
        ----------
        uploads
            Those that have come, by how often the chunk had been announced for them.
        announced
            How often that is by now.
        """
        why_not = None
        for times in sorted(uploads, reverse=True):
            upload = self._upload_path(chunk.index, times)
            try:
                size = put_in_place(upload, shard_path(self.folder / GROUP / FRAMES, chunk.index), chunk)
            except FileNotFoundError:  # another process was faster
                return ANNOUNCED
            except ShardError as error:
                logger.warning(
                    "chunk %d of %s is no valid shard and asked for again: %s",
                    chunk.index,
                    self.folder,
                    error,
                )
                if times == announced:
                    why_not = str(error)
                else:  # what is on its way may do better
                    upload.unlink()
                continue
            is_stored, by_us = self._chunks.store(chunk.index)
            if by_us:
                self._on_stored(size)
            upload.unlink()
            return STORED if is_stored else ANNOUNCED
        if why_not is None:
            return ANNOUNCED
        self._chunks.refuse(chunk.index, announced, why_not)
        self._upload_path(chunk.index, announced).unlink()
        return REFUSED

    def _upload_path(self, index: int, times: int) -> BucketPath:
        return self.folder / UPLOADS / upload_name(index, times)

    def _tell_refusals(self) -> None:
        """Write into the stream's record which chunks do not hold."""

        def change(record: dict[str, Any]) -> None:
            if record["state"] != "closed":  # then the chunks' are gone
                record[REFUSED_CHUNKS] = refusals_in(self._chunks.read())

        # The chunks' records are read after the stream's: nothing older replaces something newer.
        change_object(self.folder / STREAM_FILE, change)
