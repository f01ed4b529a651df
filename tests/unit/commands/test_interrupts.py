"""What asks for the end of a run besides Ctrl-C."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
from tests.hang_ups import hang_ups

from rheed_acquire.commands.attend import Interrupts
from rheed_acquire.system.console import handler_for

CTRL_C, CTRL_BREAK, CLOSE, LOGOFF, SHUTDOWN = 0, 1, 2, 5, 6

CLOSES_ITSELF = """
import ctypes, time
from rheed_acquire.commands.attend import count_interrupts

interrupts = count_interrupts()
kernel = ctypes.WinDLL("kernel32")
kernel.GetModuleHandleW.restype = kernel.GetProcAddress.restype = ctypes.c_void_p
kernel.GetProcAddress.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
pointer = ctypes.c_void_p
kernel.CreateThread.argtypes = [pointer, ctypes.c_size_t, pointer, pointer, ctypes.c_uint32, pointer]
# So Windows itself calls the handlers: in a thread that begins here.
begin = kernel.GetProcAddress(kernel.GetModuleHandleW("kernelbase"), b"CtrlRoutine")
kernel.CreateThread(None, 0, begin, 2, 0, None)
while interrupts.count < 2:
    time.sleep(0.01)
print("asked twice", flush=True)
"""

HANGS_UP = """
import os, signal
from rheed_acquire.commands.attend import count_interrupts

interrupts = count_interrupts()
for number in (signal.SIGHUP, signal.SIGTERM):
    os.kill(os.getpid(), number)
print(interrupts.count)
"""

STARTS_THE_VIEW = """
import signal, subprocess, sys
from pathlib import Path
from rheed_acquire.commands import shortcut

run = subprocess.run
looks = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
subprocess.run = lambda command, **more: run([sys.executable, "-c", looks], **more)
shortcut.start(Path("gun.toml").absolute())
"""


class EnoughError(Exception):
    """The process would have ended by now."""


def test_a_window_that_is_closed_asks_once_and_then_for_the_uploads_to_be_given_up() -> None:
    interrupts, counts = Interrupts(), []

    def pause(seconds: float) -> None:
        counts.append(interrupts.count)
        if len(counts) == 3:
            raise EnoughError

    with pytest.raises(EnoughError):
        interrupts.close(pause)
    assert counts == [1, 2, 2]


def test_a_window_that_is_closed_after_two_interrupts_asks_for_no_sudden_end() -> None:
    interrupts = Interrupts()
    interrupts.count = 2

    def pause(seconds: float) -> None:
        if seconds > 10:
            raise EnoughError

    with pytest.raises(EnoughError):
        interrupts.close(pause)
    assert interrupts.count == 2


def test_closing_logging_off_and_shutting_down_are_heeded_and_the_rest_is_left_to_the_signals() -> None:
    called: list[None] = []
    handle = handler_for(lambda: called.append(None))
    heeded = [event for event in (CTRL_C, CTRL_BREAK, CLOSE, LOGOFF, SHUTDOWN) if handle(event)]
    assert heeded == [CLOSE, LOGOFF, SHUTDOWN]
    assert len(called) == 3


@pytest.mark.skipif(not hasattr(ctypes, "WinDLL"), reason="Windows' way")
def test_windows_asks_through_the_handler() -> None:
    done = subprocess.run([sys.executable, "-c", CLOSES_ITSELF], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "asked twice", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hang-up")
@pytest.mark.parametrize(("are_ignored", "heeded"), [(False, 2), (True, 1)])
def test_a_hang_up_asks_for_the_end_and_under_nohup_for_nothing(are_ignored: bool, heeded: int) -> None:
    assert _said(HANGS_UP, are_ignored=are_ignored) == str(heeded)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hang-up")
@pytest.mark.parametrize("are_ignored", [False, True])
def test_the_view_that_a_shortcut_starts_ignores_hang_ups_where_the_shortcut_does(are_ignored: bool) -> None:
    assert _said(STARTS_THE_VIEW, are_ignored=are_ignored) == str(are_ignored)


def _said(script: str, *, are_ignored: bool) -> str:
    with hang_ups(are_ignored=are_ignored):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
