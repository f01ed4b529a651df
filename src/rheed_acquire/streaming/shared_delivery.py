"""One delivery for all the streams of a streamer, for as long as any of them needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.streaming.delivery import Delivery


class SharedDelivery:
    """Opens a delivery for its first user and closes it after its last.

    Parameters
    ----------
    open_delivery
        Makes it, with its threads.
    """

    def __init__(self, open_delivery: Callable[[], Delivery]) -> None:
        self._open = open_delivery
        self._lock = threading.Lock()
        self._delivery: Delivery | None = None
        self._users = 0

    @property
    def current(self) -> Delivery | None:
        """The delivery that is open, if one is."""
        return self._delivery

    def acquire(self) -> tuple[Delivery, bool]:
        """Become a user; the delivery, and whether it was opened just now. `release` it."""
        with self._lock:
            is_new = self._delivery is None
            if self._delivery is None:
                self._delivery = self._open()
                self._users = 0
            self._users += 1
            return self._delivery, is_new

    def release(self, delivery: Delivery) -> None:
        """Need it no more."""
        with self._lock:
            if delivery is not self._delivery:
                return  # closed already
            self._users -= 1
            if self._users:
                return
            self._delivery = None
        delivery.close()

    def close(self) -> None:
        """Close it under its users."""
        with self._lock:
            delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.close()
