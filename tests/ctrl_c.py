"""Ctrl-C as a user presses it, for a process that a test has started."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

OWN_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Creation flags of a process that is to get one: on Windows it goes to every process of a console."""

_PRESS = """
import ctypes, sys
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.FreeConsole()
kernel32.SetConsoleCtrlHandler(None, True)  # not this process
if not kernel32.AttachConsole(int(sys.argv[1])) or not kernel32.GenerateConsoleCtrlEvent(0, 0):
    sys.exit(f"no Ctrl-C: Windows says {ctypes.get_last_error()}")
"""


def press_ctrl_c(process: subprocess.Popen[Any]) -> None:
    """Press it in the process's console, which on Windows must be its own, by `OWN_CONSOLE`."""
    if sys.platform == "win32":
        subprocess.run([sys.executable, "-c", _PRESS, str(process.pid)], check=True)
    else:
        process.send_signal(signal.SIGINT)
