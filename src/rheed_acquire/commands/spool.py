"""``rheed-acquire spool``: what waits to be delivered, and where the rings lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rheed_acquire.commands.host import answered, load
from rheed_acquire.errors import SettingsError
from rheed_acquire.ring_files import SUFFIX, left_behind
from rheed_acquire.streaming.spool import default_spool_folder
from rheed_acquire.streaming.stream_folder import (
    StreamRecord,
    age_s,
    folder_bytes,
    is_in_use,
    quarantined,
    read_record,
    ring_folders,
)


@dataclass(frozen=True, slots=True)
class WaitingStream:
    """A stream in the spool, as the table shows it."""

    data_id: str
    name: str
    server: str
    state: str
    chunks: int
    bytes: int
    quarantined: int
    quarantine: str | None
    age_s: float
    ring: str | None
    ring_chunks: int
    ring_bytes: int
    last_error: str | None


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` a list."""
    if answered(arguments, "spool [--json] [FLAGS]", "Show what waits to be delivered."):
        return 0
    _, settings = load(arguments)
    root = settings.run.spool_dir or default_spool_folder()
    streams = waiting_streams(root)
    if settings.run.json_report:
        print(json.dumps({"spool": str(root), "streams": [asdict(stream) for stream in streams]}, indent=2))
        return 0
    print(f"spool {root}: {len(streams) or 'no'} stream{'' if len(streams) == 1 else 's'}")
    for stream in streams:
        print(f"\n{stream.name} ({stream.data_id})")
        print(f"  server     {stream.server}")
        print(f"  state      {stream.state}, {_duration(stream.age_s)} old")
        print(f"  waiting    {stream.chunks} chunks, {stream.bytes / 1e6:.1f} MB")
        if stream.quarantined:
            print(f"  damaged    {stream.quarantined} chunks, kept in {stream.quarantine}")
        if stream.ring is not None:
            print(
                f"  ring       {stream.ring_chunks} chunks not encoded yet, {stream.ring_bytes / 1e6:.1f} MB "
                f"in {stream.ring}"
            )
        if stream.last_error:
            print(f"  last error {stream.last_error}")
    if any(stream.state != "in use" for stream in streams):
        print("\nrheed-acquire recover delivers what no process is at work on")
    return 0


def waiting_streams(root: Path) -> list[WaitingStream]:
    """Look at every stream in a spool, in use or not, oldest first.

    Raises
    ------
    SettingsError
        The spool cannot be read.
    """
    if not root.exists():
        return []
    try:
        paths = [path for path in root.iterdir() if path.is_dir()]
    except OSError as error:
        raise SettingsError(f"the spool {root} cannot be read: {error.strerror}") from None
    found = [(path, record) for path in paths if (record := read_record(path) or _unknown(path)) is not None]
    return [_look_at(path, record) for path, record in sorted(found, key=lambda pair: pair[1].created_unix_s)]


def _unknown(path: Path) -> StreamRecord | None:
    """Stand in for a record that cannot be read, where shards wait beside it; else there is no stream."""
    if not folder_bytes(path):
        return None
    return StreamRecord(
        data_id=path.name,
        server="unknown",
        name="a stream whose stream.json is damaged",
        fps=0.0,
        rotations_per_min=0.0,
        chunk_size=0,
        created_unix_s=path.stat().st_mtime,
    )


def _look_at(path: Path, record: StreamRecord) -> WaitingStream:
    state = "left behind"
    if record.refused:
        state = f"refused by the server ({record.refused})"
    if is_in_use(path):
        state = "in use"
    rings = [file for folder in ring_folders(path) for file in folder.glob(f"*{SUFFIX}")]
    spooled = {sidecar.stem for sidecar in (path / "shards").glob("*.json")}
    only_in_ring = [
        buffer
        for folder in ring_folders(path)
        for _, buffer in left_behind(folder)
        if buffer.chunk_index >= 0 and buffer.committed and str(buffer.chunk_index) not in spooled
    ]
    damaged = quarantined(path)
    return WaitingStream(
        data_id=record.data_id,
        name=record.name,
        server=record.server,
        state=state,
        chunks=len(spooled),
        bytes=folder_bytes(path),
        quarantined=damaged,
        quarantine=str(path / "quarantine") if damaged else None,
        age_s=round(age_s(record), 1),
        ring=str(rings[0].parent) if rings else None,
        ring_chunks=len(only_in_ring),
        ring_bytes=sum(file.stat().st_size for file in rings),
        last_error=record.last_error,
    )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
