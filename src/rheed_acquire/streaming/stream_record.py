"""What a stream in the spool is: the record by which another process can finish it."""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter

from rheed_acquire.system.durable_files import read_json

logger = logging.getLogger(__name__)

RECORD = "stream.json"
VERSION = 1
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d|")
"""Names that are devices on Windows, and none at all."""


class RecordError(Exception):
    """A folder has no record that this program can make sense of."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """What another process needs to know to finish a stream.

    Attributes
    ----------
    server
        Which server the stream is on: its endpoint, or ``local:FOLDER`` for the local server of a folder,
        whose port changes from run to run.
    name
        As the user called it.
    refused
        Why the server takes no more of it, or None.
    last_error
        The latest failed attempt.
    delivered
        Whether the server has confirmed every chunk: only the stream's end may still be missing.
    finished
        Whether it has ended too, so that nothing here is needed any more.
    created_reference_unix_s
        When it was made by the server's clock; None where that was not known.
    archive
        Folder of the run's archive, which every chunk in the ring is for too; None where there is none.
    """

    data_id: str
    server: str
    name: str
    fps: float
    rotations_per_min: float
    chunk_size: int
    created_unix_s: float
    refused: str | None = None
    last_error: str | None = None
    delivered: bool = False
    finished: bool = False
    created_reference_unix_s: float | None = None
    archive: str | None = None
    version: int = VERSION


_RECORDS: TypeAdapter[StreamRecord] = TypeAdapter(StreamRecord)


def load_record(path: Path) -> StreamRecord:
    """Read a stream's record.

    Raises
    ------
    RecordError
        There is none, it cannot be read, it is damaged, of a newer version, or of a folder of another name.
    """
    try:
        content = read_json(path / RECORD)
    except (OSError, ValueError, RecursionError) as error:
        what = error.strerror or str(error) if isinstance(error, OSError) else "it is damaged"
        raise RecordError(f"its {RECORD} cannot be read: {what}") from None
    if content is None:
        raise RecordError(f"it has no {RECORD}")
    if not isinstance(content, dict):
        raise RecordError(f"its {RECORD} is damaged")
    version = content.get("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        raise RecordError(f"it is of a newer rheed-acquire (version {version} of {RECORD})")
    try:
        known = {entry.name: content[entry.name] for entry in fields(StreamRecord) if entry.name in content}
        record: StreamRecord = _RECORDS.validate_python(known)
    except (ValueError, TypeError):
        raise RecordError(f"its {RECORD} is damaged") from None
    if not (record.fps > 0 and record.chunk_size > 0 and math.isfinite(record.fps + record.created_unix_s)):
        raise RecordError(f"its {RECORD} is damaged")
    if folder_name(record.data_id) != path.name:
        raise RecordError(
            f"it is a copy, or was renamed: the folder of its stream is called {folder_name(record.data_id)}"
        )
    return record


def read_record(path: Path) -> StreamRecord | None:
    """Read a stream's record; None where there is none that makes sense."""
    try:
        return load_record(path)
    except RecordError as error:
        logger.warning("%s: %s", path, error)
        return None


def folder_name(data_id: str) -> str:
    """Turn a data_id into a name that every file system takes, and that no other data_id has on any."""
    # In lower case, since on Windows and macOS two names that differ in nothing else are one.
    safe = re.sub(r"[^a-z0-9-]", "_", data_id.lower())[:80]
    if safe == data_id and _RESERVED.fullmatch(safe) is None:
        return safe
    return f"{safe}-{hashlib.sha256(data_id.encode(errors='backslashreplace')).hexdigest()[:12]}"


def age_s(record: StreamRecord) -> float:
    """Seconds since a stream was made."""
    return max(0.0, time.time() - record.created_unix_s)
