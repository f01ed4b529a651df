"""The order that the names of files mean (dates, months, signs, decimals), and what is missing in it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from rheed_acquire_replay.moments import EARLIEST_S, LATEST_S, seconds_in

Key: TypeAlias = tuple[tuple[int, float, str], ...]

_MONTHS_SPELLED = (
    "january jan januar j\xe4nner janvier janv",
    "february feb februar f\xe9vrier fevrier f\xe9vr",
    "march mar m\xe4rz maerz mrz mars",
    "april apr avril avr",
    "may mai",
    "june jun juni juin",
    "july jul juli juillet juil",
    "august aug ao\xfbt aout",
    "september sep sept septembre",
    "october oct oktober okt octobre",
    "november nov novembre",
    "december dec dezember dez d\xe9cembre decembre d\xe9c",
)
"""From January on, in English, German and French."""
_MONTHS = {
    spelled: number
    for number, names in enumerate(_MONTHS_SPELLED, start=1)
    for name in names.split()
    for spelled in (name, f"{name}.")
}
_MONTH = "|".join(sorted((re.escape(name) for name in _MONTHS), key=len, reverse=True))
_YEAR = r"(?P<year>(?:19[89]|20\d)\d)"
_MONTH_0, _DAY_0 = r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_MONTH_1, _DAY_1 = r"(?P<month>0?[1-9]|1[0-2])", r"(?P<day>0?[1-9]|[12]\d|3[01])"
_TIME = (
    r"(?:[ T_.,-]*(?P<hour>[01]?\d|2[0-3])[-:.h_ ]?(?P<minute>[0-5]\d)[-:.m_ ]?(?P<second>[0-5]\d)s?"
    r"(?:[.,_-]?(?P<fraction>\d{3}|\d{6}|\d{9})(?!\d))?(?:[ _]?(?P<half>[ap]m))?"
    r"(?:[ _]?(?P<zone>Z|UTC|GMT)(?![^\W\d_]))?(?!\d))?"
)
_DATES = tuple(
    re.compile(rf"(?<!\d){pattern}{_TIME}(?!\d)", re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}(?P<sep>[-_. :]?){_MONTH_0}(?P=sep){_DAY_0}",
        rf"{_YEAR}[-_. ]{_MONTH_1}[-_. ]{_DAY_1}",
        rf"{_YEAR}[-_. ]?(?P<month>{_MONTH})[-_. ]?{_DAY_1}",
        rf"{_DAY_1}(?:\. |[-_. ])?(?P<month>{_MONTH})[-_. ,]*{_YEAR}",
        rf"(?P<month>{_MONTH})[-_. ]?{_DAY_1}[-_. ,]+{_YEAR}",
        rf"{_DAY_1}(?P<sep>[-_. ]){_MONTH_1}(?P=sep){_YEAR}",
        rf"{_MONTH_1}(?P<sep>[-_. ]){_DAY_1}(?P=sep){_YEAR}",
    )
)
_LONE_MONTH = re.compile(rf"(?<![^\W\d_])({_MONTH})(?![^\W\d_])", re.IGNORECASE)
_SIGNED = re.compile(r"(?<![0-9A-Za-z)\]])[-+](?=[0-9.,]*[0-9])")
_ANY_SIGN = re.compile(r"(?<![0-9)\]])[-+](?=\d)")
_DECIMAL = re.compile(r"(?<![\d.,])(\d+)[.,](\d+)(?![.,]?\d)")
_NUMBER = re.compile(r"\d+")
_UNIT = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?)[ _]?(s|sec|ms|us|min)(?![A-Za-z0-9])")
_EPOCH = re.compile(r"(?<![\d.,])(\d{10}(?:[.,]\d{1,9})?|\d{13})(?![\d])")
_QUANTITY = re.compile(
    r"[ _]?(?:\xb0 ?[CFK]?|deg(?:C|F|K|rees?)?|[CFKV]|m?[Tt]orr|m?bar|Pa|sccm|[numk]m|\xc5|ang|[numk]?eV|"
    r"[kmu]V|[munp]A|[mk]?W|ML|%|pct|rpm|Hz|[mnu]?s|sec|min|h)(?![^\W\d_])"
)
"""What follows a number that was measured or set, as a temperature, and counts nothing."""
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Named:
    """Files in their order, and what their names say.

    Attributes
    ----------
    files
        In the order that their names mean.
    moments
        When each was captured, as its name says: in UTC where it says so (Z, UTC), else naive, in local time;
        None where they do not say.
    seconds
        The same in seconds, from 1970 on in UTC or from any origin; None where they do not say.
    jumps
        Pairs of names between which the numbers jump, and how many are missing between them.
    series
        The files that are named in each way: by their names with ``#`` for numbers.
    """

    files: tuple[Path, ...]
    moments: tuple[datetime, ...] | None
    seconds: tuple[float, ...] | None
    jumps: tuple[tuple[Path, Path, int], ...]
    series: Mapping[str, Sequence[Path]]


def in_order(files: Iterable[Path], root: Path | None = None) -> Named:
    """Bring files into the order that their names mean.

    What a name means is told from all of them: where a minus stands in some names only, it is a sign, and
    numbers with a point are decimals unless they are counted past 9 (1.9, 1.10).

    Parameters
    ----------
    root
        From where on folders belong to the names.
    """
    files = list(files)
    names = [_name(file, root) for file in files]
    keys = _keys(names)
    order = sorted(range(len(files)), key=lambda place: (keys[place], files[place].name))
    ordered = tuple(files[place] for place in order)
    names = [names[place] for place in order]
    keys = [keys[place] for place in order]
    moments = _moments(names)
    # Where names tell times, a longer step is a pause.
    jumps = () if moments is not None else _jumps(ordered, keys)
    series: dict[str, list[Path]] = {}
    for file, key in zip(ordered, keys, strict=True):
        series.setdefault(_shape(key), []).append(file)
    return Named(ordered, moments, _seconds(names), jumps, series)


def _name(file: Path, root: Path | None) -> str:
    folders = () if root is None else file.parent.relative_to(root).parts
    # macOS spells an umlaut as two characters.
    return unicodedata.normalize("NFC", "/".join((*folders, file.stem)))


def _shape(key: Key) -> str:
    """How a file is named, its folders apart."""
    return "".join("#" if kind == 0 else text for kind, _, text in key).rpartition("/")[2]


def _keys(names: Sequence[str]) -> list[Key]:
    date = _date_pattern(names)
    signed = _SIGNED
    if len({_NUMBER.sub("0", name) for name in names}) > 1 and len(
        {_NUMBER.sub("0", _ANY_SIGN.sub("", name)) for name in names}
    ) < len({_NUMBER.sub("0", _SIGNED.sub("", name)) for name in names}):
        signed = _ANY_SIGN
    with_decimals = _are_decimals(names if date is None else [date.sub("", name) for name in names])
    months = date is None and all(_LONE_MONTH.search(name) for name in names)
    return [_key(name, date, signed, with_decimals, months) for name in names]


def _key(
    name: str, date: re.Pattern[str] | None, signed: re.Pattern[str], decimals: bool, months: bool
) -> Key:
    token = "|".join(
        (
            *((r"(?P<signed>" + signed.pattern + (r"(?:\d+[.,]\d+|\d+))" if decimals else r"\d+)"),)),
            *((r"(?P<decimal>\d+[.,]\d+)",) if decimals else ()),
            r"(?P<number>\d+)",
            *((rf"(?P<month>{_LONE_MONTH.pattern})",) if months else ()),
        )
    )
    parts: list[tuple[int, float, str]] = []
    rest = name
    found = date.search(name) if date is not None else None
    if found is not None:
        moment = _moment_of(found)
        assert moment is not None
        # Text before a date still comes first; the date counts as one number.
        parts += _plain(name[: found.start()], token)
        since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001
        parts.append((0, since.total_seconds(), ""))
        rest = name[found.end() :]
    parts += _plain(rest, token)
    return tuple(parts)


def _plain(text: str, token: str) -> list[tuple[int, float, str]]:
    parts: list[tuple[int, float, str]] = []
    at = 0
    for found in re.finditer(token, text, re.IGNORECASE):
        if found.start() > at:
            parts.append((1, 0.0, text[at : found.start()]))
        word = found[0]
        if found.lastgroup == "month" or (found.groupdict().get("month") is not None):
            parts.append((0, float(_MONTHS[word.lower()]), ""))
        else:
            parts.append((0, float(word.replace(",", ".")), ""))
        at = found.end()
    if at < len(text):
        parts.append((1, 0.0, text[at:]))
    return parts


def _are_decimals(names: Sequence[str]) -> bool:
    """Whether numbers with a point are decimals: none is counted past 9."""
    fractions = [fraction for name in names for _, fraction in _DECIMAL.findall(name)]
    if not fractions:
        return False
    lengths = {len(fraction) for fraction in fractions}
    # Of fractions of different length, one that ends in 0 (0.10 beside 0.9) is counted.
    return len(lengths) == 1 or not any(
        fraction.endswith("0") and len(fraction) > 1 for fraction in fractions
    )


def _date_pattern(names: Sequence[str]) -> re.Pattern[str] | None:
    """Find the way in which every name spells a date."""
    for pattern in _DATES:
        found = [pattern.search(name) for name in names]
        if found and all(one is not None and _moment_of(one) is not None for one in found):
            return pattern
    return None


def _moment_of(found: re.Match[str]) -> datetime | None:
    groups = found.groupdict()
    month = groups["month"].lower()
    hour = int(groups["hour"] or 0)
    half = (groups.get("half") or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        return datetime(
            int(groups["year"]),
            _MONTHS.get(month) or int(month),
            int(groups["day"]),
            hour,
            int(groups["minute"] or 0),
            int(groups["second"] or 0),
            int(f"{groups['fraction'] or '0':0<6}"[:6]),
            tzinfo=timezone.utc if groups.get("zone") else None,  # noqa: UP017
        )
    except ValueError:
        return None


def _moments(names: Sequence[str]) -> tuple[datetime, ...] | None:
    """When each was captured, where every name has a date and a time."""
    pattern = _date_pattern(names)
    if pattern is None:
        return None
    found = [pattern.search(name) for name in names]
    if any(one is None or one["hour"] is None for one in found):
        return None
    moments = [_moment_of(one) for one in found if one is not None]
    return tuple(one for one in moments if one is not None)


def _seconds(names: Sequence[str]) -> tuple[float, ...] | None:
    """Read a number with a unit of time, or of seconds since 1970, where every name has one and they rise."""
    found = [_UNIT.findall(name) for name in names]
    if all(len(one) == 1 for one in found):
        values = [float(number.replace(",", ".")) * (seconds_in(unit) or 1.0) for ((number, unit),) in found]
    else:
        epochs = [_EPOCH.findall(name) for name in names]
        if not all(len(one) == 1 for one in epochs):
            return None
        values = [
            float(number.replace(",", ".")) / (1000 if len(number) == 13 else 1) for (number,) in epochs
        ]
        if not all(EARLIEST_S <= value <= LATEST_S for value in values):
            return None
    return tuple(values) if all(later > earlier for earlier, later in pairwise(values)) else None


def _jumps(files: Sequence[Path], keys: Sequence[Key]) -> tuple[tuple[Path, Path, int], ...]:
    """Find where the last of the names' numbers that changes steps further than it mostly does.

    What is measured or set, as a temperature, counts nothing: numbers below 0 or with a unit.
    """
    if len(files) < 3:
        return ()
    shapes = {tuple((kind, text) for kind, _, text in key) for key in keys}
    if len(shapes) != 1:
        return ()
    changing = [
        place
        for place, (kind, _, _) in enumerate(keys[0])
        if kind == 0 and len({key[place][1] for key in keys}) > 1 and not _is_quantity(keys, place)
    ]
    if not changing:
        return ()
    column = [key[changing[-1]][1] for key in keys]
    if len(changing) > 1 and len(set(column)) < len(column):
        return ()
    steps = [later - earlier for earlier, later in pairwise(column)]
    usual, often = Counter(steps).most_common(1)[0]
    if usual <= 0 or usual != int(usual) or 2 * often <= len(steps):
        return ()
    return tuple(
        (files[place], files[place + 1], round(step / usual) - 1)
        for place, step in enumerate(steps)
        if step > usual
    )


def _is_quantity(keys: Sequence[Key], place: int) -> bool:
    unit = keys[0][place + 1][2] if place + 1 < len(keys[0]) else ""
    return min(key[place][1] for key in keys) < 0 or _QUANTITY.match(unit) is not None


def jumps_in_words(jumps: Sequence[tuple[Path, Path, int]]) -> str:
    """Say where numbers jump, and how many are missing."""
    missing = sum(count for _, _, count in jumps)
    places = ", ".join(f"{before.name} to {after.name}" for before, after, _ in jumps[:_LISTED])
    more = f" and {len(jumps) - _LISTED} more times" if len(jumps) > _LISTED else ""
    frames = f"{missing} frame{'s' * (missing != 1)}"
    return f"the numbers in its files' names jump, {places}{more}: {frames} may be missing"
