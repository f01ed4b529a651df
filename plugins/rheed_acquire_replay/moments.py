"""Points in time as files write them: dates, units, times of unknown origin."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DATE = re.compile(
    r"\s*(\d{4})[-:/.](\d{1,2})[-:/.](\d{1,2})[T\s]+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?\s*(Z|[-+]\d{2}:?\d{2})?\s*"
)
_SINCE = re.compile(r"\s*(\S+)\s+since\s+(.*?)\s*(UTC|GMT)?\s*", re.IGNORECASE)
_ONLY_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_UNITS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "usec": 1e-6,
    "microsecond": 1e-6,
    "microseconds": 1e-6,
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "nanoseconds": 1e-9,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}
EARLIEST_S, LATEST_S = 315_532_800, 4_102_444_800
"""1980 and 2100, in seconds since 1970: between them a number of seconds is taken for a date."""


def seconds_in(unit: str) -> float | None:
    """How many seconds a unit is, also one of `counted_from`; None for one that is not known."""
    since = _SINCE.fullmatch(unit)
    return _UNITS.get((unit if since is None else since[1]).strip().lower())


def counted_from(unit: str) -> int | None:
    """From when a unit counts, in nanoseconds since 1970: ``seconds since 1992-10-8 15:15:42.5 -6:00``.

    So netCDF and xarray spell it, in UTC where no zone is named (https://cfconventions.org, "Time
    Coordinate"). None where it does not say.
    """
    since = _SINCE.fullmatch(unit)
    if since is None:
        return None
    date = f"{since[2]} 00:00:00" if _ONLY_DATE.fullmatch(since[2]) else since[2]
    known = naive_moment_ns(f"{date}Z")
    return naive_moment_ns(date) if known is None else known


def naive_moment_ns(text: str) -> int | None:
    """Read a date and time, in nanoseconds since 1970 in UTC; without a zone it is local time.

    None where it is none.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    *parts, fraction, zone = found.groups()
    try:
        year, month, day, hour, minute, second = map(int, parts)
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
        if zone == "Z":
            moment = moment.replace(tzinfo=timezone.utc)  # noqa: UP017
        elif zone:
            moment = datetime.strptime(f"{moment:%Y-%m-%d %H:%M:%S}{zone}", "%Y-%m-%d %H:%M:%S%z")
        whole = round(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        return None
    return whole * 1_000_000_000 + int(f"{fraction or '0':0<9}")


def as_times(
    values: NDArray[Any], unit: str | None, epoch_s: int = 0
) -> tuple[NDArray[np.int64], int | None, str] | None:
    """Understand one number for each frame as times.

    Parameters
    ----------
    values
        (T,) numbers.
    unit
        As the file names it; None where it does not: by their size then.
    epoch_s
        From where they count, in seconds since 1970.

    Returns
    -------
    tuple or None
        (T,) nanoseconds since the first, when that was in nanoseconds since 1970 or None, and what they were
        taken for; None where they are no times.
    """
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "uif" or not np.isfinite(values).all():
        return None
    scale, taken = seconds_in(unit or ""), f"in {unit}"
    epoch_ns = counted_from(unit or "")
    first = float(values[0])
    if scale is None:
        step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
        by_size = next(
            (one for one in (1.0, 1e-3, 1e-6, 1e-9) if EARLIEST_S <= first * one <= LATEST_S), None
        )
        by_step = next((one for one in (1.0, 1e-3, 1e-6, 1e-9) if 0 < step * one < 5.0), 1.0)
        scale = by_size if by_size is not None and 0 <= step * by_size < 1000.0 else by_step
        names = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
        taken = f"taken for {names[scale]}"
    per_unit = round(scale * 1e9)
    if values.dtype.kind in "ui":
        base = int(values[0])
        since = (values.astype(np.int64) - base) * per_unit
        first_ns = base * per_unit
    else:
        since = np.round((values - values[0]) * (scale * 1e9)).astype(np.int64)
        whole = int(np.floor(first))
        first_ns = whole * per_unit + round((first - whole) * per_unit)
    first_ns += epoch_s * 1_000_000_000 if epoch_ns is None else epoch_ns
    dated = EARLIEST_S * 10**9 <= first_ns <= LATEST_S * 10**9
    return since, first_ns if dated else None, taken
