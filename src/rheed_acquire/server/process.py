"""The local server as a process of its own, seen from the process that needs it."""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.layout import find_run_folder
from rheed_acquire.server.running import endpoint_of
from rheed_acquire.system.child_process import ChildProcess

logger = logging.getLogger(__name__)

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 60.0
_SETTLED_AFTER_S = 60.0
"""A server that has answered for so long has started well: what ends it then is counted anew."""

RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""Before each try to start a server that ended by itself; its port may be another program's for a while."""


class _NotStartedError(RheedAcquireError):
    """The server did not start; ``cause`` says why without what to do about it when it is first started."""

    def __init__(self, message: str, cause: str | None) -> None:
        super().__init__(message)
        self.cause = cause or message


class _State(Enum):
    NOT_STARTED = auto()
    STARTING = auto()
    SERVING = auto()
    GONE = auto()


class LocalServer:
    """A server of this machine for the time of a ``with``, or between `start` and `stop`.

    It ends when its parent does, however that ends: it watches the pipe that its key came through. It does
    not get the terminal's Ctrl-C, so that what is still on its way can be delivered. Where it ends by itself
    it is started again, at the same endpoint and with the same key, and goes on with the streams that were
    open.

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
    restart_pauses_s
        How long to wait before each try to start it again. When all were in vain it is given up.

    Attributes
    ----------
    api_key
        Made for this server at random.
    on_restart
        Called with a sentence when the server had ended by itself and answers again. From a thread of this
        class, as the next.
    on_loss
        Called with a sentence when it has ended by itself and cannot be started again.
    """

    def __init__(
        self,
        directory: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        close_after_s: float | None = None,
        restart_pauses_s: Sequence[float] = RESTART_PAUSES_S,
    ) -> None:
        self.directory = directory.absolute()
        self.api_key = SecretStr(secrets.token_urlsafe(32))
        self.on_restart: Callable[[str], None] = logger.warning
        self.on_loss: Callable[[str], None] = logger.error
        self._host = host
        self._port = port
        self._close_after_s = close_after_s
        self._pauses_s = restart_pauses_s
        self._changed = threading.Condition()
        self._state = _State.NOT_STARTED
        self._why_gone = ""
        self._child: _Child | None = None
        self._supervisor: threading.Thread | None = None
        self._stopping = threading.Event()

    def begin(self) -> None:
        """Start the process without waiting for it; `wait_ready` does, after other things were done.

        Does nothing where it runs; one that was given up is tried anew.
        """
        with self._changed:
            if self._state in (_State.STARTING, _State.SERVING):
                return
            self._state = _State.STARTING
        self._stopping.clear()
        try:
            child = self._start_child()
        except RheedAcquireError as error:
            self._become(_State.GONE, str(error))
            raise
        self._supervisor = threading.Thread(
            target=self._supervise, args=(child,), name="local-server", daemon=True
        )
        self._supervisor.start()

    def wait_ready(self) -> None:
        """Wait until the server answers requests.

        Raises
        ------
        RheedAcquireError
            It could not start; the message is the server's own.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._state is not _State.STARTING)
            if self._state is not _State.GONE:
                return
            why = self._why_gone
        self.stop()
        raise RheedAcquireError(why)

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
        self._stopping.set()
        with self._changed:
            child, supervisor = self._child, self._supervisor
        if child is not None:
            child.finish()
        if supervisor is not None and supervisor is not threading.current_thread():
            supervisor.join()

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return endpoint_of(self._host, self._port)

    @property
    def pid(self) -> int:
        """The process id of the server that runs, or ran last."""
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

    def _become(self, state: _State, why: str = "") -> None:
        with self._changed:
            self._state, self._why_gone = state, why
            self._changed.notify_all()

    def _start_child(self) -> _Child:
        arguments = [str(self.directory), self._host, str(self._port)]
        if self._close_after_s is not None:
            arguments.append(str(self._close_after_s))
        child = _Child(arguments, self.api_key)
        with self._changed:
            self._child = child
        if self._stopping.is_set():  # stop may have looked at the child before this one
            child.finish()
        return child

    def _supervise(self, child: _Child) -> None:
        """Have the server serve until it is stopped, in a thread that sleeps until something happens."""
        try:
            self._port = child.wait_ready()
        except RheedAcquireError as error:
            self._become(_State.GONE, str(error))
            return
        pauses = iter(self._pauses_s)
        while True:
            self._become(_State.SERVING)
            begun_s = time.monotonic()
            child.wait_for_end()
            if self._stopping.is_set():
                break
            self._become(_State.STARTING)
            if time.monotonic() - begun_s > _SETTLED_AFTER_S:
                pauses = iter(self._pauses_s)
            died = f"the local server ended by itself ({child.last_words})"
            again, why = self._start_again(pauses)
            if self._stopping.is_set():
                break
            if again is None:
                self._become(_State.GONE, f"{died} and cannot be started again: {why}")
                self._tell(self.on_loss, self._why_gone)
                return
            child = again
            self._tell(self.on_restart, f"{died} and was started again; its streams go on")
        self._become(_State.NOT_STARTED)

    def _start_again(self, pauses: Iterator[float]) -> tuple[_Child | None, str]:
        """Try until one answers or no pause is left; return that one, or None and why there is none."""
        why = "it ended again and again"
        for pause_s in pauses:
            if self._stopping.wait(pause_s):
                break
            try:
                child = self._start_child()
                child.wait_ready()
            except _NotStartedError as error:
                why = error.cause
            else:
                return child, ""
        return None, why

    def _tell(self, listener: Callable[[str], None], text: str) -> None:
        try:
            listener(text)
        except Exception:
            logger.exception("could not tell: %s", text)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Child(ChildProcess):
    """A server's process."""

    def __init__(self, arguments: Sequence[str], api_key: SecretStr) -> None:
        try:
            super().__init__("rheed_acquire.server", *arguments)
        except OSError as error:
            raise _NotStartedError(
                f"the local server cannot be started with {sys.executable}: {error}", str(error)
            ) from error
        with contextlib.suppress(OSError):  # it died at once; wait_ready tells why
            self.stdin.write(api_key.get_secret_value().encode() + b"\n")
            self.stdin.flush()

    def wait_ready(self) -> int:
        """Wait until requests are answered and return the port.

        Raises
        ------
        RheedAcquireError
            It could not start; it has ended.
        """
        answer = self.answer(_START_LIMIT_S)
        if isinstance(answer.get("port"), int):
            return int(answer["port"])
        self.wait_for_end()
        if "error" in answer:
            raise _NotStartedError(answer["error"], answer.get("cause"))
        raise _NotStartedError(f"the local server did not start: {self.last_words}", self.last_words)

    def wait_for_end(self) -> None:
        """Wait until the process has ended, whatever ends it; only for the thread that reads its answers."""
        while self.stdout.read(4096):
            pass
        self.finish()
        self.stdout.close()

    def finish(self) -> None:
        """Let it finish what it is doing, then make an end. Again does nothing."""
        with contextlib.suppress(OSError):  # it may be dead already
            self.stdin.close()
        self.end(_STOP_LIMIT_S)
