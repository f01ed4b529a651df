"""How the folders of runs are named and found, and what lies where in one.

``<date>-<name>-<first 8 of the data_id>/`` holds one run::

    frames.zarr/    the Zarr v3 group
    stream.json     what is known of the stream
    chunks.jsonl    one line for every confirmed chunk, in the order of confirmation
    marks.jsonl     one line for every mark, where there are any, in the order in which they were set
    readings.jsonl  readings of other instruments, where there are any, a line for what each had in a second
    incoming/       uploads on their way, while the stream is open
    repacking/      shards being moved together, while the stream is being closed
    numbers/        what is known of each frame, a file for each chunk of which it is, until it is closed

An archive, which a run keeps of its camera's own frames, is such a folder too; its name ends in ``-archive``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from pathlib import Path

from rheed_acquire.recording.run_path import SomePath

GROUP = "frames.zarr"
FRAMES = "frames"
"""The array of the group that holds the images."""
TIMES = "time_unix_ms"
FRAME_IDS = "frame_id"
"""The camera's number of each frame, where what was recorded tells it."""
STAMPS = "camera_timestamp_ns"
"""Of an archive: each frame's stamp by the camera's own clock."""
ARRIVALS = "arrival_unix_ms"
"""Of an archive: when this computer had each frame."""
REGION_MEANS = "region_mean"
REGION_MAXIMA = "region_maximum"
"""Of an archive of a run with regions: their gray levels in each frame."""
CHANNELS = "c"
"""The last axis of the images of an archive in colour."""
MARK_TIMES = "mark_time_unix_ms"
MARK_VALUES = "mark_value"
READINGS = "channel"
"""How the arrays of a channel begin: ``channel_0_time_unix_ms`` and ``channel_0_value``, counted from 0."""
STREAM_FILE = "stream.json"
CHUNKS_FILE = "chunks.jsonl"
MARKS_FILE = "marks.jsonl"
READINGS_FILE = "readings.jsonl"
INCOMING = "incoming"
REPACKING = "repacking"
NUMBERS = "numbers"
UPLOADS = "uploads"
"""In a bucket: where uploads of an open run arrive."""
CHUNK_RECORDS = "chunks"
"""In a bucket: what is known of each chunk of an open run, an object each."""
STREAMED_BY = "streamed_by"
"""In a stream's record: the name of the server's key that it was made with, where that had one."""
FRAMES_AT, AT_CHUNKS = "frames_at", "chunks"
"""The attribute of a group whose frames lie at the places of their chunks for good, with holes between."""
REFUSED_CHUNKS = "refused_chunks"
"""In a bucket: the chunks of a stream that were uploaded and did not hold, and why."""
FRAMES_ARE = "frames_are"
"""In a bucket: height, width and chunk size, which the first chunk of a stream has."""
UNNAMED = "RHEED Stream"
"""What a run is called whose name its streamer has chosen, without saying which."""

_SHARD_KEY = re.compile(re.escape(f"{GROUP}/{FRAMES}/c/") + r"(0|[1-9][0-9]{0,8})/0/0")
_DATA_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLUG_LENGTH = 33


def slug(name: str) -> str:
    """Turn a stream's name into a part of a folder's name that every file system and terminal takes.

    ASCII letters, digits and single hyphens, at most 33; accents go, other scripts vanish (the name itself
    is in the metadata). The date before it keeps it from being one of Windows' reserved names.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_LENGTH].rstrip("-") or "stream"


def folder_name(name: str, data_id: str, created: datetime) -> str:
    """Name the folder of a new stream, so that names sort by local date and time."""
    return f"{created.astimezone():%Y-%m-%d-%H%M%S}-{slug(name)}-{data_id[:8]}"


def archive_name(name: str, data_id: str, created: datetime, number: int) -> str:
    """Name the folder of a new archive: never as the run's recording, in whatever folder both lie.

    ``number`` is 1, or more for streamers whose data_ids begin alike.
    """
    more = "" if number == 1 else f"-{number}"
    return f"{created.astimezone():%Y-%m-%d-%H%M%S}-{slug(name)}-{slug(data_id)[:8]}-archive{more}"


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


def shard_path(frames_folder: SomePath, place: int, axes: int = 3) -> SomePath:
    """Where the shard of a place in the array ``frames`` lies, which has so many axes."""
    return frames_folder.joinpath("c", str(place), *["0"] * (axes - 1))


def shard_key(place: int | str) -> str:
    """Write the key of a shard, from the run's folder on; ``place`` may be a word that stands for one."""
    return f"{GROUP}/{FRAMES}/c/{place}/0/0"


def place_of(key: str) -> int | None:
    """Read the place out of a shard's key; None for what is no such key."""
    match = _SHARD_KEY.fullmatch(key)
    return None if match is None else int(match[1])
