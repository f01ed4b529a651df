"""How many uploads are under way at once: as many as make the link faster, and no more.

One connection rarely fills a long line (latency, and TCP's slow start after each pause); many of them share a
short one for nothing but memory and retries. So the number is found by trying: one more as long as that
carries clearly more bytes per second, and half as many after a failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

START = 2
GAIN = 1.1
"""Times the throughput that one more upload must bring to stay."""
REST_ROUNDS = 16
"""Rounds until one more is tried again where it brought nothing: a line may change."""


class UploadWindow:
    """Lets so many uploads run; every method may be called from any thread.

    Parameters
    ----------
    most
        That may ever run at once.
    clock
        In seconds; only goes forward.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._size = min(START, most)
        # The threads that have a place: one that stumbled and asks again has it still, and no second.
        self._running: set[int] = set()
        self._open = True
        self._changed = threading.Condition()
        self._rate_before: float | None = None
        self._rest = 0
        self._round_begun = clock()
        self._round_done = 0
        self._round_bytes = 0

    @property
    def size(self) -> int:
        """How many uploads may run at present."""
        return self._size

    def enter(self) -> bool:
        """Wait for a place for this thread; False once the window is closed. `leave` gives it back."""
        me = threading.get_ident()
        with self._changed:
            self._running.discard(me)
            self._changed.wait_for(lambda: len(self._running) < self._size or not self._open)
            if self._open:
                self._running.add(me)
            return self._open

    def leave(self) -> None:
        """Give this thread's place back, if it has one."""
        with self._changed:
            self._running.discard(threading.get_ident())
            self._changed.notify()

    def done(self, nbytes: int, *, more_waiting: bool) -> None:
        """Learn from an upload that succeeded; one says little where nothing waited behind it."""
        with self._changed:
            if not more_waiting:
                self._begin_round()
                return
            self._round_done += 1
            self._round_bytes += nbytes
            # Two for each place: the first of a round was begun in the one before.
            if self._round_done >= 2 * self._size:
                self._judge(self._round_bytes / max(self._clock() - self._round_begun, 1e-6))
                self._begin_round()

    def failed(self) -> None:
        """Learn that the network, or the server, is in trouble."""
        with self._changed:
            self._resize(max(1, self._size // 2))
            self._rate_before = None
            self._begin_round()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _judge(self, rate: float) -> None:
        if self._rest:
            self._rest -= 1
            return
        if self._rate_before is not None and rate < GAIN * self._rate_before:
            self._resize(max(1, self._size - 1))
            self._rate_before, self._rest = None, REST_ROUNDS
        elif self._size < self._most:
            self._resize(self._size + 1)
            self._rate_before = rate

    def _resize(self, size: int) -> None:
        self._size = size
        self._changed.notify_all()

    def _begin_round(self) -> None:
        self._round_begun = self._clock()
        self._round_done = self._round_bytes = 0
