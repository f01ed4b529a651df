"""How fast the uplink takes bytes, all uploads together, in the time that any is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MEMORY = 0.7
"""Of what was measured, that is kept at each upload."""


class LinkRate:
    """Measures it; every method may be called from any thread.

    Parameters
    ----------
    clock
        In seconds; only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Sizes of what is under way.
        self._under_way: list[int] = []
        # Until when the busy time is accounted for.
        self._counted_s = 0.0
        self._pending_s = self._busy_s = self._bytes = 0.0

    @property
    def seconds_per_byte(self) -> float | None:
        """Of late; more where what is under way should have arrived by now. None before the first has."""
        with self._lock:
            self._pass_time()
            if not self._bytes:
                return None
            by_now = (self._busy_s + self._pending_s) / (self._bytes + sum(self._under_way))
            return max(self._busy_s / self._bytes, by_now)

    @contextmanager
    def sending(self, nbytes: int) -> Iterator[None]:
        """Count an upload, where it raises nothing."""
        with self._lock:
            self._pass_time()
            self._under_way.append(nbytes)
        arrived = 0
        try:
            yield
            arrived = nbytes
        finally:
            with self._lock:
                self._pass_time()
                self._under_way.remove(nbytes)
                if arrived:
                    self._busy_s = _MEMORY * self._busy_s + self._pending_s
                    self._bytes = _MEMORY * self._bytes + arrived
                    self._pending_s = 0.0

    def _pass_time(self) -> None:
        now_s = self._clock()
        if self._under_way:
            self._pending_s += now_s - self._counted_s
        self._counted_s = now_s
