"""What is known of each chunk of a run in a bucket: an object each, ``chunks/INDEX.json``, of nine digits.

A chunk is *announced*, as often as it is sent, and each time with a place of its own to be uploaded to. What
was uploaded last is *stored* or *refused*; a chunk that was refused may be announced again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.declarations import ChunkDeclaration
from rheed_acquire.recording.layout import CHUNK_RECORDS
from rheed_acquire.recording.shared_object import Tagged, change_known
from rheed_acquire.recording.zarr_metadata import encode_document

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath

ANNOUNCED, STORED, REFUSED = "announced", "stored", "refused"
_LONGEST_REASON = 200
TAKEN_OVER_AFTER_S = 10.0
"""A chunk that was announced to another process is left to that for so long: it may have died."""


class ChunkRecords:
    """The records of a run. Thread-safe, and safe among processes.

    Parameters
    ----------
    folder
        Of the run.

    Raises
    ------
    OSError
        From whatever it does: the store does not answer.
    """

    def __init__(self, folder: BucketPath) -> None:
        self._folder = folder / CHUNK_RECORDS
        self._known: dict[str, Tagged] = {}
        self._noticed_s: dict[str, float] = {}
        self._own: set[str] = set()

    def read(self) -> list[dict[str, Any]]:
        """All of them by index; those that have not changed are not read again.

        The first ones, as far as all are stored, cannot change any more, and are not even listed again: a run
        of hours has thousands.
        """
        before = self._known
        found: dict[str, Tagged] = {}
        last: str | None = None
        while (known := before.get(name := _name(len(found)))) is not None and known[1]["state"] == STORED:
            found[name], last = known, name
        for path, tag, _ in self._folder.below(after=last):
            known = before.get(path.name)
            if known is None or known[0] != tag:
                try:
                    data, tag = path.tagged()
                except FileNotFoundError:  # the stream has just been closed
                    continue
                known = tag, json.loads(data)
            found[path.name] = known
        self._known = found
        return sorted((record for _, record in found.values()), key=lambda record: int(record["index"]))

    def leaves_to_others(self, index: int) -> bool:
        """Whether a chunk was announced to another process, and so lately that this one will look at it."""
        name = _name(index)
        if name in self._own:
            return False
        noticed_s = self._noticed_s.setdefault(name, time.monotonic())
        return time.monotonic() - noticed_s < TAKEN_OVER_AFTER_S

    def forget(self, index: int) -> None:
        """Delete the record of a chunk that was announced after the stream's end."""
        self._path(index).unlink()

    def announce(self, chunk: ChunkDeclaration, times_us: str | None) -> int:
        """Expect a chunk, once more where it was expected before; how often that is now.

        Where the stream is just being closed nothing comes of it: ask for its state afterwards.
        """
        announced = {**asdict(chunk), "times_us": times_us, "state": ANNOUNCED, "times": 1, "reason": None}
        path = self._path(chunk.index)
        self._own.add(path.name)

        def change(known: dict[str, Any]) -> None:
            if known["state"] != STORED:  # its shard stays as it is, whatever comes again
                announced["times"] = known["times"] + 1
                known.clear()
                known.update(announced)

        try:
            self._known[path.name] = path.create(encode_document(announced)), announced
        except FileExistsError:
            with suppress(FileNotFoundError):  # the stream has just been closed
                return int(self._change(chunk.index, change)["times"])
        return 1

    def store(self, index: int) -> tuple[bool, bool]:
        """Note that a chunk is in its place; whether it is so noted then, and whether by this call."""
        by_us = False

        def change(record: dict[str, Any]) -> None:
            nonlocal by_us
            by_us = record["state"] == ANNOUNCED
            if by_us:
                record["state"] = STORED

        try:
            changed = self._change(index, change)
        except FileNotFoundError:  # the stream has been closed meanwhile
            return False, False
        return bool(changed["state"] == STORED), by_us

    def refuse(self, index: int, times: int, reason: str) -> None:
        """Note why a chunk does not hold that was announced so often; not where it comes again already."""

        def change(record: dict[str, Any]) -> None:
            if record["state"] == ANNOUNCED and record["times"] == times:
                record.update(state=REFUSED, reason=reason[:_LONGEST_REASON])

        try:
            self._change(index, change)
        except FileNotFoundError:  # the stream has been closed meanwhile
            return

    def remove(self) -> None:
        """Delete them: the stream has ended."""
        for path, _, _ in list(self._folder.below()):
            path.unlink()

    def _change(self, index: int, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        path = self._path(index)
        changed = self._known[path.name] = change_known(path, change, self._known.get(path.name))
        return changed[1]

    def _path(self, index: int) -> BucketPath:
        return self._folder / _name(index)


def _name(index: int) -> str:
    """Name a record so that a store lists them in the order of their indices."""
    return f"{index:09}.json"


def upload_name(index: int, times: int) -> str:
    """Name the upload of a chunk that was announced for the n-th time."""
    return f"{index}-{times}"


def refusals_in(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What clients are told of chunks that did not hold, by index (wire protocol, "What did not hold")."""
    return [
        {
            "chunk": record["index"],
            "upload_id": upload_name(record["index"], record["times"]),
            "reason": record["reason"],
        }
        for record in records
        if record["state"] == REFUSED
    ]


def declaration_of(record: Mapping[str, Any]) -> ChunkDeclaration:
    """The chunk that a record is of."""
    return ChunkDeclaration(**{key: record[key] for key in ChunkDeclaration.__dataclass_fields__})
