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
    ``seconds`` since the first frame of the table. Frames that have not come yet are left out.

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
    with target.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        columns = [f"{region.name} {what}" for region in fitting for what in ("mean", "max")]
        table.writerow(["frame", "time_unix_ms", "time_utc", "seconds", *columns])
        for part in recording.slices(chosen.start, chosen.stop, chosen.step):
            numbers = part.first + part.step * np.arange(len(part.frames))
            times_ms = recording.time_unix_ms(int(numbers[0]), int(numbers[-1]) + 1)[:: part.step]
            points = measure(recording.levels(part.frames), times_ms, fitting)
            for place in np.flatnonzero(np.isfinite(times_ms)).tolist():
                time_ms = float(times_ms[place])
                first_ms = time_ms if first_ms is None else first_ms
                moment = _EPOCH + timedelta(milliseconds=time_ms)
                row = [int(numbers[place]), f"{time_ms:.4f}", moment.isoformat(timespec="microseconds")]
                row.append(f"{(time_ms - first_ms) / 1e3:.7f}")
                for mean, maximum in zip(points.mean[:, place], points.maximum[:, place], strict=True):
                    row += [f"{mean:.4f}", int(maximum)]
                table.writerow(row)
            on_frames(len(part.frames))
