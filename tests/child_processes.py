"""The processes that a process has started and that still run, where Linux or Windows tells of them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Child:
    """A process that another has started.

    Attributes
    ----------
    words
        Its command line; on Windows cut at every space.
    """

    pid: int
    words: tuple[str, ...]


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _ALL_PROCESSES = 0x2
    _QUERY_AND_READ = 0x0410
    # Where they lie in what 64-bit Windows keeps of a process: Wine has no call that tells its command line.
    _BLOCK_IN_BASICS, _PARAMETERS_IN_BLOCK, _LINE_IN_PARAMETERS = 0x8, 0x20, 0x70

    class _Process(ctypes.Structure):
        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("program", wintypes.WCHAR * 260),
        )

    _kernel32, _ntdll = ctypes.WinDLL("kernel32"), ctypes.WinDLL("ntdll")
    _kernel32.OpenProcess.restype = _kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
    _kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    _kernel32.Process32FirstW.argtypes = _kernel32.Process32NextW.argtypes = (
        wintypes.HANDLE,
        ctypes.POINTER(_Process),
    )
    _kernel32.ReadProcessMemory.argtypes = (
        *(wintypes.HANDLE, ctypes.c_void_p, ctypes.c_void_p),
        *(ctypes.c_size_t, ctypes.c_void_p),
    )
    _ntdll.NtQueryInformationProcess.argtypes = (
        *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p),
        *(wintypes.ULONG, ctypes.c_void_p),
    )

    def children_of(pid: int) -> list[Child]:
        """List them."""
        snapshot = _kernel32.CreateToolhelp32Snapshot(_ALL_PROCESSES, 0)
        process = _Process(size=ctypes.sizeof(_Process))
        found = []
        is_one = _kernel32.Process32FirstW(snapshot, ctypes.byref(process))
        while is_one:
            if process.parent == pid:
                found.append(process.pid)
            is_one = _kernel32.Process32NextW(snapshot, ctypes.byref(process))
        _kernel32.CloseHandle(snapshot)
        return [Child(child, tuple(_command_line(child).split())) for child in found]

    def _command_line(pid: int) -> str:
        """A process's command line; empty where it has ended."""
        process = _kernel32.OpenProcess(_QUERY_AND_READ, False, pid)
        if not process:
            return ""

        def read(place: int, size: int) -> bytes:
            content = ctypes.create_string_buffer(size)
            is_read = _kernel32.ReadProcessMemory(process, place, content, size, None)
            return content.raw if is_read else bytes(size)

        def pointer(place: int) -> int:
            return int.from_bytes(read(place, 8), "little")

        basics = ctypes.create_string_buffer(48)
        _ntdll.NtQueryInformationProcess(process, 0, basics, len(basics), None)
        block = int.from_bytes(basics.raw[_BLOCK_IN_BASICS : _BLOCK_IN_BASICS + 8], "little")
        line = pointer(block + _PARAMETERS_IN_BLOCK) + _LINE_IN_PARAMETERS
        told = read(pointer(line + 8), int.from_bytes(read(line, 2), "little")).decode("utf-16-le", "replace")
        _kernel32.CloseHandle(process)
        return told

else:

    def children_of(pid: int) -> list[Child]:
        """List them; none on macOS, which has no ``/proc``."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, IndexError):  # it has ended meanwhile
                if int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1]) == pid:
                    words = (stat.parent / "cmdline").read_bytes().split(b"\0")
                    found.append(Child(int(stat.parent.name), tuple(map(os.fsdecode, words))))
        return found
