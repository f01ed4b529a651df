"""What follows from the stored chunks of a run in a bucket: the arrays that list them, and the group."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.bucket import ChangedMeanwhileError
from rheed_acquire.recording.chunk_records import STORED, ChunkRecords, declaration_of
from rheed_acquire.recording.derived_objects import derived_objects
from rheed_acquire.recording.received_chunks import ReceivedChunks
from rheed_acquire.recording.run_writer import LISTING_SHARE
from rheed_acquire.recording.shared_object import TRIES

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath

LISTED_EVERY_S = 5.0
"""Between two listings: each writes the last block of every list again, however short the chunk is."""


class BucketListing:
    """Writes it. Thread-safe, and safe among processes.

    No process can put something older in the place of something newer: an object is replaced only if it is
    as it was when its tag was asked for, and what is put there is made of what was read after that.

    Parameters
    ----------
    folder
        Of the run.
    chunks
        Its chunks' records.
    record
        Reads the stream's own.

    Raises
    ------
    OSError
        From whatever it does: the store does not answer.
    """

    def __init__(
        self, folder: BucketPath, chunks: ChunkRecords, record: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._folder, self._chunks, self._record = folder, chunks, record
        # By keys, the digest and the tag of what this process has listed; and when it may list again.
        self._listed: dict[str, tuple[bytes, str]] = {}
        self._listing = threading.Lock()
        self._is_behind = False
        self._again_s = -math.inf

    def keep_up(self, *, has_more: bool) -> None:
        """List what is stored, if that has become more and it is not too soon after the last time."""
        if has_more:
            self._is_behind = True
        begun_s = time.monotonic()
        if self._is_behind and begun_s >= self._again_s:
            self._is_behind = False
            self.write()
            ended_s = time.monotonic()
            self._again_s = ended_s + max(LISTED_EVERY_S, LISTING_SHARE * (ended_s - begun_s))

    def write(self) -> bool:
        """List all that is stored; False where the stream has been closed before."""
        with self._listing:  # of two threads one would take the other's tags for its own
            return self._write_alone()

    def _write_alone(self) -> bool:
        for _ in range(TRIES):
            records = self._chunks.read()
            record = self._record()  # after the chunks': as long as it is not closed, those are all there
            if record["state"] == "closed":
                return False
            chunks = ReceivedChunks()
            times: dict[int, str] = {}
            for one in records:
                if one["state"] == STORED:
                    chunks.add(declaration_of(one))
                    if one["times_us"] is not None:
                        times[one["index"]] = one["times_us"]
            derived = derived_objects(record, chunks, times)
            refused = [key for key, data in derived if not self._put(key, data)]
            if not refused:
                return True
        raise ChangedMeanwhileError(f"{self._folder} is written to by too many at once")

    def _put(self, key: str, data: bytes) -> bool:
        """Write what is derived; False where another process has done so, and it has to be made anew."""
        path = self._folder / key
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
