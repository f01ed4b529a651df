"""What makes way for the camera's thread: other threads, at the processor and at the interpreter."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

_NICENESS = 10
_THREAD_PRIORITY_BELOW_NORMAL = -1

SWITCH_INTERVAL_S = 5e-5
"""Python's own 5 ms are a frame's time at 200 frames/s."""


def make_way() -> None:
    """Lower the priority of the thread that calls this, and of those that it starts where Linux does that.

    Encoding takes all processors. A camera's callback that becomes ready then waits for a processor, unless
    those that keep it busy are of less weight. Where the system knows no priority for a single thread, or
    does not grant it, nothing changes.
    """
    if sys.platform == "linux":
        # By the number of a thread the call sets that thread alone (setpriority(2), "C library/kernel
        # differences"), and the threads of zstd inherit it.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
    elif sys.platform == "win32":
        with contextlib.suppress(OSError, AttributeError):
            kernel = ctypes.windll.kernel32
            kernel.SetThreadPriority(kernel.GetCurrentThread(), _THREAD_PRIORITY_BELOW_NORMAL)


def share_interpreter() -> None:
    """Let no thread keep the interpreter for long while another, as the camera's callback, waits for it."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
