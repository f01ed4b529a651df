"""How the folders under the runs directory are named and found.

``<date>-<name>-<first 8 of the data_id>/`` holds one stream::

    frames.zarr/    the Zarr v3 group
    stream.json     what the server knows of the stream
    chunks.jsonl    one line for every confirmed chunk, in the order of confirmation
    incoming/       uploads on their way, while the stream is open
    repacking/      shards being moved together, while the stream is being closed

and ``.server/`` what is not any one stream's: ``samples.json``, ``tags.json``, ``projects.json``, and
``open/<data_id>.json`` for every stream that is not closed, so that a start does not read every run.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from pathlib import Path

STREAM_FILE = "stream.json"
GROUP = "frames.zarr"

_DATA_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLUG_LENGTH = 40


def slug(name: str) -> str:
    """Turn a stream's name into a part of a folder's name that every file system and terminal takes.

    ASCII letters, digits and single hyphens, at most 40; accents go, other scripts vanish (the name itself
    is in the metadata). The date before it keeps it from being one of Windows' reserved names.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_LENGTH].rstrip("-") or "stream"


def folder_name(name: str, data_id: str, created: datetime) -> str:
    """Name the folder of a new stream, by the local date."""
    return f"{created.astimezone():%Y-%m-%d}-{slug(name)}-{data_id[:8]}"


def server_folder(directory: Path) -> Path:
    """Where the server keeps what is not any one stream's."""
    return directory / ".server"


def open_streams_folder(directory: Path) -> Path:
    """Where a small file for each open stream lies."""
    return server_folder(directory) / "open"


def is_data_id(text: str) -> bool:
    """Whether this can be a data_id of this server; nothing else may become part of a path."""
    return _DATA_ID.fullmatch(text) is not None


def find_run_folder(directory: Path, data_id: str) -> Path | None:
    """Find the folder of a stream, open or closed, or None."""
    if not is_data_id(data_id):
        return None
    for folder in directory.glob(f"*-{data_id[:8]}"):
        try:
            stream = json.loads((folder / STREAM_FILE).read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(stream, dict) and stream.get("data_id") == data_id:
            return folder
    return None
