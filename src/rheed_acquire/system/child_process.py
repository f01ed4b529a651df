"""The processes that this one starts: what they are told, and how the local server and the view begin."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from typing import IO, Any

logger = logging.getLogger(__name__)

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


class ChildProcess:
    """A process of ``python -m module``, with pipes to its stdin and from its stdout.

    It does not get the terminal's Ctrl-C, and learns of this process's end by that of its stdin.

    Parameters
    ----------
    module, arguments
        What it runs.
    bufsize
        Of the pipes, as `subprocess.Popen` takes it.

    Attributes
    ----------
    stdin, stdout
        The pipes.
    last_words
        Once it has ended: the last line of its stderr, or else its exit code.

    Raises
    ------
    OSError
        It cannot be started.
    """

    def __init__(self, module: str, *arguments: str, bufsize: int = -1) -> None:
        # Kept open for as long as the child may write to it; read only once it has ended.
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._module = module
        self._ending = threading.Lock()
        self.last_words = ""
        creation_flags = 0
        if sys.platform == "win32":
            creation_flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        try:
            # -P: what lies in the current folder must not stand in for the modules of the installation.
            self._popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", module, *arguments],
                bufsize=bufsize,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=child_environment(),
                start_new_session=True,
                creationflags=creation_flags,
            )
        except OSError:
            self._stderr.close()
            raise
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self.stdin: IO[bytes] = self._popen.stdin
        self.stdout: IO[bytes] = self._popen.stdout

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()

    def answer(self, limit_s: float) -> dict[str, Any]:
        """Wait for a line of its stdout that holds a JSON object; empty where it says anything else.

        Past ``limit_s`` seconds it is killed.
        """
        limit = threading.Timer(limit_s, self._popen.kill)
        limit.daemon = True
        limit.start()
        try:
            answer = json.loads(self.stdout.readline() or b"null")
        except ValueError:
            answer = None
        finally:
            limit.cancel()
            limit.join()
        return answer if isinstance(answer, dict) else {}

    def end(self, patience_s: float) -> None:
        """Wait so many seconds for its end, then make one. Again does nothing."""
        with self._ending:
            if self._stderr.closed:
                return
            try:
                self._popen.wait(patience_s)
            except subprocess.TimeoutExpired:
                logger.warning("%s did not end within %g s and was ended", self._module, patience_s)
                self._popen.kill()
                self._popen.wait()
            self._stderr.seek(0)
            lines = self._stderr.read().decode(errors="replace").strip().splitlines()
            self.last_words = lines[-1] if lines else f"exit code {self._popen.returncode}"
            self._stderr.close()
