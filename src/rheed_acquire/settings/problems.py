"""What is wrong with the settings, in the words of this project's messages; pydantic finds it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import SecretStr

from rheed_acquire.settings.assignments import Assignment
from rheed_acquire.settings.catalogue import Catalogue
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Names of backends are not under this project's control: the prefix keeps one called "copy" or "json" apart
# from the attributes of a pydantic model.
TABLE = "table_"


def problems_of(
    details: Iterable[ErrorDetails],
    given: Mapping[tuple[str, ...], Assignment],
    catalogue: Catalogue,
) -> Iterator[str]:
    """Say what is wrong, a line for each setting, with the value that was given and its source."""
    requirements: dict[tuple[str, ...], list[str]] = {}
    for detail in details:
        place = tuple(str(step) for step in detail["loc"])
        path = place[1:] if place[:1] == ("run",) else (place[1][len(TABLE) :], *place[2:])
        if detail["type"] == "conflicts":
            for fields, why in detail["ctx"]["conflicts"]:
                sides = [given[(name,)] for name in fields if (name,) in given]
                named = " and ".join(f"{side.spelled} ({side.origin})" for side in sides)
                requirements.setdefault((named,), []).append(why)
            continue
        # A place may go further than what was assigned: to an item of a list or a member of a union.
        whole = path
        while path and path not in given and not _is_table(path, catalogue):
            path = path[:-1]
        what = _redacted(requirement(detail), given)
        within = whole[len(path) :]
        if len(within) == 2 and within[0].isdigit() and detail["type"] != "missing":  # a field of an item
            what = f"the {within[1]} of number {int(within[0]) + 1} {what}"
        requirements.setdefault(path, []).append(what)
    for path, whats in requirements.items():
        what = " or ".join(dict.fromkeys(whats))
        if path in given:
            yield given[path].problem(what)
        elif len(path) == 1 and _is_table(path, catalogue):
            inside = [f"{a.spelled} ({a.origin})" for at, a in given.items() if at[:1] == path]
            yield f"{path[0]}: {what}; given: {', '.join(inside)}"
        else:
            yield f"{'.'.join(path)}: {what}"


def _is_table(path: tuple[str, ...], catalogue: Catalogue) -> bool:
    return len(path) == 1 and path[0] in catalogue.tables


def requirement(detail: ErrorDetails) -> str:
    """Say what a value must be, in the words of this project's messages."""
    kind, message = detail["type"], detail["msg"]
    if kind in ("float_type", "float_parsing"):
        return "must be a number"
    if kind in ("int_type", "int_parsing", "int_from_float", "int_parsing_size"):
        return "must be a whole number"
    if kind in ("bool_type", "bool_parsing"):
        return "must be true or false"
    if kind == "string_type":
        return "must be text"
    if kind in ("tuple_type", "list_type", "set_type"):
        return 'must be a list such as ["a", "b"]'
    if kind == "extra_forbidden":
        return "is not known"
    if kind == "missing":
        return f"needs a value for {detail['loc'][-1]}"
    message = re.sub(r"^(Value error|Assertion failed), ", "", message)
    message = re.sub(r"^(Input|Value|String|Tuple|List) should be ", "must be ", message)
    message = re.sub(r"^(String|Tuple|List) should have ", "must have ", message)
    return message.removesuffix(".")


def _redacted(message: str, given: Mapping[tuple[str, ...], Assignment]) -> str:
    """Take secrets out of the words of a plugin's own validator."""
    for assignment in given.values():
        if assignment.setting.is_secret:
            value = assignment.value
            secret = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            if secret and secret in message:
                message = "is not accepted"
    return message


def failure(error: BaseException) -> str:
    """Say that a plugin's model raised something else than what is for wrong values."""
    return f"the plugin failed to check its settings: {told(error)}"
