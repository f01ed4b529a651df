"""The regions' intensities in every frame of a recording, as a table that any program reads."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.errors import SettingsError
from rheed_acquire.regions.regions import Region, fit_regions
from rheed_acquire.regions.traces import measure

if TYPE_CHECKING:
    from rheed_acquire.recording.reading import RecordedRun

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_traces(
    recording: RecordedRun,
    target: Path,
    chosen: range,
    regions: Sequence[Region],
    on_frames: Callable[[int], None],
) -> None:
    """Write a line for each frame: its number, its capture, mean and maximum of each region.

    ``frame`` counts from 0; ``time_unix_ms`` is in ms since 1970 in UTC, ``time_utc`` the same as a date,
    ``seconds`` since the first frame of the table. Of a run with readings of other instruments, a column for
    each has the latest at the frame's capture. Of a run that was marked, ``mark`` has what was marked
    between a frame and the next. Frames that have not come yet are left out.

    Raises
    ------
    SettingsError
        No region lies within the frames.
    """
    fitting, _ = fit_regions(regions, recording.width or 0, recording.height or 0)
    if not fitting:
        raise SettingsError(
            f"--export {target}: {recording.folder} has no region of interest: rheed-acquire report RUN "
            "--region NAME=WxH+X+Y gives it one"
        )
    first_ms: float | None = None
    channels = recording.readings()
    marked = _marked(recording, chosen)
    with target.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        columns = [f"{region.name} {what}" for region in fitting for what in ("mean", "max")]
        read = [channel.label for channel in channels]
        marks = ["mark"] if recording.marks() else []
        table.writerow(["frame", "time_unix_ms", "time_utc", "seconds", *columns, *read, *marks])
        for part in recording.slices(chosen.start, chosen.stop, chosen.step):
            numbers = part.first + part.step * np.arange(len(part.frames))
            times_ms = recording.time_unix_ms(int(numbers[0]), int(numbers[-1]) + 1)[:: part.step]
            readings = [channel.at(times_ms) for channel in channels]
            points = measure(recording.levels(part.frames), times_ms, fitting)
            for place in np.flatnonzero(np.isfinite(times_ms)).tolist():
                time_ms = float(times_ms[place])
                first_ms = time_ms if first_ms is None else first_ms
                moment = _EPOCH + timedelta(milliseconds=time_ms)
                row = [int(numbers[place]), f"{time_ms:.4f}", moment.isoformat(timespec="microseconds")]
                row.append(f"{(time_ms - first_ms) / 1e3:.7f}")
                for mean, maximum in zip(points.mean[:, place], points.maximum[:, place], strict=True):
                    row += [f"{mean:.4f}", int(maximum)]
                row += ["" if np.isnan(values[place]) else repr(float(values[place])) for values in readings]
                if marks:
                    row.append("; ".join(marked.get(int(numbers[place]), ())))
                table.writerow(row)
            on_frames(len(part.frames))


def _marked(recording: RecordedRun, chosen: range) -> dict[int, list[str]]:
    """What was marked at each of the chosen frames: from its capture on until that of the next one.

    A mark from before the run's first frame is with that, unless the table begins later.
    """
    marks = recording.marks()
    if not marks:
        return {}
    numbers = np.arange(chosen.start, chosen.stop, chosen.step)
    times_ms = recording.time_unix_ms(chosen.start, chosen.stop)[:: chosen.step]
    there = np.isfinite(times_ms)
    numbers, times_ms = numbers[there], times_ms[there]
    if not len(numbers):
        return {}
    after = recording.time_unix_ms(int(numbers[-1]) + 1, int(numbers[-1]) + 1 + chosen.step)[-1:]
    end_ms = after[0] if len(after) and np.isfinite(after[0]) else np.inf
    found: dict[int, list[str]] = {}
    for mark in marks:
        place = int(np.searchsorted(times_ms, mark.time_unix_ms, side="right")) - 1
        if place < 0 and chosen.start == 0:
            place = 0
        if place >= 0 and mark.time_unix_ms < end_ms:
            found.setdefault(int(numbers[place]), []).append(str(mark))
    return found
