"""Paths of more than 260 characters: unless set up for them, Windows takes them in one form only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOM_BELOW = 160
"""Characters that a run or the spool adds to the folder that it is given, by far."""
_LONGEST_PATH = 259
_AS_IT_STANDS, _OF_A_SERVER = "\\\\?\\", "\\\\?\\UNC\\"


def with_room_below(folder: Path) -> Path:
    """Return the same folder, on Windows in a form such that no path below it is too long.

    Only where it need be: the form is absolute, and not what a user has typed.
    """
    absolute = os.path.abspath(folder)  # noqa: PTH100 - links stay, and no ".."
    return Path(extended(absolute)) if is_narrow(absolute, longest_path()) else folder


def is_narrow(absolute: str, longest: int | None) -> bool:
    """Whether a path below this folder may be longer than ``longest``; None is for any length."""
    return longest is not None and len(absolute) + ROOM_BELOW > longest


def extended(absolute: str) -> str:
    r"""Write an absolute Windows path, with backslashes and without ``..``, in the form for long ones."""
    if absolute.startswith(_AS_IT_STANDS):
        return absolute
    if absolute.startswith("\\\\"):
        return _OF_A_SERVER + absolute.removeprefix("\\\\")
    return _AS_IT_STANDS + absolute


def real_path(path: Path) -> Path:
    """Follow the links of a path, as far as the system says where they lead.

    Some file systems of Windows do not say it, as disks in memory, which is no reason not to use them. Wine
    does not for paths of more than 260 characters.
    """
    try:
        return Path(os.path.realpath(path))
    except OSError:
        return Path(os.path.abspath(path))  # noqa: PTH100 - that is all there is to be had


def longest_path() -> int | None:
    """How many characters a path may have here; None where they need not be counted."""
    if sys.platform == "win32":
        import ctypes

        try:
            # Windows 10 of 1607 and later, where its user has allowed them; python.exe says that it can.
            takes_long_ones = bool(ctypes.windll.ntdll.RtlAreLongPathsEnabled() & 0xFF)
        except AttributeError:
            takes_long_ones = False
        return None if takes_long_ones else _LONGEST_PATH
    return None
