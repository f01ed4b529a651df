"""Calls into a plugin, each waited for no longer than a limit; whatever it does becomes one error.

A plugin is foreign code: it may raise anything, return anything, and on a removed device some SDKs never
return. A call that takes too long is left behind in its thread, which nobody waits for.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.text.told import told

T = TypeVar("T")

logger = logging.getLogger(__name__)

LOOK_S = 0.1
"""How soon somebody who waits for a plugin notices that the user has given up."""
GRACE_S = 8.0
"""How long a plugin may take to come to an end once the user has given up."""
LAST_CALL_S = 1.0
"""How long each call may take that begins after that."""


class Patience:
    """Whether the user still waits; one for all the plugins that a command has loaded.

    Parameters
    ----------
    grace_s
        How long a plugin may take to come to an end once the user has given up.
    """

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._ended_s: float | None = None

    def end(self) -> None:
        """Wait for no plugin any more, but for a last moment."""
        if self._ended_s is None:
            self._ended_s = time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether the user has given up."""
        return self._ended_s is not None

    @property
    def is_over(self) -> bool:
        """Whether the last moment has passed as well."""
        return self._ended_s is not None and time.monotonic() > self._ended_s + self._grace_s

    def wait(
        self, done: threading.Event, limit_s: float | None, give_up: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until ``done`` is set; False where that takes longer than ``limit_s`` seconds.

        Parameters
        ----------
        limit_s
            None for as long as the user waits.
        give_up
            Asked now and then whether to wait no longer.
        """
        begun_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            ends_s = [] if limit_s is None else [begun_s + limit_s]
            if self._ended_s is not None:
                ends_s.append(max(self._ended_s + self._grace_s, begun_s + LAST_CALL_S))
            left_s = min(ends_s, default=now_s + LOOK_S) - now_s
            if done.wait(min(LOOK_S, max(0.0, left_s))):
                return True
            if left_s <= 0 or give_up():
                return done.is_set()


class _Call(Generic[T]):
    """One call, from when it is asked for until it has returned or is left behind."""

    def __init__(self, function: Callable[[], T], on_late: Callable[[T], object] | None) -> None:
        self._function, self._on_late = function, on_late
        self._lock = threading.Lock()
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.done = threading.Event()
        self.left_behind = False

    def make(self) -> None:
        if self.left_behind:
            # Over without having been made; else its thread would count as being in it, and be asked no more.
            self.done.set()
            return
        try:
            self._result.append(self._function())
        # In this thread nothing but the plugin raises: a SystemExit or KeyboardInterrupt is its own too.
        except BaseException as error:  # noqa: BLE001
            self._error = error
        with self._lock:
            self.done.set()
            is_late = self.left_behind
        if is_late and self._result and self._on_late is not None:
            try:
                self._on_late(self._result[0])
            except BaseException:
                logger.debug("what came late could not be given back", exc_info=True)

    def leave_behind(self) -> bool:
        """Wait no longer; False where it has returned meanwhile."""
        with self._lock:
            self.left_behind = not self.done.is_set()
            return self.left_behind

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result[0]


class _CallThread:
    """Makes calls, one after another."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[_Call[Any] | None] = queue.SimpleQueue()
        self._latest: _Call[Any] | None = None
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    @property
    def is_stuck(self) -> bool:
        """Whether it is in a call that was left behind."""
        latest = self._latest
        return latest is not None and latest.left_behind and not latest.done.is_set()

    def take(self, call: _Call[Any]) -> None:
        self._latest = call
        self._calls.put(call)

    def end(self) -> None:
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()


class PluginCalls:
    """Calls into one object of a plugin, from a thread that makes no others.

    Parameters
    ----------
    who
        As messages name the plugin: what it brings, and its distribution.
    fault
        What is raised in place of an exception that is none of ``fault``; those of it, which are meant for
        the user, pass as they are.
    hang
        What is raised where a call does not return in time.
    """

    def __init__(
        self, who: str, fault: type[RheedAcquireError], hang: type[RheedAcquireError], patience: Patience
    ) -> None:
        self.who = who
        self._fault, self._hang = fault, hang
        self._patience = patience
        self._lock = threading.Lock()
        self._thread: _CallThread | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the latest call was left behind and has not returned yet."""
        thread = self._thread
        return thread is not None and thread.is_stuck

    def within(
        self,
        limit_s: float | None,
        method: str,
        function: Callable[[], T],
        *,
        lets: tuple[type[Exception], ...] = (),
        on_late: Callable[[T], object] | None = None,
        give_up: Callable[[], bool] = lambda: False,
    ) -> T:
        """Make a call and wait for it.

        Parameters
        ----------
        limit_s
            How long; None for as long as the user waits.
        method
            As messages name it.
        lets
            Exceptions that pass as they are, besides ``fault``.
        on_late
            Called with the result of a call that returns after its limit, in its thread: what it holds has
            to be given back.
        """
        call = _Call(function, on_late)
        with self._lock:
            if self._thread is not None and self._thread.is_stuck:
                self._thread.end()  # once it has come back
                self._thread = None
            if self._thread is None:
                self._thread = _CallThread(f"{self.who.partition(' (')[0]}".replace(" ", "-"))
            self._thread.take(call)
        begun_s = time.monotonic()
        if not self._patience.wait(call.done, limit_s, give_up) and call.leave_behind():
            waited_s = time.monotonic() - begun_s
            waited_s = waited_s if limit_s is None else min(limit_s, waited_s)
            raise self._hang(
                f"{self.who} did not return from {method} within {waited_s:.2g} s and was left behind"
            )
        return self._judged(method, call.outcome, lets)

    def here(self, method: str, function: Callable[[], T]) -> T:
        """Make a call in this thread, which has to be one that can be left behind itself."""
        return self._judged(method, function, ())

    def wrong(self, method: str, what: str) -> RheedAcquireError:
        """Make the error of a call that returned what it must not."""
        return self._fault(f"{self.who} failed in {method}: {what}")

    def end(self) -> None:
        """Let the thread end, once it has made its calls."""
        with self._lock:
            if self._thread is not None:
                self._thread.end()
            self._thread = None

    def _judged(self, method: str, function: Callable[[], T], lets: tuple[type[Exception], ...]) -> T:
        try:
            return function()
        except (self._fault, *lets):
            raise
        except BaseException as error:
            logger.debug("%s failed in %s", self.who, method, exc_info=True)
            raise self.wrong(method, told(error)) from error


def kind_of(value: object) -> str:
    """Name what a call returned in place of what it should have."""
    return "None" if value is None else f"a value of type {type(value).__name__}"
