"""Runs that are so old that nobody wants to keep them: found, and deleted for good.

Several may do so at once, and any of them may die at any instant: what says that a run is one goes last, in a
bucket, and first, by a new name, in a folder, so that the next one finds what is left.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rheed_acquire.recording.bucket_path import BucketPath
from rheed_acquire.recording.layout import GROUP, STREAM_FILE
from rheed_acquire.recording.run_path import RunPath
from rheed_acquire.system.durable_files import remove_tree, replace

PRUNED = ".pruned-"
"""How the names of folders begin that are being deleted."""


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that ended before the time asked for.

    Attributes
    ----------
    bytes
        Of all its files or objects.
    """

    path: RunPath
    data_id: str
    name: str
    ended_utc: datetime
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptRun:
    """Something that is not deleted although it is not known to be younger, and why."""

    path: RunPath
    reason: str


def runs_ended_before(place: RunPath, moment: datetime) -> Iterator[OldRun | KeptRun]:
    """Go through the runs below a place that ended before a moment; and what may be one and is kept.

    Parameters
    ----------
    moment
        With a time zone.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    try:
        folders: list[RunPath] = sorted(place.iterdir(), key=str)
    except FileNotFoundError:
        return
    for folder in folders:
        if isinstance(folder, Path) and folder.is_symlink():
            continue
        if folder.name.startswith("."):
            if folder.name.startswith(PRUNED) and isinstance(folder, Path):
                yield OldRun(folder, "", "left of a run", moment, _bytes_below(folder))
            continue
        try:
            data = (folder / STREAM_FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield KeptRun(folder, f"it cannot be read: {error.strerror}")
            continue
        found = _look_at(folder, data, moment)
        if found is not None:
            yield found


def _look_at(folder: RunPath, data: bytes, moment: datetime) -> OldRun | KeptRun | None:
    try:
        record: dict[str, Any] = json.loads(data)
        if record["state"] != "closed":
            return KeptRun(folder, f"it is {record['state']}")
        ended = datetime.fromisoformat(record["ended_utc"])
        if ended >= moment:
            return None
        return OldRun(folder, str(record["data_id"]), str(record["name"]), ended, _bytes_below(folder))
    except (ValueError, TypeError, KeyError):
        return KeptRun(folder, f"its {STREAM_FILE} does not say when it ended")


def delete_run(run: OldRun) -> None:
    """Delete it; what another process deletes of it meanwhile is deleted.

    Raises
    ------
    OSError
        Something of it cannot be deleted: it is found again.
    """
    if isinstance(run.path, BucketPath):
        _delete_in_bucket(run.path)
        return
    folder = run.path
    if not folder.name.startswith(PRUNED):
        aside = folder.with_name(f"{PRUNED}{folder.name}")
        try:
            replace(folder, aside)  # at once for every reader
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return  # another process is at it, with a run of the same name: the next one sees
        folder = aside
    shutil.rmtree(folder, ignore_errors=True)  # past what another process deletes at the same time
    if os.path.lexists(folder):
        remove_tree(folder)


def _delete_in_bucket(folder: BucketPath) -> None:
    """Its group at first, so that nobody takes what is left for a damaged run; its record at last."""
    (folder / GROUP / "zarr.json").unlink()
    record = folder / STREAM_FILE
    for path, _, _ in list(folder.below()):
        if path != record:
            path.unlink()
    record.unlink()


def _bytes_below(folder: RunPath) -> int:
    if isinstance(folder, BucketPath):
        return folder.bytes_below()
    total = 0
    for above, _, files in os.walk(folder):  # which goes on where something has just been deleted
        for name in files:
            with suppress(OSError):
                total += Path(above, name).lstat().st_size
    return total
