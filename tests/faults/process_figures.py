"""What a running process takes: resident memory, open files (Windows: handles) and threads."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figures:
    """A process at one instant."""

    resident_mb: float
    files: int
    threads: int


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _QUERY = 0x1000
    _LENGTH_MISMATCH = 0xC0000004
    _ALL_HANDLES = 64
    _ALL_THREADS = 0x4

    class _Memory(ctypes.Structure):
        _fields_ = (
            ("size", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            ("peak_resident", ctypes.c_size_t),
            ("resident", ctypes.c_size_t),
            ("others", ctypes.c_size_t * 6),
        )

    class _Handle(ctypes.Structure):
        _fields_ = (
            ("object", ctypes.c_void_p),
            ("pid", ctypes.c_size_t),
            ("handle", ctypes.c_size_t),
            ("others", ctypes.c_uint32 * 4),
        )

    class _Thread(ctypes.Structure):
        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("thread", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("others", wintypes.LONG * 3),
        )

    _kernel32, _ntdll = ctypes.WinDLL("kernel32"), ctypes.WinDLL("ntdll")
    _kernel32.OpenProcess.restype = wintypes.HANDLE
    _kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    _kernel32.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Memory), wintypes.DWORD)
    _kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
    _kernel32.Thread32First.argtypes = _kernel32.Thread32Next.argtypes = (
        wintypes.HANDLE,
        ctypes.POINTER(_Thread),
    )

    def figures_of(pid: int) -> Figures | None:
        """Ask for a process's figures; None where it has ended."""
        process = _kernel32.OpenProcess(_QUERY, False, pid)
        if not process:
            return None
        memory = _Memory(size=ctypes.sizeof(_Memory))
        told = _kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(memory), memory.size)
        _kernel32.CloseHandle(process)
        threads = _threads(pid)
        return Figures(memory.resident / 2**20, _handles(pid), threads) if told and threads else None

    def _handles(pid: int) -> int:
        # By the list of all: GetProcessHandleCount says 0 on Wine.
        size = 1 << 20
        while True:
            table, needed = ctypes.create_string_buffer(size), ctypes.c_uint32()
            status = _ntdll.NtQuerySystemInformation(_ALL_HANDLES, table, size, ctypes.byref(needed))
            if status & 0xFFFFFFFF != _LENGTH_MISMATCH:
                break
            size = 2 * max(size, needed.value)
        if status:
            raise OSError(f"Windows does not list its handles ({status & 0xFFFFFFFF:#x})")
        count = ctypes.c_size_t.from_buffer(table).value
        handles = (_Handle * count).from_buffer(table, 2 * ctypes.sizeof(ctypes.c_size_t))
        return sum(handle.pid == pid for handle in handles)

    def _threads(pid: int) -> int:
        snapshot = _kernel32.CreateToolhelp32Snapshot(_ALL_THREADS, 0)
        thread = _Thread(size=ctypes.sizeof(_Thread))
        count, is_one = 0, _kernel32.Thread32First(snapshot, ctypes.byref(thread))
        while is_one:
            count += thread.pid == pid
            is_one = _kernel32.Thread32Next(snapshot, ctypes.byref(thread))
        _kernel32.CloseHandle(snapshot)
        return count

else:

    def figures_of(pid: int) -> Figures | None:
        """Read a process's figures in Linux's ``/proc``; None where it has ended."""
        place = Path("/proc") / str(pid)
        try:
            status = dict(
                line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line
            )
            files = len(list((place / "fd").iterdir()))
            resident_kb = int(status["VmRSS"].split()[0])
        except (OSError, KeyError):
            return None
        return Figures(resident_kb / 1024, files, int(status["Threads"]))
