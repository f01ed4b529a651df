"""``rheed-acquire serve prune``: delete runs that are older than a site wants to keep them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rheed_acquire.commands.parser import Parser
from rheed_acquire.commands.serve_place import add_place, place_of
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.pruning import KeptRun, OldRun, delete_run, runs_ended_before
from rheed_acquire.system.terminal import write_json, write_line, write_note

DONE, LEFT = 0, 1
_AGE = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def main(arguments: Sequence[str]) -> int:
    """Say which runs are old, and with ``--delete`` delete them."""
    parser = Parser(
        prog="rheed-acquire serve prune",
        description="Say which runs ended longer ago than --older-than, and with --delete delete them, with "
        "everything beside their frames. A run that is open, or of which that cannot be told, is kept.",
        allow_abbrev=False,
    )
    add_place(parser)
    parser.add_argument(
        "--older-than",
        type=_age,
        required=True,
        metavar="AGE",
        help="how long ago a run has ended, such as 90d; h, d or w for hours, days or weeks",
    )
    parser.add_argument("--delete", action="store_true", help="delete them; nothing is deleted without")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    given = parser.parse_args(arguments)
    place = place_of(given)
    old: list[OldRun] = []
    kept: list[KeptRun] = []
    code = DONE
    try:
        for run in runs_ended_before(place, _before(given.older_than)):
            if isinstance(run, KeptRun):
                kept.append(run)
                continue
            if given.delete:
                try:
                    delete_run(run)
                except OSError as error:
                    kept.append(KeptRun(run.path, f"it cannot be deleted: {error.strerror}"))
                    code = LEFT
                    continue
            old.append(run)
            if not given.json:
                what = f"{run.bytes / 1e6:.1f} MB, ended {run.ended_utc:%Y-%m-%d}, {run.name}"
                write_line(f"{'deleted' if given.delete else 'would delete'}: {run.path} ({what})")
    except OSError as error:
        raise RheedAcquireError(f"the runs in {place} cannot be listed: {error.strerror}") from None
    size = sum(run.bytes for run in old)
    if given.json:
        _print_json(old, kept, size, is_deleted=given.delete)
    else:
        for one in kept:
            write_note(f"kept: {one.path}: {one.reason}")
        verb = "deleted" if given.delete else "would be deleted: --delete does it"
        write_line(f"{len(old)} runs, {size / 1e9:.3f} GB, {verb}")
    return code


def _print_json(old: list[OldRun], kept: list[KeptRun], size: int, *, is_deleted: bool) -> None:
    runs = [
        {
            "path": str(run.path),
            "data_id": run.data_id,
            "name": run.name,
            "ended_utc": run.ended_utc.isoformat(timespec="milliseconds"),
            "bytes": run.bytes,
        }
        for run in old
    ]
    left = [{"path": str(one.path), "reason": one.reason} for one in kept]
    write_json({"deleted": is_deleted, "runs": runs, "bytes": size, "kept": left}, indent=2)


def _before(age: timedelta) -> datetime:
    try:
        return datetime.now(UTC) - age
    except OverflowError:  # before the year 1, when no run has ended
        return datetime.min.replace(tzinfo=UTC)


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age such as 90d, 36h or 12w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
