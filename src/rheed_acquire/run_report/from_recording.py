"""A run's report, made again from its recording.

What the recording cannot tell (settings, camera, delivery, versions) is taken from the ``report.json`` that
the run has left, where there is one; else it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.recording.reading import RecordedChunks, RecordedRun
from rheed_acquire.recording.run_files import read_stream
from rheed_acquire.regions.regions import Region, fit_regions
from rheed_acquire.regions.traces import RegionTraces
from rheed_acquire.run_report.channels import channel_records
from rheed_acquire.run_report.record import (
    LossRecord,
    MarkRecord,
    RateRecord,
    RegionRecord,
    RunRecord,
    ThumbnailRecord,
)
from rheed_acquire.run_report.regions import records_of_traces
from rheed_acquire.run_report.thinning import THUMBNAIL_EVERY_MS, THUMBNAILS, RateSeries
from rheed_acquire.run_report.thumbnails import Thumbnail, shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray


def record_of(
    recording: RecordedRun,
    before: RunRecord | None,
    regions: Sequence[Region] | None,
    *,
    pictures: bool = True,
    on_frames: Callable[[int], None] = lambda frames: None,  # noqa: ARG005
) -> tuple[RunRecord, list[Thumbnail], list[str]]:
    """Count a run again.

    Parameters
    ----------
    before
        What the run itself has left.
    regions
        Whose traces shall be in the report; None for those that it had.
    pictures
        Whether thumbnails are wanted.
    on_frames
        Called with how many more frames the regions were followed in.

    Returns
    -------
    record
        As data.
    thumbnails
        The pictures for the page.
    notes
        What the user should know of the regions.

    Raises
    ------
    RheedAcquireError
        The recording cannot be read.
    """
    stamps = recording.time_unix_ms()
    there = np.flatnonzero(np.isfinite(stamps))
    chunks = recording.chunks()
    wanted = regions if regions is not None else regions_before(before)
    records, notes = _followed(recording, stamps, wanted, on_frames)
    thumbnails = _thumbnails(recording, stamps, there) if pictures else []
    known = {} if before is None else dict(before)
    attributes = recording.attributes
    known |= {
        "written_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": str(attributes.get("name") or recording.folder.name),
        "data_id": str(attributes.get("data_id") or ""),
        "started_utc": (before and before.started_utc) or attributes.get("created_utc"),
        "fps": recording.fps,
        "stream": read_stream(recording.folder),
        "frames": len(there),
        "height": recording.height,
        "width": recording.width,
        "first_utc_ms": float(stamps[there[0]]) if len(there) else None,
        "last_utc_ms": float(stamps[there[-1]]) if len(there) else None,
        "marks": [MarkRecord(**mark.as_json()) for mark in recording.marks()],
        "channels": channel_records(recording.readings()),
        "regions": records,
        "thumbnails": [thumbnail.record for thumbnail in thumbnails],
    }
    if before is None or before.run is None:
        # The run measured with its camera's clock and counted with its ids; the recording has neither.
        known |= {"rate": _rate(chunks), "losses": _missing_chunks(chunks), "losses_left_out": 0}
        known["made_from"] = "recording"
    return RunRecord(**known), thumbnails, notes


def regions_before(before: RunRecord | None) -> list[Region]:
    """The regions that a run had when its report was written."""
    return [
        Region(name=one.name, x=one.x, y=one.y, width=one.width, height=one.height, color=one.color)
        for one in (before.regions if before is not None else [])
    ]


def _followed(
    recording: RecordedRun,
    stamps: NDArray[np.float64],
    wanted: Sequence[Region],
    on_frames: Callable[[int], None],
) -> tuple[list[RegionRecord], list[str]]:
    if not wanted or recording.width is None or recording.height is None:
        return [], []
    fitting, notes = fit_regions(wanted, recording.width, recording.height)
    traces = RegionTraces()
    traces.follow(fitting)
    for part in recording.slices() if fitting else ():
        utc_ms = stamps[part.first : part.first + len(part.frames)]
        arrived = np.isfinite(utc_ms)  # the holes of a stream that is still open are no frames
        levels = recording.levels(part.frames if arrived.all() else part.frames[arrived])
        traces.add(levels, utc_ms[arrived])
        on_frames(len(part.frames))
    return records_of_traces(traces, 2**recording.bit_depth - 1), list(notes)


def _thumbnails(
    recording: RecordedRun, stamps: NDArray[np.float64], there: NDArray[np.intp]
) -> list[Thumbnail]:
    if not len(there):
        return []
    span_ms = float(stamps[there[-1]] - stamps[there[0]])
    count = min(THUMBNAILS, len(there), 1 + int(max(span_ms, 0.0) / THUMBNAIL_EVERY_MS))
    numbers = np.unique(there[np.linspace(0, len(there) - 1, count).astype(int)])
    return [
        Thumbnail(
            ThumbnailRecord(frame=number, utc_ms=float(stamps[number])),
            shrunk(recording.gray(recording.read(number, number + 1))[0]),
        )
        for number in numbers.tolist()
    ]


def _rate(chunks: RecordedChunks) -> RateRecord:
    """Frames per second from the start of a chunk to that of the next, where the next one is there."""
    series = RateSeries()
    lasted_ms = np.diff(chunks.start_unix_ms)
    follows = np.diff(chunks.index) == 1
    for number in np.flatnonzero(follows & (lasted_ms > 0)).tolist():
        start_ms, frames = float(chunks.start_unix_ms[number]), int(chunks.frames[number])
        series.add(start_ms, frames, float(lasted_ms[number]) / 1e3)
    return series.record()


def _missing_chunks(chunks: RecordedChunks) -> list[LossRecord]:
    missing = np.diff(chunks.index, prepend=-1) - 1
    return [
        LossRecord(utc_ms=float(chunks.start_unix_ms[place]), kind="chunk", missing=int(missing[place]))
        for place in np.flatnonzero(missing > 0).tolist()
    ]
