"""Points in time as files write them: dates, units, times of unknown origin."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
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
EARLIEST_S, LATEST_S = 315_532_800, 3_029_529_600
"""1980 and 2066, in seconds since 1970: between them a number of seconds is taken for a date."""
_DAY_S = 86_400.0
_LONGEST_NS = 2**62  # 146 years: no recording is longer
_CLOCKS = (
    (1.0, 0, "seconds"),
    (1e-3, 0, "milliseconds"),
    (1e-6, 0, "microseconds"),
    (1e-7, -62_135_596_800, "ticks of .NET"),
    (1e-9, 0, "nanoseconds"),
    (1e-7, -11_644_473_600, "Windows' file times"),
    (1.0, -2_082_844_800, "seconds since 1904, as LabVIEW and Igor count"),
    (_DAY_S, -25_569 * 86_400, "days since 1899-12-30 in this computer's local time, as OLE and Excel count"),
    (_DAY_S, -719_529 * 86_400, "days in this computer's local time, as MATLAB's datenum counts"),
)
"""What numbers without a unit may be that come to a date: how long one is in s, from when in s since 1970."""
_MOST_STEP_S, _MOST_STEP_OF_DAYS_S = 1000.0, 5.0
"""From frame to frame: shorter steps of days would be seconds of no camera."""


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
    """Understand one number or text for each frame as times.

    Parameters
    ----------
    values
        (T,) numbers, dates of numpy, or texts.
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
    if values.ndim != 1 or not len(values):
        return None
    if values.dtype.kind in "SUO":
        return _dates_of(values)
    if values.dtype.kind in "mM":
        if np.isnat(values).any():
            return None
        kind, unit, epoch_s = values.dtype.kind, "ns", 0
        values = values.astype(f"{kind}8[ns]").astype(np.int64)
    if values.dtype.kind not in "uif" or not np.isfinite(values).all():
        return None
    span = float(values.max()) - float(values.min())
    if span >= _LONGEST_NS:  # no unit is less than a nanosecond
        return None
    epoch_ns = counted_from(unit or "")
    scale, since_s, taken = _clock(values, unit)
    if epoch_s or epoch_ns is not None:
        since_s = epoch_s
    per_unit = round(scale * 1e9)
    if span * per_unit >= _LONGEST_NS:
        return None
    if values.dtype.kind in "ui":
        base = int(values[0])
        since = (values.astype(np.int64) - base) * per_unit
        first_ns = base * per_unit
    else:
        first = float(values[0])
        since = np.round((values - values[0]) * (scale * 1e9)).astype(np.int64)
        whole = int(np.floor(first))
        first_ns = whole * per_unit + round((first - whole) * per_unit)
    first_ns += since_s * 1_000_000_000 if epoch_ns is None else epoch_ns
    if scale == _DAY_S and epoch_ns is None:
        first_ns -= _local_offset_ns(first_ns)
    dated = EARLIEST_S * 10**9 <= first_ns <= LATEST_S * 10**9
    return since, first_ns if dated else None, taken


def _local_offset_ns(naive_ns: int) -> int:
    """By how much local time, counted from 1970 on like UTC, is ahead of UTC then."""
    second = naive_ns // 1_000_000_000
    if not EARLIEST_S <= second <= LATEST_S:
        return 0
    local = datetime(1970, 1, 1) + timedelta(seconds=second)  # noqa: DTZ001
    return round(second - local.timestamp()) * 1_000_000_000


def _clock(values: NDArray[Any], unit: str | None) -> tuple[float, int, str]:
    """Find how long one of what is counted is in s, from when on in s since 1970, and what that is called."""
    first = float(values[0])
    step = float(np.median(np.diff(values.astype(np.float64)))) if len(values) > 1 else 0.0
    told = seconds_in(unit or "")
    for scale, since_s, name in _CLOCKS:
        if not EARLIEST_S <= first * scale + since_s < LATEST_S:
            continue
        if told is not None and told == scale:
            return scale, since_s, f"in {unit}" + f", taken for {name}" * (since_s != 0)
        is_days = scale == _DAY_S
        most = _MOST_STEP_OF_DAYS_S if is_days else _MOST_STEP_S
        if told is None and 0 <= step * scale < most and (step > 0 or not is_days):
            return scale, since_s, f"taken for {name}"
    if told is not None:
        return told, 0, f"in {unit}"
    scale, name = next(
        ((scale, name) for scale, since_s, name in _CLOCKS if not since_s and 0 < step * scale < 5.0),
        (1.0, "seconds"),
    )
    return scale, 0, f"taken for {name}"


def _dates_of(values: NDArray[Any]) -> tuple[NDArray[np.int64], int | None, str] | None:
    texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in values]
    moments = [naive_moment_ns(text) for text in texts]
    first = moments[0]
    if first is None or None in moments:
        return None
    since = np.array([moment - first for moment in moments if moment is not None], np.int64)
    found = _DATE.fullmatch(texts[0])
    has_zone = found is not None and found.groups()[-1]
    return since, first, "dates" + ("" if has_zone else ", taken for this computer's local time")
