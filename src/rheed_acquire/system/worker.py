"""Threads that no exception ends: what goes wrong costs one step, and after a pause the next is taken."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

Step: TypeAlias = "Callable[[], float | None]"
"""Does a piece of work; returns how many seconds to rest before the next, or None where there is no next."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
LAST_ATTEMPTS = 4
"""How often in a row a step may fail once the thread is to end."""
ATTEMPTS_TO_GIVE_UP = 5


class Worker:
    """A thread that takes one step after another, until one says that it was the last.

    A step that raises is told of in the log. The pause after it grows while steps keep failing, so that what
    fails over and over keeps no processor busy.

    Parameters
    ----------
    name
        Of the thread.
    step
        See `Step`. What it had begun when it raised is its own to remember (see `one_by_one`).
    stopping
        Set once nobody needs the thread any more: it rests no longer then, and ends where steps keep failing.
    at_begin, at_end
        Called in the thread before the first step and after the last.
    pause
        Sleeps for so many seconds.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        stopping: threading.Event,
        *,
        at_begin: Callable[[], None] = lambda: None,
        at_end: Callable[[], None] = lambda: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name, self._stopping, self._pause = name, stopping, pause
        self._phases: list[Callable[[], float | None]] = [at_begin, step, at_end]
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for its end, no longer than ``timeout_s`` seconds; one that never began has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        left = self._phases
        failures = 0
        trouble: BaseException | None = None
        # Nothing is called outside of the try: whatever raises, for want of memory too, ends no thread.
        while left:
            try:
                if trouble is not None:
                    # Before anything else that may fail. It needs no memory, as waiting for an event does.
                    self._pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10)))
                    told, trouble = trouble, None
                    self._tell(told, failures)
                    del told
                    if failures >= LAST_ATTEMPTS and self._stopping.is_set():
                        del left[0]
                        failures = 0
                        continue
                rest_s = left[0]()
                failures = 0
                if rest_s is None:
                    del left[0]
                elif rest_s > 0:
                    self._stopping.wait(rest_s)
            except BaseException as error:  # noqa: BLE001 - not even a panic of an extension ends the thread
                trouble = error
                failures += 1

    def _tell(self, error: BaseException, failures: int) -> None:
        if self._stopping.is_set():  # what it works on is being taken from it
            logger.debug("the thread %s stumbled at its end: %r", self._name, error, exc_info=error)
        elif failures == 1:
            logger.error("the thread %s stumbled and goes on: %r", self._name, error, exc_info=error)
        elif failures & (failures - 1) == 0:  # while it lasts: at the 2nd, 4th, 8th, ... failure
            logger.error("the thread %s stumbled %d times in a row: %r", self._name, failures, error)


def one_by_one(
    take: Callable[[], T | None], work: Callable[[T], None], give_up: Callable[[T, BaseException], None]
) -> Step:
    """Make a step that takes an item and works on it; where that fails, the item is given up in the next.

    Parameters
    ----------
    take
        Waits for an item; None where there will be none any more.
    work
        Is done with it.
    give_up
        Gives back what an item holds and says that it is lost, and why. Tried again where it fails itself, so
        that it must not mind what an earlier attempt has done already.
    """
    held: tuple[T, BaseException] | None = None
    attempts = 0

    def step() -> float | None:
        nonlocal held, attempts
        if held is not None:
            attempts += 1
            if attempts <= ATTEMPTS_TO_GIVE_UP:
                give_up(*held)
            held = None
            return 0.0
        item = take()
        if item is None:
            return None
        try:
            work(item)
        except BaseException as error:
            held, attempts = (item, error), 0
            raise
        finally:
            # Where the item keeps an error, the traceback of that leads to this frame: a cycle, and the item
            # would stay until garbage is collected.
            del item
        return 0.0

    return step
