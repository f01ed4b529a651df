"""JSON from clients: taken strictly, so that nothing in it surprises what comes later."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from typing import Any

from rheed_acquire.server.refusal import Refusal

UNPROCESSABLE = 422

_LONGEST_INTEGER = 18
"""Digits that an int64 holds whatever they are."""
_DEEPEST = 4
_LONGEST_SHOWN = 80


class _NotTakenError(ValueError):
    """JSON, or nearly, that is not taken; the message says why."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259) in UTF-8.

    Not taken are, beyond what is no JSON: names given twice, numbers that are not finite or longer than 18
    digits, lone surrogates, and nesting deeper than any request needs.

    Raises
    ------
    Refusal
        422, with the reason.
    """
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_named_once,
            parse_int=_integer,
            parse_constant=_constant,
        )
        _check(parsed, _DEEPEST)
    except _NotTakenError as error:
        raise Refusal(UNPROCESSABLE, f"the body is not taken: {error}") from error
    except UnicodeDecodeError as error:
        raise Refusal(UNPROCESSABLE, f"the body is not UTF-8 (at byte {error.start})") from error
    except RecursionError as error:
        raise Refusal(UNPROCESSABLE, "the body is not taken: it is nested too deeply") from error
    except ValueError as error:
        raise Refusal(UNPROCESSABLE, f"the body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise Refusal(UNPROCESSABLE, "the body is not a JSON object")
    return parsed


def shown(value: object) -> str:
    """Write a value from outside into a message, cut where it is long."""
    text = repr(value)  # which escapes surrogates and controls
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def has_controls(text: str) -> bool:
    """Whether there is a control character in it, NUL and line ends among them."""
    return any(unicodedata.category(character) == "Cc" for character in text)


def is_encodable(text: str) -> bool:
    """Whether it can be written as UTF-8: lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _NotTakenError(f"{shown(twice)} is given twice")
    return named


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _LONGEST_INTEGER:
        raise _NotTakenError(f"a number of more than {_LONGEST_INTEGER} digits")
    return int(digits)


def _constant(name: str) -> float:
    raise _NotTakenError(f"{name} is no JSON number")


def _check(value: object, levels_left: int) -> None:
    if isinstance(value, str):
        if not is_encodable(value):
            raise _NotTakenError(f"lone surrogates in {shown(value)}")
        return
    if not isinstance(value, dict | list):
        return
    if levels_left == 0:
        raise _NotTakenError("it is nested too deeply")
    if isinstance(value, dict):
        for name in value:
            _check(name, levels_left)
        value = list(value.values())
    for item in value:
        _check(item, levels_left - 1)
