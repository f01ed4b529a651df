"""How often something may be asked for."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """A bucket of requests that fills evenly: so many a second in the long run, so many at once.

    Parameters
    ----------
    a_second, at_once
        How many.
    clock
        In seconds.
    """

    def __init__(self, a_second: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second, self._at_once, self._clock = a_second, at_once, clock
        self._left, self._seen_s = at_once, clock()

    def take(self) -> bool:
        """Use one; False where there is none left."""
        now_s = self._clock()
        self._left = min(self._at_once, self._left + (now_s - self._seen_s) * self._a_second)
        self._seen_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
