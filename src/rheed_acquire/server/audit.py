"""A line for each stream that has ended: who streamed what, when, and how it ended."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.layout import STREAMED_BY
from rheed_acquire.recording.received_chunks import count_missing
from rheed_acquire.recording.run_files import read_attributes, stored_bytes

if TYPE_CHECKING:
    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.server.documents import Documents

AUDIT = "audit"
_READ_AT_ONCE = 8
_TAKEN = ("data_id", "name", STREAMED_BY, "created_utc", "ended_utc", "end_reason", "fps", "azimuth_label")


class Audit:
    """The lines, in a document for each day (UTC), as ``audit/2026-11-29.jsonl``.

    Thread-safe, and safe among servers.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._read: dict[str, tuple[str, list[Mapping[str, Any]]]] = {}

    def note(self, folder: RunPath) -> None:
        """Write the line of a stream that has ended; again, when something was linked to it, anew.

        Raises
        ------
        OSError
            The run cannot be read, or the line not be written.
        """
        try:
            attributes = read_attributes(folder)
        except RheedAcquireError as error:
            raise OSError(errno.EIO, str(error)) from None
        line = {key: attributes.get(key) for key in _TAKEN} | {
            "folder": folder.name,
            "sample": (attributes.get("physical_sample") or {}).get("name"),
            "tags": [tag["name"] for tag in attributes.get("tags") or ()],
            "frames": attributes.get("frames_received", 0),
            "chunks": attributes.get("chunks_received", 0),
            "chunks_missing": count_missing(attributes),
            "bytes": stored_bytes(folder),
        }

        def write(document: bytes | None) -> bytes:
            lines = [one for one in _lines(document) if one["data_id"] != line["data_id"]]
            return "".join(json.dumps(one) + "\n" for one in (*lines, line)).encode()

        self._documents.change(f"{AUDIT}/{str(line['ended_utc'])[:10]}.jsonl", write)

    def lines(self) -> list[Mapping[str, Any]]:
        """All lines, in the order of the ends; a document is read again only where it has changed.

        Raises
        ------
        OSError
            They cannot be read.
        """
        found = self._documents.below(AUDIT)
        with self._lock:
            known = self._read
        changed = [name for name, tag in found.items() if known.get(name, ("", []))[0] != tag]
        with ThreadPoolExecutor(_READ_AT_ONCE, "audit") as pool:
            read = dict(zip(changed, pool.map(self._documents.read, changed), strict=True))
        known = {
            name: (tag, _lines(read[name])) if name in read else known[name] for name, tag in found.items()
        }
        with self._lock:
            self._read = known
        return [line for name in sorted(known) for line in known[name][1]]


def _lines(document: bytes | None) -> list[Mapping[str, Any]]:
    """Take the lines apart; one that is damaged is left out, and gone with the next change."""
    lines: list[Mapping[str, Any]] = []
    for text in (document or b"").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "data_id" in line:
            lines.append(line)
    return lines
