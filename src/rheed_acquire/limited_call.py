"""Calls into a camera's SDK that may never return: on a removed device some do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

ASK_S = 0.05


class CallTimeoutError(Exception):
    """The call did not return in time; it goes on in a thread that nobody waits for."""


class LimitedCall(Generic[T]):
    """One call in a thread of its own, waited for no longer than a limit.

    Parameters
    ----------
    function
        What to call.
    name
        Of the thread.
    on_late
        Called with the result of a call that returns after its limit, in its thread: what it holds has to
        be given back.
    """

    def __init__(
        self, function: Callable[[], T], name: str, on_late: Callable[[T], None] | None = None
    ) -> None:
        self._function, self._on_late = function, on_late
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._abandoned = False
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, name=name, daemon=True)

    def within(self, limit_s: float, give_up: Callable[[], bool] | None = None) -> T:
        """Make the call.

        Parameters
        ----------
        give_up
            Asked now and then whether to wait no longer.

        Raises
        ------
        CallTimeoutError
            It takes longer than ``limit_s`` seconds, or was given up.
        Exception
            Whatever the call raises.
        """
        self._thread.start()
        if not self._wait(limit_s, give_up):
            with self._lock:
                if not self._done.is_set():
                    self._abandoned = True
                    raise CallTimeoutError
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _wait(self, limit_s: float, give_up: Callable[[], bool] | None) -> bool:
        if give_up is None:
            return self._done.wait(limit_s)
        deadline = time.monotonic() + limit_s
        while not self._done.wait(min(ASK_S, max(0.0, deadline - time.monotonic()))):
            if give_up() or time.monotonic() >= deadline:
                return False
        return True

    def _call(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as error:  # noqa: BLE001
            self._error = error
        with self._lock:
            self._done.set()
            is_late = self._abandoned
        if is_late and self._result and self._on_late is not None:
            self._on_late(self._result[0])
