"""What the processes that this one starts get to know of its environment."""

from __future__ import annotations

import os

_KEYS = ("AS_API_KEY", "ATOMSCALE_API_KEY")
_SETTINGS = "RHEED_"


def child_environment() -> dict[str, str]:
    """Give the environment without keys, and without settings, of which any backend's may be secret."""
    # Names of settings are read in any case.
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in _KEYS and not name.upper().startswith(_SETTINGS)
    }
