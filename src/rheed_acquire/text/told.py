"""What was raised, in one line."""

from __future__ import annotations


def told(error: BaseException) -> str:
    """Say in one line what a plugin, or anything, raised."""
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - even this is the plugin's
        text = ""
    kind = type(error)
    if kind in (ValueError, TypeError) and text:
        return text
    return f"{kind.__name__}: {text or 'no reason given'}"
