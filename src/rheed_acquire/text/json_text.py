"""JSON that every reader takes, whatever the values are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rheed_acquire.text.printable_text import well_formed


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Write a value as JSON, in ASCII.

    JSON has neither NaN nor infinities: they become null. Lone surrogates, which strict readers refuse,
    become U+FFFD, and what is of no type of JSON its ``str``.
    """
    return json.dumps(_of_json(value), indent=indent, default=_shown, allow_nan=False)


def _of_json(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {well_formed(str(key)): _of_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_of_json(item) for item in value]
    return value


def _shown(value: object) -> str:
    return well_formed(str(value))
