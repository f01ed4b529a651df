"""Loading a producer as its vendor means it, which the SDK's binding does not do on Windows."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_WITH_ITS_OWN_FOLDER = 0x8
"""LOAD_WITH_ALTERED_SEARCH_PATH: the DLLs that it needs are looked for beside it first."""
_LONGEST_PATH = 1 << 15


def loadable(path: Path) -> str:
    """Return how the binding is to be told of a producer's file, once it can load it.

    On Windows the binding calls ``LoadLibraryA`` with the path in UTF-8. By that neither the DLLs of the
    producer's own folder are found (nor by `os.add_dll_directory`, which is for other calls), nor a path that
    is not ASCII. So the file is loaded here before, in the right manner, and stays so; and its path is
    written with short names.

    Raises
    ------
    OSError
        Windows does not load it, or has no name for it that the binding takes.
    """
    if sys.platform != "win32":
        return str(path)
    try:
        ctypes.WinDLL(str(path), winmode=_WITH_ITS_OWN_FOLDER)
    except OSError as error:  # in the SDK's words
        raise OSError(f"Failed to load CTI file: {error.strerror or error}") from None
    if str(path).isascii():
        return str(path)
    short = ctypes.create_unicode_buffer(_LONGEST_PATH)
    ctypes.windll.kernel32.GetShortPathNameW(str(path), short, _LONGEST_PATH)
    if not short.value or not short.value.isascii():
        raise OSError(
            "the GenICam SDK takes no path with letters beyond ASCII, and this drive makes no short names: "
            "copy the folder of the producer elsewhere"
        )
    return short.value
