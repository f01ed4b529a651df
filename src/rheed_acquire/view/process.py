"""The view as a process of its own, seen from the acquisition: everything goes in, nothing can hold it up.

The page's server has an interpreter, and so a GIL, of its own. What is shown goes through its stdin, written
by a thread; whoever calls `ViewProcess` only leaves things in slots. A child that hangs blocks that thread, a
child that dies is started once more, and neither costs the acquisition anything.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.system.addresses import loopback_url, url_of
from rheed_acquire.system.child_process import ChildProcess
from rheed_acquire.view.messages import Message
from rheed_acquire.view.outbox import Outbox
from rheed_acquire.view.page_files import require_uplot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.frames.frame_form import FrameForm, Levels
    from rheed_acquire.regions.regions import Region

logger = logging.getLogger(__name__)

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 5.0
_HUNG_AFTER_S = 30.0


class ViewProcess:
    """The page's server for the time of a ``with``, or between `start` and `stop`.

    Parameters
    ----------
    host
        What to listen on. Anything but a loopback address lets other machines in. Whoever asks needs the
        token that is in the URL, on this machine too: it may have other users.
    port
        0 takes any that is free.
    on_command
        Called with each command of a page, ``{"do": "stop", "origin": "127.0.0.1:53422"}`` for one, from a
        thread of this class and one at a time. Its shape has been checked; ``origin`` is the address that the
        page's connection came from. One with ``ask`` waits for `answer`.

    Attributes
    ----------
    deaths
        How often the process ended by itself. After the first time it is started again, with the same URL.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, on_command: Callable[[dict[str, Any]], None]
    ) -> None:
        self._host, self._port = host, port
        self._on_command = on_command
        self._token = SecretStr(secrets.token_urlsafe(24))
        self._ticket = SecretStr(secrets.token_urlsafe(24))
        self._outbox = Outbox()
        self._child: _Child | None = None
        self._supervisor: threading.Thread | None = None
        self._stopping = threading.Event()
        self.deaths = 0

    @property
    def died(self) -> bool:
        """Whether the process has ever ended by itself, also where it was started again since."""
        return self.deaths > 0

    @property
    def pid(self) -> int:
        """The process id of the server that runs, or ran last."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> str:
        """Start the server, wait until it answers, and return the URL to open, with its token.

        Raises
        ------
        RheedAcquireError
            It could not start: the port is taken, the host is not this machine, part of the page is missing.
        """
        require_uplot()
        self._begin_child(self._ticket)
        self._supervisor = threading.Thread(target=self._supervise, name="view", daemon=True)
        self._supervisor.start()
        return self.url

    @property
    def access(self) -> tuple[str, SecretStr]:
        """Where this computer's programs reach it, and the token that they show."""
        return loopback_url(self._host, self._port), self._token

    @property
    def url(self) -> str:
        """The URL to open: a secret, since it holds the token."""
        return url_of(self._host, self._port, self._token.get_secret_value())

    @property
    def url_for_one_visit(self) -> str:
        """The URL to start a browser with: the command line of one, which others can read, holds no token.

        Whoever opens it first is let in, as by the token; after that, it opens nothing.
        """
        return url_of(self._host, self._port, self._ticket.get_secret_value(), "ticket")

    def show_frame(
        self, pixels: Levels, number: int, utc_ms: float | None, form: FrameForm | None = None
    ) -> None:
        """Show a frame instead of the one before.

        Parameters
        ----------
        pixels
            Shape (H, W), uint8 or uint16; copied.
        number
            Its place in the run, from 0.
        utc_ms
            When it was captured, in ms since 1970, UTC; None where that is not known yet.
        form
            Tells its depth, by default 8 bits.
        """
        self._outbox.show_frame(pixels, number, utc_ms, form)

    def show_state(self, state: Mapping[str, Any], station: Mapping[str, Any] | None = None) -> None:
        """Show the run's figures instead of those before; the values are what JSON has.

        Parameters
        ----------
        state
            For the pages.
        station
            For the interface's clients: a `rheed_acquire.view.interface.StationState`.
        """
        self._outbox.show_state(state, station)
        child = self._child
        if child is not None and child.hung:
            logger.warning("the view has taken nothing for %.0f s and is ended", _HUNG_AFTER_S)
            child.kill()

    def add_points(
        self,
        utc_ms: NDArray[np.float64],
        mean: NDArray[np.float32],
        maximum: NDArray[np.uint16],
        regions: Sequence[Region],
    ) -> None:
        """Append to the traces of R regions what N frames gave.

        Where the server does not keep up, the oldest points are left out and the page is told how many.

        Parameters
        ----------
        utc_ms
            When the frames were captured, in ms since 1970, UTC. Shape (N,).
        mean, maximum
            Of the pixels of each region. Shape (R, N), float32 and uint16.
        """
        self._outbox.add_points(utc_ms, mean, maximum, regions)

    def add_event(self, utc_ms: float, level: str, text: str) -> None:
        """Append a line to the log of events; ``level`` is ``info``, ``warning`` or ``error``."""
        self._outbox.add_event(utc_ms, level, text)

    def answer(self, ask: str, status: int, body: Mapping[str, Any], *, is_replayed: bool = False) -> None:
        """Answer a command that bears ``ask``, with an HTTP status and what JSON has.

        Parameters
        ----------
        is_replayed
            Whether it was done before, and nothing now.
        """
        self._outbox.answer(ask, status, body, is_replayed=is_replayed)

    def stop(self) -> None:
        """End the server, after the page has been told what is still in the slots. Again does nothing."""
        if self._child is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._outbox.close()
        self._child.finish()
        if self._supervisor is not None:
            self._supervisor.join()

    def _begin_child(self, ticket: SecretStr | None = None) -> None:
        child = self._child = _Child(self._host, self._port, self._token, ticket)
        self._port = child.wait_ready()
        child.feed(self._outbox)

    def _supervise(self) -> None:
        while True:
            assert self._child is not None
            child = self._child
            while line := child.stdout.readline():
                self._pass_on(line)
            child.finish()
            child.stdout.close()
            if self._stopping.is_set():
                return
            self.deaths += 1
            logger.warning("the view ended by itself: %s", child.last_words)
            if self.deaths > 1:
                return
            try:
                self._begin_child()  # without the ticket, which may have been used
            except RheedAcquireError as error:
                logger.warning("the view could not be started again: %s", error)
                return
            if self._stopping.is_set():  # stop may have looked at the child before this one
                self._child.finish()

    def _pass_on(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            if isinstance(message, dict) and "watched" in message:
                self._outbox.watched = bool(message["watched"])
            elif isinstance(message, dict) and isinstance(message.get("do"), str):
                self._on_command(message)
        except Exception:
            logger.exception("a command of the view failed")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Child(ChildProcess):
    """A view's process, and the thread that writes into its pipe."""

    def __init__(self, host: str, port: int, token: SecretStr, ticket: SecretStr | None) -> None:
        self._outbox: Outbox | None = None
        self._writer: threading.Thread | None = None
        self._writing_since: float | None = None
        self._over = threading.Event()
        try:
            super().__init__("rheed_acquire.view", bufsize=0)
        except OSError as error:
            raise RheedAcquireError(f"the view cannot be started with {sys.executable}: {error}") from error
        begin = {
            "kind": "begin",
            "host": host,
            "port": port,
            "token": token.get_secret_value(),
            "ticket": None if ticket is None else ticket.get_secret_value(),
        }
        with contextlib.suppress(OSError):  # it died at once; wait_ready tells why
            Message(begin).write(self.stdin)

    def wait_ready(self) -> int:
        """Wait until requests are answered and return the port."""
        answer = self.answer(_START_LIMIT_S)
        if isinstance(answer.get("port"), int):
            return int(answer["port"])
        self.finish()
        self.stdout.close()
        if "error" in answer:
            raise RheedAcquireError(answer["error"])
        raise RheedAcquireError(f"the view did not start: {self.last_words}")

    def feed(self, outbox: Outbox) -> None:
        """Let a thread write what comes into the slots."""
        self._outbox = outbox
        self._writer = threading.Thread(target=self._write, args=(outbox,), name="view-writer", daemon=True)
        self._writer.start()

    def _write(self, outbox: Outbox) -> None:
        try:
            while (message := outbox.take(self._over)) is not None:
                self._writing_since = time.monotonic()
                message.write(self.stdin)
                self._writing_since = None
        except OSError:
            pass  # it has died, which is seen at the other pipe too
        finally:
            self._writing_since = None
            with contextlib.suppress(OSError):
                self.stdin.close()

    @property
    def hung(self) -> bool:
        """Whether it has left its pipe full for long."""
        since = self._writing_since
        return since is not None and time.monotonic() - since > _HUNG_AFTER_S

    def finish(self) -> None:
        """Wait a little for its end, then make one. Again does nothing."""
        if self._writer is None:
            with contextlib.suppress(OSError):
                self.stdin.close()
        self.end(_STOP_LIMIT_S)
        self._over.set()
        if self._writer is not None and self._outbox is not None:
            self._outbox.wake()
            self._writer.join()
