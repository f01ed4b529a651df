"""The command line, read into assignments.

Not argparse: it ends at the first mistake, repeats the value of an unknown flag (which may be a secret),
takes ``-1e-3`` for a flag, and cannot express ``--basler.features.NAME=VALUE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

from rheed_acquire.settings.assignments import Reading, shown_value
from rheed_acquire.settings.catalogue import Catalogue, Setting

_HELP = ("-h", "--help")
_INFORMATIVE = (*_HELP, "--version")


def asks_for(argv: Sequence[str]) -> Literal["help", "version"] | None:
    """Return what the command line asks to be shown instead of a run, if it does."""
    for word in argv:
        if word in _HELP:
            return "help"
        if word == "--version":
            return "version"
    return None


def help_topic(argv: Sequence[str]) -> str | None:
    """Return the word behind ``--help``, of what more is to be told; None where there is none."""
    for word, following in pairwise(argv):
        if word in _HELP and not following.startswith("-"):
            return following
    return None


def read_flags(argv: Sequence[str], catalogue: Catalogue) -> Reading:
    """Read the command line, without the program's name and the subcommand.

    ``--flag value`` and ``--flag=value`` are the same; a value that begins with ``--`` needs the second form.
    A flag given twice counts as given last, but for a list, where each adds one, and for a name in a mapping,
    which is refused: their order counts, and what is given twice has none. Switches have the forms
    ``--simulated.stamp``, ``--no-simulated.stamp`` and ``--simulated.stamp=false``. Names are never
    abbreviated.
    """
    reading = Reading()
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if token in _INFORMATIVE:
            continue
        name, equals, inline = token.partition("=")
        setting, entry, negated = _find(name, catalogue)
        if setting is None or setting.is_secret:
            reading.problems += _unknown(token, tokens, catalogue)
            continue
        value: Any = inline
        if setting.is_flag and not equals:
            value = not negated
        elif negated:
            reading.problems.append(f"{name}: takes no value (command line)")
            continue
        elif not equals:
            if not tokens or _is_flag(tokens[0]):
                form = f"{name}.NAME=VALUE" if setting.is_mapping and not entry else setting.metavar
                reading.problems.append(f"{name}: needs a value, {form} (command line)")
                continue
            value = tokens.pop(0)
        _assign(reading, setting, name, entry, value)
    return reading


def _find(name: str, catalogue: Catalogue) -> tuple[Setting | None, str | None, bool]:
    """Return the setting that a flag sets, the entry of a mapping, and whether it switches off."""
    if (setting := catalogue.by_flag.get(name)) is not None:
        return setting, None, False
    if name.startswith("--no-"):
        setting = catalogue.by_flag.get(f"--{name.removeprefix('--no-')}")
        return (setting, None, True) if setting is not None and setting.is_flag else (None, None, False)
    for flag, setting in catalogue.by_flag.items():
        if setting.is_mapping and name.startswith(f"{flag}.") and len(name) > len(flag) + 1:
            return setting, name[len(flag) + 1 :], False
    return None, None, False


def _assign(reading: Reading, setting: Setting, name: str, entry: str | None, value: Any) -> None:
    joint = "=" if setting.is_mapping else " "
    if setting.is_mapping and entry is not None:
        earlier = reading.assignments.get((*setting.path, entry))
        if earlier is not None:
            values = f"{shown_value(earlier.value)} and {shown_value(value)}"
            selected = "" if "[" in entry else f", or spell each {name}[SELECTED] where a selector chooses"
            reading.problems.append(
                f"{name}: is given twice, {values}; leave one out{selected} (command line)"
            )
            return
    if setting.is_list:
        earlier = reading.assignments.get(setting.path)
        value = [*(earlier.value if earlier else ()), value]
    assignment = reading.assign(setting, value, name, joint, "command line", entry=entry, source=name)
    if setting.is_mapping and entry is None:
        reading.reject(assignment, f"must be spelled {name}.NAME=VALUE")


def _is_flag(word: str) -> bool:
    return word.startswith("--") or word == "-h"


def _unknown(token: str, rest: list[str], catalogue: Catalogue) -> Iterator[str]:
    """Name a flag or a word that is none, without what may be its value.

    `rest` is what follows; the presumed value is taken from it.
    """
    # What follows "=" or ":" is a value, and a value may be a secret.
    name = re.split(r"[=:\s]", token, maxsplit=1)[0]
    takes_next = name == token and bool(rest)
    secret = catalogue.secret_meant(name)
    if secret is not None:
        if takes_next and _find(rest[0].partition("=")[0], catalogue)[0] is None:
            rest.pop(0)
        variable = next(iter(secret.other_variables), secret.variable)
        # The right name, not the one given, to which the value may be glued.
        yield (
            f"{secret.flag}: a secret does not belong on a command line, where others can read it; "
            f"set {variable} (command line)"
        )
        return
    if not name.startswith("-") or name == "-":
        yield f"unexpected argument {shown_value(name)} (command line)"
        return
    if takes_next and not _is_flag(rest[0]):
        rest.pop(0)
    shown = name if name.isprintable() else repr(name)
    head = name.lstrip("-").partition(".")[0]
    if "." in name and head in catalogue.absent:
        yield f"{shown}: {catalogue.absent[head]} (command line)"
        return
    near = catalogue.nearest(name, secrets=False)
    yield f"{shown}: no such flag; the nearest is {near.flag} (command line)"
