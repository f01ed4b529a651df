"""What is asked for by many at once, and found out once in a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rheed_acquire.server.refusal import Refusal

T = TypeVar("T")


class Remembered(Generic[T]):
    """Finds something out, and remembers it. Thread-safe.

    One thread waits for the disk or the store, and no more: the others are for streams.

    Parameters
    ----------
    find_out
        Finds it out.
    for_s
        For so many seconds it is believed.
    patience_s
        How long others wait for the first to find it out.
    """

    def __init__(self, find_out: Callable[[], T], for_s: float, patience_s: float) -> None:
        self._find_out, self._for_s, self._patience_s = find_out, for_s, patience_s
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None

    def __call__(self) -> T:
        """What is known, and not older than that, or than it takes to find it out.

        Raises
        ------
        Refusal
            503 where nothing is known yet, and another request is at it.
        """
        known = self._known
        if known is not None and time.monotonic() - known[0] <= self._for_s:
            return known[1]
        if not self._lock.acquire(timeout=self._patience_s if known is None else 0):
            if known is None:
                raise Refusal(503, "it is being looked up for another request: come again")
            return known[1]
        try:
            if self._known is known:
                found_out = self._find_out()
                self._known = time.monotonic(), found_out
            assert self._known is not None
            return self._known[1]
        finally:
            self._lock.release()
