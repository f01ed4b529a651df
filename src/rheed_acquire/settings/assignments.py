"""What one source gives the settings: assignments that know their origin, and what is wrong with it.

A reader never raises for what a user wrote: it notes the problem and reads on, so that one message can name
everything that is wrong.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path as FilePath
from typing import Any

from pydantic import SecretStr

from rheed_acquire.settings.catalogue import MASK, Path, Setting
from rheed_acquire.system.file_mode import mode_of

_LONGEST_SHOWN = 60
_HOME = re.compile(r"~[^/\\]*")
"""How a path below somebody's home begins. A shell knows it where a word begins, nobody does in a file."""


_ESCAPED = (
    "must not hold a control character; in double quotes a backslash begins an escape: "
    "write 'C:\\runs' or C:/runs"
)
"""``"C:\\runs"`` of a file is ``C:``, a carriage return and ``uns``, and is shown as it was typed."""


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
        is_whole_mapping = setting.is_mapping and entry is None  # whose entries come one by one
        is_escaped = setting.holds_paths and not is_whole_mapping and _is_escaped(value)
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
        if is_escaped:
            self.reject(assignment, _ESCAPED)
        return assignment

    def reject(self, assignment: Assignment, what: str) -> None:
        """Take a value back whose form is wrong already in the source."""
        self.assignments.pop(assignment.path, None)
        self.problems.append(assignment.problem(what))


def _is_escaped(value: Any) -> bool:
    """Whether a text, or one of several, has what an escape of a letter makes; a blank one is not given."""
    if isinstance(value, list | tuple):
        return any(_is_escaped(item) for item in value)
    return isinstance(value, str) and bool(value.strip()) and any(one in value for one in "\a\b\t\n\v\f\r")


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


def kind_of(file: FilePath, shown: str, reading: Reading) -> int | None:
    """Return the mode of a source's file, 0 where none is; None where that cannot be told, which is noted."""
    try:
        return mode_of(file)
    except OSError as error:
        reading.problems.append(_unreadable(shown, error))
    return None


def text_of(file: FilePath, shown: str, reading: Reading) -> str | None:
    """Read a source's text; None where that cannot be done, which is noted."""
    try:
        # Editors on Windows begin a UTF-8 file with a byte order mark.
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        reading.problems.append(f"{shown}: is not UTF-8 text; save it as UTF-8")
    except OSError as error:
        reading.problems.append(_unreadable(shown, error))
    return None


def _unreadable(shown: str, error: OSError) -> str:
    return f"{shown}: cannot be read: {error.strerror or error}"
