"""Keeping the computer from going to sleep while a run goes on, by the means of each system."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from rheed_acquire.system.child_process import child_environment

logger = logging.getLogger(__name__)

_ES_CONTINUOUS = 0x80000000
_ES_SYSTEM_REQUIRED = 0x00000001
_WHY = "a RHEED camera is being recorded"
_PATIENCE_S = 5.0


@contextlib.contextmanager
def kept_awake() -> Iterator[None]:
    """Ask the system not to sleep of itself; a user may still send it to sleep, and the screen goes dark.

    Enter and leave it in one thread, to which Windows ties the request. On macOS ``caffeinate`` makes it,
    on Linux ``systemd-inhibit``, each for as long as a process lives that ends with this one. Where that
    cannot be had, or is refused, as in a container, nothing is kept awake, and nothing fails.
    """
    if sys.platform == "win32":
        with _request_of_this_thread():
            yield
    else:
        with _held_by(_inhibitor()):
            yield


@contextlib.contextmanager
def _request_of_this_thread() -> Iterator[None]:
    if sys.platform == "win32":
        import ctypes

        request = ctypes.windll.kernel32.SetThreadExecutionState
        request.argtypes, request.restype = (ctypes.c_uint32,), ctypes.c_uint32
        if not request(_ES_CONTINUOUS | _ES_SYSTEM_REQUIRED):
            logger.debug("Windows takes no request to stay awake")
        try:
            yield
        finally:
            request(_ES_CONTINUOUS)
    else:
        yield


def _inhibitor() -> list[str] | None:
    """The command that keeps this system awake while it runs; None where there is none."""
    if sys.platform == "darwin":
        program, arguments = "caffeinate", ["-i", "-w", str(os.getpid())]
    else:
        # cat ends with its stdin, however this process ends.
        program, *arguments = (
            "systemd-inhibit",
            "--what=sleep:idle",
            "--who=rheed-acquire",
            f"--why={_WHY}",
            "cat",
        )
    found = shutil.which(program)
    return None if found is None else [found, *arguments]


@contextlib.contextmanager
def _held_by(command: list[str] | None) -> Iterator[None]:
    if command is None:
        yield
        return
    try:
        holder = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            start_new_session=True,  # not ended by the terminal's Ctrl-C, while uploads go on
        )
    except OSError as error:
        logger.debug("nothing keeps this computer awake: %s", error)
        yield
        return
    try:
        yield
    finally:
        assert holder.stdin is not None
        with contextlib.suppress(OSError):
            holder.stdin.close()
        holder.terminate()
        try:
            holder.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()
