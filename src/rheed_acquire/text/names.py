"""Names, labels and ids as users give them, made such that every file, server and screen takes them."""

from __future__ import annotations

import unicodedata

_FIRST_ESCAPED, _LAST_ESCAPED = 0xDC80, 0xDCFF
"""Bytes that were no UTF-8, as Python keeps them in command lines and variables (PEP 383)."""


def clean_name(name: str) -> str:
    """Trim a name, and mend what cannot be written or shown, so that it never costs a run.

    A byte that is no UTF-8 is taken for Windows-1252, which has Latin-1's letters, another lone surrogate
    becomes U+FFFD, and a control character, such as a tab or NUL, a space.
    """
    return "".join(map(_clean, name)).strip()


def _clean(character: str) -> str:
    code = ord(character)
    if _FIRST_ESCAPED <= code <= _LAST_ESCAPED:
        return bytes([code - 0xDC00]).decode("cp1252", "replace")
    category = unicodedata.category(character)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return " " if category == "Cc" else character
