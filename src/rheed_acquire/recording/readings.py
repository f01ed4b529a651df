"""Readings of other instruments that a run has beside its frames, each channel's by itself.

They lie in the run's folder, in ``readings.jsonl``: a line of JSON for what one channel has had since the
line before it. When the run is closed they are written into its Zarr group too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.recording.layout import READINGS_FILE
from rheed_acquire.recording.run_path import RunPath
from rheed_acquire.system.durable_files import append_durably
from rheed_acquire.text.json_text import json_text

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ChannelReadings:
    """What one channel had in a run.

    Attributes
    ----------
    name, unit
        As the channel is called, and what its numbers are in; None for none.
    time_unix_ms
        (N,) float64, when each was read, in ms since 1970, UTC, by the clock that dates the frames; none
        before the one before it.
    value
        (N,) float64, all finite.
    """

    name: str
    unit: str | None
    time_unix_ms: NDArray[np.float64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.value)

    @property
    def label(self) -> str:
        """Its name with its unit, as a table's column is headed."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def at(self, times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """(M,), the latest reading at each of (M,) times; NaN before the first."""
        places = np.searchsorted(self.time_unix_ms, times_ms, side="right") - 1
        return np.where(places < 0, np.nan, self.value[places]) if len(self) else np.full(len(places), np.nan)


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """What a run has of a channel.

    Attributes
    ----------
    readings
        How many were taken.
    failed
        How often it could not be read.
    """

    name: str
    unit: str | None
    readings: int
    failed: int

    def as_json(self) -> dict[str, Any]:
        """Its fields as plain JSON values."""
        return {"name": self.name, "unit": self.unit, "readings": self.readings, "failed": self.failed}


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings of one channel, to be kept together."""

    name: str
    unit: str | None
    times_ms: Sequence[float]
    values: Sequence[float]


def append_readings(folder: Path, batches: Iterable[Batch]) -> None:
    """Add readings to a run's folder, all with one sync; from the return on they survive loss of power.

    Raises
    ------
    OSError
        The folder is not there, or its disk takes no more.
    """
    lines = [
        json_text(
            {
                "channel": batch.name,
                "unit": batch.unit,
                "time_unix_ms": [round(time_ms, 4) for time_ms in batch.times_ms],
                "value": list(batch.values),
            }
        ).encode()
        for batch in batches
    ]
    append_durably(folder / READINGS_FILE, b"\n".join(lines))


def read_readings(folder: RunPath) -> tuple[ChannelReadings, ...]:
    """Read what is in a run's folder, channels in the order in which they came.

    A line that holds no readings is passed over.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    found: dict[str, list[tuple[str | None, Any, Any]]] = {}
    try:
        lines = (folder / READINGS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    for line in lines:
        if (parsed := _parsed(line)) is not None:
            found.setdefault(parsed[0], []).append(parsed[1:])
    return tuple(_joined(name, parts) for name, parts in found.items())


def _parsed(line: bytes) -> tuple[str, str | None, NDArray[np.float64], NDArray[np.float64]] | None:
    try:
        fields = json.loads(line)
        name, unit = fields["channel"], fields["unit"]
        times, values = (np.asarray(fields[key], np.float64) for key in ("time_unix_ms", "value"))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None  # the half line of a crash
    known = isinstance(name, str) and bool(name) and isinstance(unit, str | None)
    fits = times.ndim == values.ndim == 1 and len(times) == len(values) > 0
    if not known or not fits or not (np.isfinite(times).all() and np.isfinite(values).all()):
        return None
    return name, unit, times, values


def _joined(name: str, parts: list[tuple[str | None, Any, Any]]) -> ChannelReadings:
    times, values = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    order = np.argsort(times, kind="stable")
    unit = next((part[0] for part in parts if part[0] is not None), None)
    return ChannelReadings(name, unit, times[order], values[order])


def thinned(
    readings: ChannelReadings, points: int
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Make at most so many points of a channel's readings: the time, lowest, mean and highest of each."""
    step = max(1, math.ceil(len(readings) / points))
    firsts = np.arange(0, len(readings), step)
    counts = np.diff(firsts, append=len(readings))
    times, values = readings.time_unix_ms[firsts], readings.value
    if not len(firsts):
        return [], [], [], []
    return (
        times.tolist(),
        np.minimum.reduceat(values, firsts).tolist(),
        (np.add.reduceat(values, firsts) / counts).tolist(),
        np.maximum.reduceat(values, firsts).tolist(),
    )
