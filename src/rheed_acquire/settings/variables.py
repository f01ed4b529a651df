"""The variables of the environment and of a ``.env`` file, read into assignments."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping
from io import StringIO
from pathlib import Path as FilePath
from typing import Any

from rheed_acquire.settings.assignments import Reading, kind_of, text_of
from rheed_acquire.settings.catalogue import PREFIX, Catalogue, Setting

FOREIGN_VARIABLES = frozenset(
    {"RHEED_INTEROP_PYTHON", "RHEED_SHARED_MEMORY", "RHEED_STATION", "RHEED_STATIONS"}
)
"""Variables that begin like settings and are not."""


def read_environment(environ: Mapping[str, str], catalogue: Catalogue) -> Reading:
    """Read the variables ``RHEED_…`` and those that a setting names besides, such as ``AS_API_KEY``.

    Case does not count, but that of an entry's name in ``RHEED_BASLER__FEATURES__Gain`` does. Windows turns
    all names into capitals, so that only ``RHEED_BASLER__FEATURES='{"Gain": "3"}'`` works everywhere. An
    empty variable counts as not set.
    """
    origins = {name: f"environment variable {name}" for name in environ}
    return _read_variables(dict(environ), origins, catalogue)


def read_dotenv(file: FilePath, catalogue: Catalogue) -> Reading:
    """Read the same variables from a ``.env`` file, where there is one; other software's are passed over."""
    reading = Reading()
    # Many keep a virtual environment in a folder of this name.
    if not stat.S_ISREG(kind_of(file, file.name, reading) or 0):
        return reading
    text = text_of(file, file.name, reading)
    if text is None or not text.strip():
        return reading
    from dotenv.parser import parse_stream  # 10 ms that a run without the file need not spend

    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())].count("\n")
        origin = f"{file.name} line {binding.original.line + blank}"
        name = binding.key or ""
        if name and binding.value is not None:
            values[name], origins[name] = binding.value, origin
        elif original.strip().removeprefix("export ").lstrip().upper().startswith(PREFIX):
            shown = re.match(r"[A-Za-z0-9_]*", original.strip().removeprefix("export ").lstrip())
            reading.problems.append(
                f"{shown[0] if shown else PREFIX}: must be followed by = and a value ({origin})"
            )
    found = _read_variables(values, origins, catalogue)
    found.problems[:0] = reading.problems
    return found


def _read_variables(values: Mapping[str, str], origins: Mapping[str, str], catalogue: Catalogue) -> Reading:
    reading = Reading()
    others = [
        (name, setting)
        for setting in catalogue.settings.values()
        for name in reversed(setting.other_variables)
    ]
    for name, setting in others:
        if values.get(name):
            _assign_variable(reading, setting, name, values[name], origins[name])
    entries: list[tuple[Setting, str, str]] = []
    for name, value in values.items():
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in FOREIGN_VARIABLES:
            continue
        mapping = next(
            (
                setting
                for setting in catalogue.settings.values()
                if setting.is_mapping
                and upper.startswith(f"{setting.variable}__")
                and len(upper) > len(setting.variable) + 2
            ),
            None,
        )
        if upper in catalogue.by_variable:
            if value:
                _assign_variable(reading, catalogue.by_variable[upper], name, value, origins[name])
        elif mapping is not None:
            entries.append((mapping, name, value))
        elif not any(
            upper.startswith(f"{PREFIX}{absent.upper().replace('-', '_')}__") for absent in catalogue.absent
        ):
            near = catalogue.nearest(name).variable
            reading.problems.append(
                f"{name}: no such setting; the nearest is {near} ({_where(origins[name])})"
            )
    # After the mappings given whole, so that a single entry wins.
    for setting, name, value in entries:
        entry = name[len(setting.variable) + 2 :]
        origin = origins[name]
        reading.assign(setting, value, name, "=", _where(origin), entry=entry, source=origin)
    return reading


def _assign_variable(reading: Reading, setting: Setting, name: str, value: str, origin: str) -> None:
    """Note a variable's value: a list's items are separated by commas, a mapping is a JSON object."""
    given: Any = value
    if setting.is_list:
        given = [item.strip() for item in value.split(",") if item.strip()]
    assignment = reading.assign(setting, given, name, "=", _where(origin), source=origin)
    if not setting.is_mapping:
        return
    reading.assignments.pop(assignment.path)
    twice: list[str] = []

    def unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [entry for entry, _ in pairs]
        twice.extend(entry for entry in dict.fromkeys(names) if names.count(entry) > 1)
        return dict(pairs)

    try:
        items = json.loads(value, object_pairs_hook=unrepeated)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, dict):
        reading.problems.append(assignment.problem('must be a JSON object such as {"Gain": 3}'))
        return
    if twice:
        reading.problems.append(assignment.problem(f"{', '.join(twice)} is in it twice; leave one out"))
        return
    for entry, item in items.items():
        reading.assign(setting, item, f"{name}: {entry}", "=", _where(origin), entry=entry, source=origin)


def _where(origin: str) -> str:
    # The name of a variable stands at the head of the message already.
    return "environment variable" if origin.startswith("environment variable ") else origin
