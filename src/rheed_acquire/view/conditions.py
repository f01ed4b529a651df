"""What a run can wait for to begin or to end: a level of a region, a line of the camera, or a time.

The one grammar of both, as a request spells them::

    specular > 120              in a frame, the mean gray level of the region is above 120
    specular < 20 for 2 s       in every frame of two seconds it is below 20
    line Line1 high             a line of the camera, by its name, is high; or low
    at 14:30                    the next time that it is 14:30 where the station is
    at 2026-11-29 14:30:15 UTC  then; with a date, and UTC, Z or an offset such as +01:00
    in 90 s                     so long after the request
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rheed_acquire.clocks.timing import process_clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.regions.regions import Region

MOST_FOR_S = 600.0
MOST_AHEAD_S = 7 * 86400.0

_NUMBER = r"\d+(?:\.\d*)?"
_LEVEL = re.compile(
    rf"(?P<region>.*\S)\s*(?P<sign>[<>])\s*(?P<level>{_NUMBER})(?:\s+for\s+(?P<for_s>{_NUMBER})\s*s)?"
)
_LINE = re.compile(r"line\s+(?P<line>\S+)\s+(?P<level>high|low)", re.IGNORECASE)
_IN = re.compile(rf"in\s+(?P<seconds>{_NUMBER})\s*s", re.IGNORECASE)
_AT = re.compile(
    r"at\s+(?:(?P<date>\d{4}-\d\d-\d\d)(?:T|\s+))?(?P<time>\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?)"
    r"\s*(?P<zone>Z|UTC|[+-]\d\d:?[0-5]\d)?",
    re.IGNORECASE,
)
_GRAMMAR = (
    "must be a level of a region, such as specular > 120 or specular < 20 for 2 s, a line of the camera, "
    "such as line Line1 high, or a time, such as at 14:30, at 2026-11-29 14:30 UTC or in 90 s"
)


@dataclass(frozen=True, slots=True)
class LevelReached:
    """A region's mean gray level is above or below a level, in one frame or in every frame of a time.

    Attributes
    ----------
    level
        At the camera's own depth, as the page and ``/traces`` show it.
    for_s
        How long, in seconds; 0 for one frame.
    """

    region: str
    is_above: bool
    level: float
    for_s: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.for_s:g} s" if self.for_s else ""
        return f"{self.region} {'>' if self.is_above else '<'} {self.level:g}{lasting}"


@dataclass(frozen=True, slots=True)
class LineReached:
    """A line of the camera, an input or an output by its name, is high or low."""

    line: str
    is_high: bool

    def __str__(self) -> str:
        return f"line {self.line} {'high' if self.is_high else 'low'}"


@dataclass(frozen=True, slots=True)
class TimeReached:
    """A time, in nanoseconds since 1970 in UTC."""

    utc_ns: int

    def __str__(self) -> str:
        local = datetime.fromtimestamp(self.utc_ns / 1e9).astimezone()
        return f"at {local.isoformat(sep=' ', timespec='seconds')}"


Condition: TypeAlias = LevelReached | LineReached | TimeReached


class ConditionError(ValueError):
    """A text is no condition, or one that cannot come true; the message says why."""


def read_condition(text: str, now_utc_ns: int) -> Condition:
    """Read a condition of the grammar above.

    Parameters
    ----------
    now_utc_ns
        When it was asked for, in nanoseconds since 1970.

    Raises
    ------
    ConditionError
        It is none, or a time that has passed or lies more than a week ahead.
    """
    text = text.strip()
    level = _LEVEL.fullmatch(text)
    if level is not None:
        for_s = float(level["for_s"] or 0)
        if for_s > MOST_FOR_S:
            raise ConditionError(f"{text!r}: a level can be waited for to last {MOST_FOR_S:g} s at most")
        return LevelReached(level["region"].strip(), level["sign"] == ">", float(level["level"]), for_s)
    line = _LINE.fullmatch(text)
    if line is not None:
        return LineReached(line["line"], line["level"].lower() == "high")
    ahead = _IN.fullmatch(text)
    at = _AT.fullmatch(text)
    if ahead is not None:
        asked_ns = now_utc_ns + round(min(float(ahead["seconds"]), 2 * MOST_AHEAD_S) * 1e9)
    elif at is not None:
        asked_ns = _time_asked(at, now_utc_ns)
    else:
        raise ConditionError(f"{text!r} {_GRAMMAR}")
    if asked_ns < now_utc_ns:
        raise ConditionError(f"{text!r} has passed")
    if asked_ns > now_utc_ns + MOST_AHEAD_S * 1e9:
        raise ConditionError(f"{text!r} lies more than a week ahead")
    return TimeReached(asked_ns)


class Watch:
    """Waits for a condition to come true, from a time on.

    Frames are shown to it by one thread, and another asks it.

    Attributes
    ----------
    since_ns
        What arrived before is not looked at, as ``time.perf_counter_ns``.
    met_ns
        When it came true: the arrival of the frame by which it did, when the camera was asked for its line,
        or the time, as ``time.perf_counter_ns``; None as long as it has not.
    """

    def __init__(self, condition: Condition, since_ns: int = 0) -> None:
        self.condition, self.since_ns = condition, since_ns
        self.met_ns: int | None = None
        self._held_since_ns: int | None = None

    @property
    def region(self) -> str | None:
        """Whose level it is."""
        return self.condition.region if isinstance(self.condition, LevelReached) else None

    @property
    def line(self) -> str | None:
        """Which line of the camera it is."""
        return self.condition.line if isinstance(self.condition, LineReached) else None

    def see_line(self, asked_ns: int, *, is_high: bool) -> None:
        """Look at the level of the line, for which the camera was asked at this time."""
        condition = self.condition
        if isinstance(condition, LineReached) and is_high == condition.is_high and asked_ns >= self.since_ns:
            self.met_ns = asked_ns if self.met_ns is None else self.met_ns

    def see(
        self, arrived_ns: NDArray[np.int64], mean: NDArray[np.float32], regions: Sequence[Region]
    ) -> bool:
        """Look at consecutive frames; whether it came true by one of them, which it does once.

        Parameters
        ----------
        arrived_ns
            (N,) their arrivals, as ``time.perf_counter_ns``.
        mean
            (R, N) mean gray levels of the regions.
        """
        condition = self.condition
        if self.met_ns is not None or not isinstance(condition, LevelReached):
            return False
        row = next((row for row, one in enumerate(regions) if one.name == condition.region), None)
        if row is None:
            self._held_since_ns = None
            return False
        values = mean[row]
        holds = (values > condition.level) if condition.is_above else (values < condition.level)
        holds &= arrived_ns >= self.since_ns
        # Since when it has held without a break, for each frame in which it holds.
        places = np.arange(len(holds))
        begin = np.maximum.accumulate(np.where(holds, -1, places)) + 1
        before_ns = arrived_ns[0] if self._held_since_ns is None else self._held_since_ns
        held_since_ns = np.where(begin == 0, before_ns, arrived_ns[np.minimum(begin, len(holds) - 1)])
        met = np.flatnonzero(holds & (arrived_ns - held_since_ns >= condition.for_s * 1e9))
        self._held_since_ns = int(held_since_ns[-1]) if holds[-1] else None
        if len(met):
            self.met_ns = int(arrived_ns[met[0]])
        return self.met_ns is not None

    def is_met(self, now_ns: Callable[[], int] = time.perf_counter_ns) -> bool:
        """Whether it has come true."""
        condition = self.condition
        if self.met_ns is None and isinstance(condition, TimeReached):
            here_ns = now_ns()
            past_ns = process_clock().utc_ns(here_ns) - condition.utc_ns
            if past_ns >= 0:
                self.met_ns = here_ns - past_ns
        return self.met_ns is not None


def _time_asked(at: re.Match[str], now_utc_ns: int) -> int:
    """Say when it is, in nanoseconds since 1970; without a date the next time that it is so."""
    zone = _zone(at["zone"])
    now = datetime.fromtimestamp(now_utc_ns / 1e9, zone)
    try:
        hour, minute, second = [*map(float, at["time"].split(":")), 0.0][:3]
        whole = int(second)
        clock = time_of_day(int(hour), int(minute), whole, round((second - whole) * 1e6) % 1_000_000)
        day = now.date() if at["date"] is None else date.fromisoformat(at["date"])
    except ValueError:
        raise ConditionError(f"{at[0]!r} is no time of the calendar and the clock") from None
    moment = datetime.combine(day, clock, zone)
    if at["date"] is None and moment < now:
        moment = datetime.combine(day + timedelta(days=1), clock, zone)
    try:
        return round(moment.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError, OSError):  # years that no system can tell in its own zone
        raise ConditionError(f"{at[0]!r} cannot be told by this computer") from None


def _zone(text: str | None) -> timezone | None:
    """Read a zone; None is where the station is."""
    if text is None:
        return None
    if text.upper() in ("Z", "UTC"):
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    ahead = timedelta(hours=hours, minutes=minutes)
    try:
        return timezone(ahead if text[0] == "+" else -ahead)
    except ValueError:
        raise ConditionError(f"{text!r} is no offset from UTC") from None
