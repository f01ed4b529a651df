"""The camera's thread goes before those that encode and deliver, at the processor and at the interpreter.

Linux divides the processors by weight, so that a thread of less weight than another program's still gets its
share. Windows' priorities are strict: a thread below another program's that keeps all processors busy stands
still for seconds, be the interpreter's lock in its hands or not ("Scheduling Priorities", "Priority Boosts",
Microsoft's documentation of Win32). So nothing is lowered there; the camera's thread is raised instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

_NICENESS = 10
_THREAD_PRIORITY_ABOVE_NORMAL = 1

SWITCH_INTERVAL_S = 5e-5
"""Python's own 5 ms are a frame's time at 200 frames/s."""


def make_way() -> None:
    """Lower the priority of the thread that calls this, and of those that it starts where Linux does that.

    Encoding takes all processors. A camera's callback that becomes ready then waits for a processor, unless
    those that keep it busy are of less weight. Elsewhere nothing changes.
    """
    if sys.platform == "linux":
        # By the number of a thread the call sets that thread alone (setpriority(2), "C library/kernel
        # differences"), and the threads of zstd inherit it.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class _OfThread(threading.local):
    goes_first = False


_of_thread = _OfThread()


def go_first() -> None:
    """Raise the priority of the thread that calls this, on Windows; again does nothing."""
    if _of_thread.goes_first:
        return
    _of_thread.goes_first = True
    if sys.platform == "win32":
        with contextlib.suppress(OSError, AttributeError):
            # Said what is what: an int, for which ctypes would take it, has not the length of a handle.
            kernel = ctypes.WinDLL("kernel32")
            kernel.GetCurrentThread.restype = ctypes.c_void_p
            kernel.SetThreadPriority.argtypes = [ctypes.c_void_p, ctypes.c_int]
            kernel.SetThreadPriority(kernel.GetCurrentThread(), _THREAD_PRIORITY_ABOVE_NORMAL)


def share_interpreter() -> None:
    """Let no thread keep the interpreter for long while another, as the camera's callback, waits for it."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
