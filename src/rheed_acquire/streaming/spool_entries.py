"""What lies in a spool: streams, and what is none and is named and left as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rheed_acquire.frames.ring_files import SUFFIX
from rheed_acquire.streaming.stream_folder import PROBE
from rheed_acquire.streaming.stream_places import ARCHIVES, LOCK, folder_bytes, ring_folders
from rheed_acquire.streaming.stream_record import RECORD, RecordError, StreamRecord, load_record


@dataclass(frozen=True, slots=True)
class StrangeEntry:
    """Something in a spool that is no stream which this program can take up.

    Attributes
    ----------
    reason
        What is strange about it.
    holds_frames
        Whether there are shards in it, or a ring: then something waits that nobody will deliver.
    """

    path: Path
    reason: str
    holds_frames: bool


def look_through(root: Path) -> tuple[list[tuple[Path, StreamRecord]], list[StrangeEntry]]:
    """The streams in a spool, oldest first, with their folders; and whatever else is there.

    Raises
    ------
    OSError
        The spool itself cannot be read.
    """
    streams: list[tuple[Path, StreamRecord]] = []
    strange: list[StrangeEntry] = []
    for path in sorted(root.iterdir()):
        if path.name.startswith(PROBE) or path.name == ARCHIVES:
            continue
        try:
            if path.is_symlink() or not path.is_dir():
                strange.append(StrangeEntry(path, "it is no folder of a stream", holds_frames=False))
                continue
            streams.append((path, load_record(path)))
        except (OSError, RecordError) as error:
            holds_frames = _holds_frames(path)
            # One that is just being made, or whose maker died before it held anything, has its lock only.
            if holds_frames or (path / RECORD).exists() or not (path / LOCK).exists():
                strange.append(StrangeEntry(path, str(error), holds_frames))
    streams.sort(key=lambda entry: (entry[1].created_unix_s, entry[0]))
    return streams, strange


def _holds_frames(path: Path) -> bool:
    try:
        return folder_bytes(path) > 0 or any(
            any(folder.glob(f"*{SUFFIX}")) for folder in ring_folders(path) if folder.is_dir()
        )
    except OSError:
        return True  # nobody can tell
