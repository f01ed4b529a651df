"""Windows' shortcuts (``.lnk``), made by the Windows shell itself, whose interface is called through ctypes.

The numbers of the methods are their places in the interfaces IUnknown, IPersistFile and IShellLinkW, and the
identifiers are those of ``shobjidl_core.h`` and ``objidl.h``; both are part of Windows' ABI and never change.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

_SHELL_LINK = UUID("00021401-0000-0000-c000-000000000046")
_I_SHELL_LINK = UUID("000214f9-0000-0000-c000-000000000046")
_I_PERSIST_FILE = UUID("0000010b-0000-0000-c000-000000000046")

_IN_THIS_PROCESS = 1
_APARTMENT = 2
_CHANGED_MODE = -2147417850
"""The thread has begun with COM already, in another manner, which does as well."""

_QUERY_INTERFACE, _RELEASE = 0, 2
_SAVE = 6
_SET_DESCRIPTION, _SET_WORKING_DIRECTORY, _SET_ARGUMENTS, _SET_PATH = 7, 9, 11, 20


if sys.platform == "win32":

    def save_shell_link(target: Path, command: Sequence[str], description: str) -> None:
        """Write a shortcut that starts ``command`` in the user's home folder; one that is there is replaced.

        Raises
        ------
        OSError
            Windows does not make it.
        """
        program, *arguments = command
        begun = ctypes.windll.ole32.CoInitializeEx(None, _APARTMENT)
        if begun < 0 and begun != _CHANGED_MODE:
            raise ctypes.WinError(begun)
        try:
            link = ctypes.c_void_p()
            # OleDLL raises OSError where a function fails.
            ctypes.OleDLL("ole32").CoCreateInstance(
                *(_guid(_SHELL_LINK), None, _IN_THIS_PROCESS, _guid(_I_SHELL_LINK), ctypes.byref(link))
            )
            try:
                _call(link, _SET_PATH, program)
                _call(link, _SET_ARGUMENTS, subprocess.list2cmdline(arguments))
                _call(link, _SET_WORKING_DIRECTORY, str(Path.home()))
                _call(link, _SET_DESCRIPTION, description)
                file = ctypes.c_void_p()
                _call(link, _QUERY_INTERFACE, _guid(_I_PERSIST_FILE), ctypes.byref(file))
                try:
                    _call(file, _SAVE, str(target), True)
                finally:
                    _method(file, _RELEASE, ctypes.c_ulong)
            finally:
                _method(link, _RELEASE, ctypes.c_ulong)
        finally:
            if begun >= 0:
                ctypes.windll.ole32.CoUninitialize()

    def _call(of: ctypes.c_void_p, number: int, *arguments: Any) -> None:
        _method(of, number, ctypes.HRESULT, *arguments)  # which makes an OSError of a failure

    def _method(of: ctypes.c_void_p, number: int, result: Any, *arguments: Any) -> None:
        table = ctypes.cast(of, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
        kinds = (ctypes.c_void_p, *map(_kind, arguments))
        ctypes.WINFUNCTYPE(result, *kinds)(table[number])(of, *arguments)

    def _guid(value: UUID) -> Any:
        return ctypes.create_string_buffer(value.bytes_le, 16)

    def _kind(argument: Any) -> Any:
        if isinstance(argument, str):
            return ctypes.c_wchar_p
        return ctypes.c_int if isinstance(argument, bool) else ctypes.c_void_p

else:

    def save_shell_link(target: Path, command: Sequence[str], description: str) -> None:  # noqa: ARG001
        """Raise `OSError`: only Windows makes such shortcuts."""
        raise OSError("only Windows makes such shortcuts")
