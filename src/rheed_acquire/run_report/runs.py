"""The runs below a directory: which there are, and which one is meant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.bucket_path import is_bucket_url
from rheed_acquire.recording.layout import GROUP, STREAM_FILE
from rheed_acquire.recording.run_files import has_recording, read_attributes, read_stream
from rheed_acquire.recording.run_path import RunPath, run_path
from rheed_acquire.run_report.facts import verdict
from rheed_acquire.run_report.record import REPORT_JSON, read_record


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of the list of runs; what is not known is None.

    Attributes
    ----------
    captured_utc
        When the first frame was captured: of a recording that was replayed with its times, earlier than the
        run.
    """

    folder: str
    name: str
    data_id: str
    begun_utc: str | None
    captured_utc: str | None
    frames: int | None
    fps: float | None
    state: str
    exit_code: int | None
    problems: tuple[str, ...] = ()


def list_runs(directory: RunPath) -> list[RunSummary]:
    """Look at every run below a directory, by their capture; none where the directory is not there.

    Raises
    ------
    SettingsError
        The directory cannot be listed.
    """
    runs = [summary(folder) for folder in _run_folders(directory)]
    return sorted(runs, key=lambda run: (run.captured_utc or run.begun_utc or "", run.folder))


def find_run(wanted: str, directory: RunPath) -> RunPath:
    """Find the folder of a run.

    Parameters
    ----------
    wanted
        The folder itself, on a disk or in a bucket, or its ``frames.zarr``, or a file in it; a data_id; or a
        part of the name of a folder or stream, in any case, that fits one run only.
    directory
        Where runs are.

    Raises
    ------
    SettingsError
        None fits, or several do.
    """
    try:
        folder = _run_at(wanted, directory)
    except OSError as error:
        raise SettingsError(f"{wanted!r} cannot be looked for: {error.strerror}") from None
    if folder is not None:
        return folder
    folders = _run_folders(directory)
    runs = [(folder, summary(folder)) for folder in folders]
    exact = [folder for folder, run in runs if wanted in (run.data_id, run.name)]
    part = wanted.casefold()
    near = [
        folder
        for folder, run in runs
        if part in folder.name.casefold() or part in run.name.casefold() or part in run.data_id.casefold()
    ]
    found = exact if len(exact) == 1 else near
    if wanted and len(found) == 1:
        return found[0]
    if wanted and found:
        shown = ", ".join(sorted(folder.name for folder in found)[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise SettingsError(
            f"{wanted!r} fits {len(found)} runs in {directory}: {shown}{more}; give more of it"
        )
    raise SettingsError(
        f"there is no run {wanted!r}, neither as a folder nor in {directory} "
        "(rheed-acquire show lists them; --output names another directory)"
    )


def _run_at(wanted: str, directory: RunPath) -> RunPath | None:
    """The run that is meant where it is named by its path."""
    if not wanted:
        return None
    path = run_path(wanted)
    if _is_run(path):
        return path
    if _is_run(path.parent) and path.exists():
        return path.parent
    return None if is_bucket_url(wanted) or not _is_run(directory / wanted) else directory / wanted


def summary(folder: RunPath) -> RunSummary:
    """Sum up a run from the small files in its folder; what is damaged counts as not known."""
    stream = read_stream(folder) or {}
    try:
        record = read_record(folder)
    except RheedAcquireError:
        record = None
    attributes: dict[str, Any] = {}
    with contextlib.suppress(RheedAcquireError):
        if has_recording(folder):
            attributes = read_attributes(folder)
    figures = None if record is None else record.figures
    frames = attributes.get("frames_received")
    if figures is not None and frames is None:
        frames = figures.frames_pushed
    if figures is not None and record is not None:
        state = verdict(record).word
    else:
        state = str(stream.get("state") or ("not ended" if record is not None else "unknown"))
    return RunSummary(
        folder=str(folder),
        name=str(stream.get("name") or attributes.get("name") or (record.name if record else folder.name)),
        data_id=str(stream.get("data_id") or attributes.get("data_id") or (record.data_id if record else "")),
        begun_utc=(record.started_utc if record else None) or stream.get("created_utc"),
        captured_utc=None if record is None else _utc(record.first_utc_ms),
        frames=frames if isinstance(frames, int) else None,
        fps=_number(attributes.get("fps")) or (record.fps if record else None),
        state=state,
        exit_code=None if figures is None else figures.exit_code,
        problems=() if figures is None else tuple(map(str, figures.problems)),
    )


def _utc(unix_ms: float | None) -> str | None:
    if unix_ms is None:
        return None
    return datetime.fromtimestamp(unix_ms / 1e3, UTC).isoformat(timespec="milliseconds")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _run_folders(directory: RunPath) -> Sequence[RunPath]:
    try:
        found: Iterator[RunPath] = directory.iterdir()
        return [folder for folder in sorted(found, key=str) if _is_run(folder)]
    except FileNotFoundError:  # nothing has been recorded yet
        return []
    except OSError as error:
        raise SettingsError(
            f"the runs in {directory} cannot be listed: {error.strerror} (--output names another directory)"
        ) from None


def _is_run(folder: RunPath) -> bool:
    if folder.name.startswith("."):  # the server's own
        return False
    return any((folder / name).exists() for name in (GROUP, STREAM_FILE, REPORT_JSON))
