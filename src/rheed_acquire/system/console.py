"""The closing of a console's window, of which Windows tells the programs in it before it ends them.

A handler is called in a thread that Windows makes for it, and when it returns the process ends: so it never
does. About five seconds later Windows ends the process in any case. Of logoff and shutdown only programs
without windows of their own are told, and a library may have made a program one with windows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_CLOSE, _LOGOFF, _SHUTDOWN = 2, 5, 6
"""What a handler is called with (SetConsoleCtrlHandler). Ctrl-C and Ctrl-Break, 0 and 1, come as signals."""

_kept: list[Any] = []
"""Handlers that Windows may call at any time from now on."""


def call_when_closed(on_close: Callable[[], None]) -> None:
    """Have ``on_close`` called when the console's window is closed, at logoff and at shutdown.

    The process ends when it returns. Elsewhere than on Windows nothing is done: there the same is a SIGHUP.
    """
    if sys.platform == "win32":
        import ctypes

        handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)(handler_for(on_close))
        _kept.append(handler)
        ctypes.windll.kernel32.SetConsoleCtrlHandler(handler, True)


def handler_for(on_close: Callable[[], None]) -> Callable[[int], bool]:
    """Make what Windows calls; true where it has seen to the event, false where others are to."""

    def handle(event: int) -> bool:
        if event not in (_CLOSE, _LOGOFF, _SHUTDOWN):
            return False
        on_close()
        return True

    return handle
