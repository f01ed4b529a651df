"""The local server as a process of its own, seen from the process that needs it."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import SecretStr

from rheed_acquire.child_process import start_child
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.server.run_folders import find_run_folder
from rheed_acquire.server.running import endpoint_of

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 60.0


class LocalServer:
    """A server of this machine for the time of a ``with``, or between `start` and `stop`.

    It ends when its parent does, however that ends: it watches the pipe that its key came through. It does
    not get the terminal's Ctrl-C, so that what is still on its way can be delivered.

    Parameters
    ----------
    directory
        Where the runs are kept; made where it is not there.
    host
        What to listen on; anything but a loopback address lets other machines in.
    port
        0 takes any that is free.
    close_after_s
        Silence after which a stream is closed, in seconds; None for the protocol's two hours.

    Attributes
    ----------
    api_key
        Made for this server at random.
    """

    def __init__(
        self, directory: Path, host: str = "127.0.0.1", port: int = 0, *, close_after_s: float | None = None
    ) -> None:
        self.directory = directory.absolute()
        self.api_key = SecretStr(secrets.token_urlsafe(32))
        self._host = host
        self._port = port
        self._close_after_s = close_after_s
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._answer = b""
        self._last_words = ""

    def begin(self) -> None:
        """Start the process without waiting for it; `wait_ready` does, after other things were done."""
        if self._child is not None:
            return
        arguments = [str(self.directory), self._host, str(self._port)]
        if self._close_after_s is not None:
            arguments.append(str(self._close_after_s))
        # Kept open for as long as the child may write to it; read only where the child fails.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._child = start_child("rheed_acquire.server", *arguments, stderr=self._stderr)
        except OSError as error:
            self._stderr.close()
            raise RheedAcquireError(
                f"the local server cannot be started with {sys.executable}: {error}"
            ) from error
        self._reader = threading.Thread(target=self._read_answer, args=(self._child,), daemon=True)
        self._reader.start()
        try:
            assert self._child.stdin is not None
            self._child.stdin.write(self.api_key.get_secret_value().encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            pass  # it died at once; wait_ready tells why

    def _read_answer(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        self._answer = child.stdout.readline()

    def wait_ready(self) -> None:
        """Wait until the server answers requests.

        Raises
        ------
        RheedAcquireError
            It could not start; the message is the server's own.
        """
        assert self._child is not None
        assert self._reader is not None
        self._reader.join(_START_LIMIT_S)
        try:
            answer = json.loads(self._answer or b"null")
        except ValueError:
            answer = None
        if isinstance(answer, dict) and "port" in answer:
            self._port = answer["port"]
            return
        self.stop()
        if isinstance(answer, dict) and "error" in answer:
            raise RheedAcquireError(answer["error"])
        raise RheedAcquireError(f"the local server did not start: {self._last_words}")

    def start(self) -> Self:
        """Start the server and wait until it answers requests; see `wait_ready`."""
        self.begin()
        self.wait_ready()
        return self

    def stop(self) -> None:
        """End the server; what it is doing for a request it finishes first. Again does nothing.

        Where it takes longer than a minute (shards are being moved together) it is ended all the same, and
        the next server on the directory completes that.
        """
        child = self._child
        if child is None or child.stdin is None or child.stdin.closed:
            return
        with contextlib.suppress(OSError):  # it may be dead already
            child.stdin.close()
        try:
            child.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._reader is not None:
            self._reader.join()
        assert child.stdout is not None
        child.stdout.close()
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        self._last_words = lines[-1] if lines else "it left no message"
        self._stderr.close()

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return endpoint_of(self._host, self._port)

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._child is not None
        return self._child.pid

    def run_directory(self, data_id: str) -> Path:
        """Find the folder of a stream.

        Raises
        ------
        RheedAcquireError
            There is no such stream in the directory.
        """
        folder = find_run_folder(self.directory, data_id)
        if folder is None:
            raise RheedAcquireError(f"{self.directory} holds no stream {data_id}")
        return folder

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
