"""The environment, the ``.env`` file and the TOML file, each read into assignments that know their origin.

A reader never raises for what a user wrote: it notes the problem and reads on, so that one message can name
everything that is wrong.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from io import StringIO
from pathlib import Path as FilePath
from typing import Any

from pydantic import SecretStr

from rheed_acquire.settings.catalogue import MASK, PREFIX, Catalogue, Path, Setting

FOREIGN_VARIABLES = frozenset(
    {"RHEED_INTEROP_PYTHON", "RHEED_SHARED_MEMORY", "RHEED_STATION", "RHEED_STATIONS"}
)
"""Variables that begin like settings and are not."""

_LONGEST_SHOWN = 60
_HOME = re.compile(r"~[^/\\]*")
"""How a path below somebody's home begins. A shell knows it where a word begins, nobody does in a file."""


@dataclass(frozen=True)
class Assignment:
    """One value that one source gives one setting.

    Attributes
    ----------
    setting, path
        What is set; `path` is one longer than the setting's own where an entry of a mapping is.
    value
        As the source gives it; a secret is wrapped from the start.
    spelled
        The setting and the value as in the source, the value of a secret masked.
    origin
        The source, as an error message ends: ``command line``, ``.env line 3``.
    source
        The source, as a table of settings names it: ``--fps``, ``environment variable RHEED_FPS``.
    """

    setting: Setting
    path: Path
    value: Any = field(repr=False)
    spelled: str
    origin: str
    source: str

    def problem(self, what: str) -> str:
        """Say what is wrong with it, in one line."""
        return f"{self.spelled}: {what} ({self.origin})"


@dataclass
class Reading:
    """What one source gives, and what is wrong with it."""

    assignments: dict[Path, Assignment] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def assign(
        self,
        setting: Setting,
        value: Any,
        name: str,
        joint: str,
        origin: str,
        *,
        entry: str | None = None,
        source: str | None = None,
    ) -> Assignment:
        """Note a value; the last one of a setting counts.

        Parameters
        ----------
        name, joint
            The setting as the source spells it, and what stands between it and the value.
        entry
            The name within a mapping.
        source
            Where it is not the same as `origin`.
        """
        shown = MASK if setting.is_secret else shown_value(value)
        if setting.is_secret and isinstance(value, str):
            value = SecretStr(value)
        path = setting.path if entry is None else (*setting.path, entry)
        home = _HOME.match(value) if setting.is_path and isinstance(value, str) else None
        if home:
            value = os.path.expanduser(value)  # noqa: PTH111 - tells by its outcome where there is none
        assignment = Assignment(setting, path, value, f"{name}{joint}{shown}", origin, source or origin)
        self.assignments[path] = assignment
        if home and value.startswith(home[0]):
            self.reject(assignment, "must be a path; the home directory it begins with is unknown")
        return assignment

    def reject(self, assignment: Assignment, what: str) -> None:
        """Take a value back whose form is wrong already in the source."""
        self.assignments.pop(assignment.path, None)
        self.problems.append(assignment.problem(what))


_SECRETS_OF_URLS = (
    (re.compile(r"//[^\s'\"]*@"), f"//{MASK}@"),
    # The same, of a URL whose beginning was forgotten; not a path's drive.
    (re.compile(r"(?<![\w/*])[^\s'\"/]*:(?!//|\\)[^\s'\"]*@"), f"{MASK}@"),
    (re.compile(r"(//[^\s'\"?]*\?)[^\s'\"]+"), rf"\1{MASK}"),
)
"""What may be a password or a token within a URL, and what is shown of it."""


def shown_value(value: Any) -> str:
    """Return a value for an error message: quoted, and not too long."""
    if isinstance(value, SecretStr):
        return MASK
    text = repr(value.value if isinstance(value, Enum) else value)
    if isinstance(value, bool):
        text = text.lower()
    for secret, shown in _SECRETS_OF_URLS:
        text = secret.sub(shown, text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


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
    if not file.is_file():
        return reading
    text = _text_of(file, file.name, reading)
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
    text = _text_of(file, shown, reading)
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


def _text_of(file: FilePath, shown: str, reading: Reading) -> str | None:
    try:
        # Editors on Windows begin a UTF-8 file with a byte order mark.
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        reading.problems.append(f"{shown}: is not UTF-8 text; save it as UTF-8")
    except OSError as error:
        reading.problems.append(f"{shown}: cannot be read: {error.strerror or error}")
    return None


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
