"""The settings file, read into assignments that know their line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from rheed_acquire.settings.assignments import Reading, text_of
from rheed_acquire.settings.catalogue import Catalogue, Path, Setting


def read_toml(file: FilePath, shown: str, catalogue: Catalogue) -> Reading:
    """Read a settings file.

    Parameters
    ----------
    file
        Must exist.
    shown
        What error messages call it.
    """
    reading = Reading()
    text = text_of(file, shown, reading)
    if text is None:
        return reading
    import tomllib  # 4 ms that a command without a file need not spend

    # A statement is parsed by itself to learn its line, and would see a lone carriage return.
    text = text.replace("\r\n", "\n")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reading.problems.append(_syntax_problem(str(error), shown, text))
        return reading
    except RecursionError:
        reading.problems.append(f"{shown}: nested too deeply")
        return reading
    _TomlReader(reading, shown, _lines_of_keys(text), catalogue).read(content, ())
    return reading


@dataclass(frozen=True)
class _TomlReader:
    """Walks through a parsed file."""

    reading: Reading
    shown: str
    lines: Mapping[Path, int]
    catalogue: Catalogue

    def read(self, table: Mapping[str, Any], above: Path) -> None:
        for name, value in table.items():
            path = (*above, name)
            setting = self.catalogue.settings.get(path)
            if setting is not None:
                self._take(setting, value, path)
            elif isinstance(value, dict) and any(known[: len(path)] == path for known in self._known):
                self.read(value, path)
            elif path[0] not in self.catalogue.absent:
                self._refuse(path, value)

    @property
    def _known(self) -> Mapping[Path, Setting]:
        return self.catalogue.settings

    def _take(self, setting: Setting, value: Any, path: Path) -> None:
        reading, origin = self.reading, self._origin(path)
        if setting.is_mapping and isinstance(value, dict):
            for entry, item in value.items():
                inner = (*path, entry)
                reading.assign(setting, item, ".".join(inner), " = ", self._origin(inner), entry=entry)
            return
        assignment = reading.assign(setting, value, setting.key, " = ", origin)
        if setting.path == ("config",):
            reading.reject(assignment, "a settings file cannot name another")
        elif setting.is_mapping:
            reading.reject(assignment, f"must be a table [{setting.key}]")
        elif isinstance(value, bool) and not setting.takes_booleans:
            reading.reject(assignment, "must not be true or false")

    def _refuse(self, path: Path, value: Any) -> None:
        catalogue, key, origin = self.catalogue, ".".join(path), self._origin(path)
        if isinstance(value, dict) and len(path) == 1:
            near = catalogue.nearest_table(key)
            tables = [f"[{name}]" for name, model in catalogue.tables.items() if model.model_fields]
            hint = f"the nearest is [{near}]" if near else f"there are {', '.join(tables) or 'none'}"
            if key in catalogue.tables:
                hint = f"{key} has no settings"
            self.reading.problems.append(f"[{key}]: no such table; {hint} ({origin})")
            return
        setting = catalogue.nearest(key)
        hint = f"the nearest is {setting.key}"
        if len(setting.path) == 1 < len(path):
            hint += ", which stands above the first [table]"
        self.reading.problems.append(f"{key}: no such key; {hint} ({origin})")

    def _origin(self, path: Path) -> str:
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.shown} line {self.lines[path]}" if path else self.shown


def _syntax_problem(message: str, shown: str, text: str) -> str:
    """Put the parser's own words behind the place; the line itself is not shown, it may hold a secret."""
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if place:
        what = message[: place.start()]
        return f"{shown} line {place[1]}, column {place[2]}: not valid TOML: {what}"
    what = message.removesuffix(" (at end of document)")
    last = text.rstrip("\n").rpartition("\n")
    line, column = last[0].count("\n") + (2 if last[1] else 1), len(last[2]) + 1
    return f"{shown} line {line}, column {column}: not valid TOML: {what}, at the end of the file"


def _lines_of_keys(text: str) -> dict[Path, int]:
    """Find the line that sets each key of a valid TOML text; the parser itself forgets them.

    The text is cut into statements. A statement's end is where what has been gathered first parses by
    itself: a string or an array that goes on to another line does not.
    """
    import tomllib

    lines: dict[Path, int] = {}
    table: Path = ()
    gathered = ""
    first = 1
    for number, line in enumerate(text.split("\n"), start=1):
        gathered = f"{gathered}\n{line}" if gathered else line
        try:
            statement = tomllib.loads(gathered)
        except tomllib.TOMLDecodeError:
            continue
        if gathered.lstrip().startswith("["):
            table = _header(statement)
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], first)
        else:
            _note_lines(statement, table, first, lines)
        gathered, first = "", number + 1
    return lines


def _header(statement: Mapping[str, Any]) -> Path:
    name, inner = next(iter(statement.items()))
    return (name, *_header(inner)) if isinstance(inner, dict) and inner else (name,)


def _note_lines(table: Mapping[str, Any], above: Path, line: int, lines: dict[Path, int]) -> None:
    for name, value in table.items():
        lines.setdefault((*above, name), line)
        if isinstance(value, dict):
            _note_lines(value, (*above, name), line, lines)
