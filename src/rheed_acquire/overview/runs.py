"""What the overview lists: streams that are open, and runs of the past."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.growth_notes import GROWTH, read_growth_note
from rheed_acquire.recording.layout import STREAMED_BY
from rheed_acquire.recording.received_chunks import count_missing
from rheed_acquire.recording.run_files import read_attributes, read_stream
from rheed_acquire.recording.run_path import folders_below
from rheed_acquire.run_report.facts import UNKNOWN, duration, growth_text, moment

if TYPE_CHECKING:
    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.server.audit import Audit
    from rheed_acquire.server.streams import OpenStream, Streams

_READ_AT_ONCE = 8
_LEAST_BEGINNING = 4
_GROWTH_FOR_S = 60.0
"""Stations tell of it every ten seconds, with a chunk."""
_SILENT_S = 60.0
"""Streams are heard of with each chunk, and this is noted within half a minute."""
_NAME = re.compile(r"^\d{4}(-\d\d){2}-\d{6}-|-[0-9a-f]{8}$")
"""What stands in a folder's name before and behind that of its run."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A stream that is open, as it is shown.

    Attributes
    ----------
    growth
        Regions' names and growth rates, of those that its station has told of just now.
    """

    folder: str
    name: str
    sample: str
    key: str
    frames: int
    rate: str
    missing: int
    growth: tuple[tuple[str, str], ...]
    heard: str
    is_silent: bool


@dataclass(frozen=True, slots=True)
class PastRun:
    """A line of the list of runs; what is not known is empty."""

    folder: str
    name: str
    sample: str
    key: str
    ended: str
    lasted: str
    frames: str
    missing: int
    words: str
    beginnings: tuple[str, ...]
    """What a word that is searched for may begin: dates, the data_id."""


def open_runs(place: RunPath, streams: Streams[Any]) -> list[OpenRun]:
    """Every stream that is open, by the names of the runs.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    with ThreadPoolExecutor(_READ_AT_ONCE, "overview") as pool:
        shown = pool.map(lambda one: _open_run(place, one), streams.open_streams())
        return sorted((one for one in shown if one is not None), key=lambda one: one.folder)


def _open_run(place: RunPath, stream: OpenStream) -> OpenRun | None:
    folder = place / stream.folder
    try:
        known: Mapping[str, Any] | None = read_attributes(folder)
    except RheedAcquireError:  # no frame has come
        known = read_stream(folder)
    if known is None:
        return None
    silent_s = (datetime.now(UTC) - stream.heard_utc).total_seconds()
    return OpenRun(
        folder=stream.folder,
        name=str(known.get("name")),
        sample=_sample(known.get("physical_sample")),
        key=str(known.get(STREAMED_BY) or ""),
        frames=int(known.get("frames_received") or 0),
        rate=f"{float(known.get('fps') or 0):.6g}",
        missing=count_missing(known),
        growth=_growth(known.get(GROWTH)),
        heard=f"{duration(max(0.0, silent_s) // 1)} ago",
        is_silent=silent_s > _SILENT_S,
    )


def _growth(note: object) -> tuple[tuple[str, str], ...]:
    """Growth rates by regions; none where nothing grows, or what is known of it is of some time ago."""
    known = read_growth_note(note)
    if known is None:
        return ()
    at_unix_ms, regions = known
    if abs(time.time() - at_unix_ms / 1000) > _GROWTH_FOR_S:
        return ()
    return tuple((one.region, growth_text(one)) for one in regions)


def past_runs(place: RunPath, audit: Audit, streams: Streams[Any]) -> list[PastRun]:
    """Every run that is not open, the newest first.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    lines = {str(line["folder"]): line for line in audit.lines()}
    being_streamed = {one.folder for one in streams.open_streams()}
    folders = {name for name in folders_below(place) if not name.startswith(".")}
    # Names begin with date and time. A run that was deleted is in the audit, and no longer here.
    return [_past_run(name, lines.get(name)) for name in sorted(folders - being_streamed, reverse=True)]


def _past_run(folder: str, line: Mapping[str, Any] | None) -> PastRun:
    if line is None:  # not streamed through a server that writes lines
        return PastRun(
            folder=folder, name=folder, sample="", key="", ended="", lasted="", frames="", missing=0,
            words=_NAME.sub("", folder).casefold(), beginnings=(folder.casefold(),),
        )  # fmt: skip
    frames, fps = int(line.get("frames") or 0), float(line.get("fps") or 0)
    name, sample, key = str(line.get("name")), str(line.get("sample") or ""), str(line.get(STREAMED_BY) or "")
    ended = moment(line.get("ended_utc"))
    return PastRun(
        folder=folder,
        name=name,
        sample=sample,
        key=key,
        ended="" if ended == UNKNOWN else ended.removesuffix(" UTC"),
        lasted=duration(frames / fps) if fps else "",
        frames=str(frames),
        missing=int(line.get("chunks_missing") or 0),
        words=" ".join((name, sample, key, *map(str, line.get("tags") or ()))).casefold(),
        beginnings=(folder.casefold(), ended, str(line["data_id"])),
    )


def found(runs: Iterable[PastRun], searched: str) -> list[PastRun]:
    """Those that have every word that was searched for.

    A part of the name, the sample, a tag or the key; or at least four characters that a date or the data_id
    begins with: the "7" of "wafer 7" means neither.
    """
    words = searched.casefold().split()
    return [run for run in runs if all(_has(run, word) for word in words)]


def _has(run: PastRun, word: str) -> bool:
    return word in run.words or (
        len(word) >= _LEAST_BEGINNING and any(one.startswith(word) for one in run.beginnings)
    )


def _sample(link: Any) -> str:
    return str(link.get("name")) if isinstance(link, dict) else str(link or "")
