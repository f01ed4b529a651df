"""``rheed-acquire spool``: what waits to be delivered, and where the rings lie."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rheed_acquire.commands.host import answered, load
from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.ring_files import SUFFIX, remove_files
from rheed_acquire.frames.rings_left import OrphanedRing, left_behind, orphaned_rings
from rheed_acquire.streaming.spool_entries import StrangeEntry, look_through
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_places import (
    default_spool_folder,
    folder_bytes,
    is_in_use,
    quarantined,
    ring_folders,
)
from rheed_acquire.streaming.stream_record import RecordError, StreamRecord, age_s
from rheed_acquire.streaming.waiting_archives import ArchiveLeft, archives_left
from rheed_acquire.system.terminal import write_json, write_line


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


CLEAR, DELETE = "--clear", "--delete-undelivered-frames"
IN_USE = "in use"
"""The state of a stream that a process is at work on."""


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` a list; or free the memory of rings that nobody needs."""
    usage = f"spool [{CLEAR} [{DELETE}]] [--json] [FLAGS]"
    description = (
        f"Show what waits to be delivered. {CLEAR} frees the memory of rings that hold nothing; with "
        f"{DELETE} also that of rings whose stream is gone from the spool, and the frames in them are lost."
    )
    if answered(arguments, usage, description, headings=("delivery",)):
        return 0
    asked = {flag for flag in (CLEAR, DELETE) if flag in arguments}
    if asked == {DELETE}:
        raise SettingsError(f"{DELETE}: goes with {CLEAR} (command line)")
    _, settings = load([argument for argument in arguments if argument not in asked])
    root = settings.run.spool_dir or default_spool_folder()
    if asked:
        for sentence in clear(root, delete_frames=DELETE in asked):
            write_line(sentence)
        return 0
    streams, strange = waiting_streams(root)
    archives = waiting_for_buckets(root)
    rings = orphaned_rings(root)
    if settings.run.json_report:
        left = [{"path": str(entry.path), "reason": entry.reason} for entry in strange]
        waiting = [asdict(stream) for stream in streams]
        orphans = [asdict(ring) for ring in rings]
        shown = {
            "spool": str(root),
            "streams": waiting,
            "archives": [asdict(archive) for archive in archives],
            "strange": left,
            "orphaned_rings": orphans,
        }
        write_json(shown, indent=2)
        return 0
    write_line(f"spool {root}: {len(streams) or 'no'} stream{'' if len(streams) == 1 else 's'}")
    for stream in streams:
        write_line("", f"{stream.name} ({stream.data_id})")
        write_line(f"  server     {stream.server}")
        write_line(f"  state      {stream.state}, {_duration(stream.age_s)} old")
        write_line(f"  waiting    {stream.chunks} chunks, {stream.bytes / 1e6:.1f} MB")
        if stream.quarantined:
            write_line(f"  damaged    {stream.quarantined} chunks, kept in {stream.quarantine}")
        if stream.ring is not None:
            write_line(
                f"  ring       {stream.ring_chunks} chunks not encoded yet, {stream.ring_bytes / 1e6:.1f} MB "
                f"in {stream.ring}"
            )
        if stream.last_error:
            write_line(f"  last error {stream.last_error}")
    for archive in archives:
        write_line("", f"archive for {archive.place}")
        write_line(f"  state      {IN_USE if archive.in_use else 'left behind'}")
        write_line(f"  waiting    {archive.chunks} chunks, {archive.bytes / 1e6:.1f} MB in {archive.folder}")
    for entry in strange:
        write_line("", f"{entry.path}", f"  left as it is: {entry.reason}")
    for ring in rings:
        write_line("", f"{ring.folder}", f"  ring       {_of_orphan(ring)}")
    if rings or any(stream.ring is not None and stream.state != IN_USE for stream in streams):
        write_line("", f"rheed-acquire spool {CLEAR} frees the memory of rings that hold nothing")
    if any(stream.state != IN_USE for stream in streams) or not all(archive.in_use for archive in archives):
        write_line("", "rheed-acquire recover delivers what no process is at work on")
    return 0


def clear(root: Path, *, delete_frames: bool) -> list[str]:
    """Free the memory of rings, and say in a sentence each what became of them.

    Parameters
    ----------
    delete_frames
        Whether those go too that hold frames or whose spool is away; never those of a stream in the spool.

    Raises
    ------
    SettingsError
        The spool cannot be read.
    """
    said = []
    for path, record in read_spool(root)[0]:
        try:
            before = _bytes_of(_ring_files(path))
            if not before:
                continue
            folder = StreamFolder.take(path)
        except (OSError, RecordError) as error:
            said.append(f"left as it is: {path}: {error}")
            continue
        if folder is None:  # a process is at work on it
            continue
        folder.ring.free()
        folder.close(delete=False)
        kept = _bytes_of(_ring_files(path))
        freed = before - kept
        if freed:
            said.append(f"freed {freed / 1e6:.1f} MB of the ring of {record.name} ({record.data_id})")
        if kept:
            said.append(
                f"kept {kept / 1e6:.1f} MB of the ring of {record.name}: frames that recover delivers"
            )
    for ring in orphaned_rings(root):
        if delete_frames or not (ring.holds_frames or ring.spool_is_away):
            remove_files(ring.folder)
            said.append(f"deleted {ring.folder}: {_of_orphan(ring)}")
        else:
            said.append(f"kept {ring.folder}: {_of_orphan(ring)}; {CLEAR} {DELETE} deletes it")
    return said or ["no ring holds memory that is not needed"]


def _ring_files(path: Path) -> list[Path]:
    files: list[Path] = []
    for folder in ring_folders(path):
        with suppress(FileNotFoundError):  # its run has just deleted it
            files += folder.glob(f"*{SUFFIX}")
    return files


def _bytes_of(files: list[Path]) -> int:
    total = 0
    for file in files:
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def _of_orphan(ring: OrphanedRing) -> str:
    what = "with frames that nobody has delivered" if ring.holds_frames else "that holds nothing"
    gone = f"the spool {ring.spooled.parent}" if ring.spool_is_away else str(ring.spooled)
    return f"{ring.nbytes / 1e6:.1f} MB {what}, and {gone} is not there any more"


def waiting_streams(root: Path) -> tuple[list[WaitingStream], list[StrangeEntry]]:
    """Look at every stream in a spool, in use or not, oldest first; and at what is no stream.

    Raises
    ------
    SettingsError
        The spool cannot be read.
    """
    streams, strange = read_spool(root)
    found = []
    for path, record in streams:
        try:
            found.append(_look_at(path, record))
        except OSError as error:
            strange.append(StrangeEntry(path, f"it cannot be read: {error.strerror}", holds_frames=True))
    return found, strange


def waiting_for_buckets(root: Path) -> list[ArchiveLeft]:
    """Look at the archives that wait in a spool for their buckets; raises as `read_spool`."""
    try:
        return archives_left(root)
    except OSError as error:
        raise SettingsError(f"the spool {root} cannot be read: {error.strerror}") from None


def read_spool(root: Path) -> tuple[list[tuple[Path, StreamRecord]], list[StrangeEntry]]:
    """`look_through` a spool; in one that is not there yet is nothing.

    Raises
    ------
    SettingsError
        It cannot be read.
    """
    try:
        return look_through(root)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise SettingsError(f"the spool {root} cannot be read: {error.strerror}") from None


def _look_at(path: Path, record: StreamRecord) -> WaitingStream:
    state = "left behind"
    if record.refused:
        state = f"refused by the server ({record.refused})"
    if is_in_use(path):
        state = IN_USE
    rings = _ring_files(path)
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
        ring_bytes=_bytes_of(rings),
        last_error=record.last_error,
    )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
