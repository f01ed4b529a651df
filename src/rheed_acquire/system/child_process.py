"""The processes that this one starts: what they are told, and how the local server and the view begin."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

_KEYS = ("AS_API_KEY", "ATOMSCALE_API_KEY")
_SETTINGS = "RHEED_"


def child_environment() -> dict[str, str]:
    """Give the environment without keys, and without settings, of which any backend's may be secret."""
    # Names of settings are read in any case.
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in _KEYS and not name.upper().startswith(_SETTINGS)
    }


def start_child(
    module: str, *arguments: str, stderr: IO[bytes], bufsize: int = -1
) -> subprocess.Popen[bytes]:
    """Start ``python -m module``, with pipes to its stdin and from its stdout.

    It does not get the terminal's Ctrl-C, and learns of this process's end by that of its stdin.

    Raises
    ------
    OSError
        It cannot be started.
    """
    creation_flags = 0
    if sys.platform == "win32":
        creation_flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    # -P: what lies in the current folder must not stand in for the modules of the installation.
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", module, *arguments],
        bufsize=bufsize,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=child_environment(),
        start_new_session=True,
        creationflags=creation_flags,
    )
