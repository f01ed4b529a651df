"""Descriptor 1 as all C libraries of a process have it: on Windows there may be several, each with its own.

Python has the universal one (ucrtbase.dll). What is built with MinGW, as some vendors' libraries are, prints
by msvcrt.dll, which opened its descriptors when the process began.
"""

from __future__ import annotations

import os
import sys

_STDOUT, _STDERR = 1, 2
_PROTECTED_FROM_CLOSING = 2  # HANDLE_FLAG_PROTECT_FROM_CLOSE


def lead_stdout_to_stderr() -> None:
    """Have what is printed on descriptor 1 come out at descriptor 2, by whichever C library.

    Raises
    ------
    OSError
        Descriptor 2 is closed.
    """
    if sys.platform == "win32":
        _lead_both()
    else:
        os.dup2(_STDERR, _STDOUT)


if sys.platform == "win32":

    def _lead_both() -> None:
        import ctypes
        import msvcrt

        kernel = ctypes.WinDLL("kernel32")
        kernel.SetHandleInformation.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
        kernel.CloseHandle.argtypes = [ctypes.c_void_p]
        # Both libraries close the same handle, the second perhaps what the first has just opened under its
        # number; and a number that one still prints to may become a file's.
        stdout = msvcrt.get_osfhandle(_STDOUT)
        kernel.SetHandleInformation(stdout, _PROTECTED_FROM_CLOSING, _PROTECTED_FROM_CLOSING)
        try:
            other = ctypes.CDLL("msvcrt")
            other.fflush(None)
            os.dup2(_STDERR, _STDOUT)
            other._dup2(_STDERR, _STDOUT)
        finally:
            kernel.SetHandleInformation(stdout, _PROTECTED_FROM_CLOSING, 0)
        kernel.CloseHandle(stdout)
