"""Reading a file that is another program's, which must not notice."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

_GENERIC_READ, _OPEN_EXISTING, _SHARE_ALL, _INVALID_HANDLE = 0x80000000, 3, 1 | 2 | 4, -1


def open_shared(path: Path) -> io.BufferedReader:
    """Open a file to read its bytes, and keep nobody from writing, renaming or deleting it meanwhile.

    On Windows a file that ``open`` has opened can be neither renamed nor deleted as long as it is open: the
    program whose file it is fails at that, now and then, where another one looks into it several times a
    second.

    Raises
    ------
    OSError
        As ``open`` does.
    """
    if sys.platform != "win32":
        return path.open("rb")
    import ctypes
    import msvcrt
    from ctypes import wintypes

    create = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
    create.restype = wintypes.HANDLE
    create.argtypes = (
        *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID),
        *(wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE),
    )
    handle = create(str(path), _GENERIC_READ, _SHARE_ALL, None, _OPEN_EXISTING, 0, None)
    if handle is None or handle == wintypes.HANDLE(_INVALID_HANDLE).value:
        error = ctypes.WinError(ctypes.get_last_error())
        raise OSError(error.errno, error.strerror, str(path), error.winerror)
    descriptor = msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT)
    return os.fdopen(descriptor, "rb")
