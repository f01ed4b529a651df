"""What Micro-Manager tells of each image: when it was taken, and how deep it is.

NDTiff, its newer format, has an index beside the files: https://github.com/micro-manager/NDTiffStorage
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from rheed_acquire_replay.moments import naive_moment_ns

if TYPE_CHECKING:
    from rheed_acquire_replay.recording import Recording

TAG = 51123
"""Of TIFF: the metadata of an image, as JSON."""
INDEX = "NDTiff.index"
_ELAPSED_MS = "ElapsedTime-ms"
_DATES = ("TimeReceivedByCore", "ReceivedTime", "Time")
_BITS = {3: 10, 4: 12, 5: 14, 6: 11}
"""By the index's number of a pixel type; others tell no depth."""
_MOST_BYTES = 1 << 20
"""Of the metadata of one image."""


def image_time_ns(metadata: object) -> int | None:
    """When an image was taken, in nanoseconds since 1970 in UTC; None where its metadata does not tell."""
    if not isinstance(metadata, Mapping):
        return None
    dates = (naive_moment_ns(str(metadata[key])) for key in _DATES if key in metadata)
    return next((date for date in dates if date is not None), None)


def take_index(recording: Recording, folder: Path, pages: Sequence[Any]) -> None:
    """Take what the index of an NDTiff says of the images that are the recording's frames."""
    import tifffile

    told = {(entry[1], entry[2]): entry for entry in tifffile.read_ndtiff_index(folder / INDEX)}
    entries = [told.get((page.parent.filename, page.dataoffsets[0])) for page in pages]
    found = [entry for entry in entries if entry is not None]
    if len(found) < len(pages):
        return
    files: dict[str, IO[bytes]] = {}
    try:
        each = [_metadata(files, folder, entry) for entry in found]
    finally:
        for file in files.values():
            file.close()
    depths = {_BITS.get(entry[5]) or _depth(metadata) for entry, metadata in zip(found, each, strict=True)}
    bits = depths.pop() if len(depths) == 1 else None
    if bits is not None:
        recording.bits = bits
        recording.notes["depth"] = f"{bits} bits, by Micro-Manager"
    _take_times(recording, each)


def _metadata(files: dict[str, IO[bytes]], folder: Path, entry: tuple[Any, ...]) -> Mapping[str, Any]:
    name, offset, size, compression = entry[1], entry[7], entry[8], entry[9]
    if compression or not 0 < size <= _MOST_BYTES:
        return {}
    if name not in files:
        files[name] = (folder / name).open("rb")
    files[name].seek(offset)
    try:
        metadata = json.loads(files[name].read(size))
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _depth(metadata: Mapping[str, Any]) -> int | None:
    bits = metadata.get("BitDepth")
    return bits if isinstance(bits, int) and 8 <= bits < 16 else None


def _take_times(recording: Recording, each: Sequence[Mapping[str, Any]]) -> None:
    captured = image_time_ns(each[0])
    if captured is not None:
        recording.captured_ns = captured
        recording.notes["captured"] = "by Micro-Manager"
    elapsed = [metadata.get(_ELAPSED_MS) for metadata in each]
    if all(isinstance(one, int | float) for one in elapsed):
        since_ms = np.array(elapsed, np.float64)
        if np.isfinite(since_ms).all():
            recording.times_ns = np.round((since_ms - since_ms[0]) * 1e6).astype(np.int64)
            recording.notes["times"] = f"of each frame, by Micro-Manager's {_ELAPSED_MS}"
