"""How fast a counter grows, for whoever shows it."""

from __future__ import annotations

import time
from collections import deque


class Rate:
    """How fast a counter has grown over the last seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, count: int) -> float | None:
        """Take a sample; the rate per second, or None while there is too little to tell it from.

        A count that is less than the one before is that of a counter which began anew.
        """
        now = time.monotonic()
        if self._samples and count < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, count))
        while now - self._samples[0][0] > self._window_s:
            self._samples.popleft()
        then, earlier = self._samples[0]
        span = now - then
        return (count - earlier) / span if span >= 0.5 else None
