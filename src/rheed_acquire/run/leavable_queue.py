"""A queue whose reader may hang on an item and be left behind, with nothing counted twice."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class LeavableQueue(Generic[T]):
    """Items on their way to one thread, in order.

    That thread iterates over the queue, and gives each item away by `let_go` before it counts it. Whoever
    waits for it no longer calls `leave`, and counts what that returns: each item is counted by one of them.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        # Tells of each item, and by False of the end. It is apart from the items, so that one goes from the
        # queue to the hand under the lock, and yet `put`, in the camera's thread, never waits for that.
        self._there_is_more: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._in_hand: T | None = None
        self._is_left = False

    @property
    def in_hand(self) -> T | None:
        """What the reader is at."""
        return self._in_hand

    def put(self, item: T) -> None:
        """Put an item in; never waits."""
        self._items.append(item)
        self._there_is_more.put(True)

    def end(self) -> None:
        """Say that no more items come."""
        self._there_is_more.put(False)

    def __iter__(self) -> Iterator[T]:
        while self._there_is_more.get():
            with self._lock:
                if self._is_left:
                    return
                item = self._in_hand = self._items.popleft()
            yield item

    @contextmanager
    def let_go(self) -> Iterator[bool]:
        """Give the item in hand away, and tell whether it is the reader's to count.

        Until the block ends, `leave` waits, so that what is counted in it is seen by whoever leaves.
        """
        with self._lock:
            self._in_hand = None
            yield not self._is_left

    def leave(self) -> list[T]:
        """Leave the reader behind, and return what it has in hand and what waits behind that."""
        with self._lock:
            self._is_left = True
            in_hand = [] if self._in_hand is None else [self._in_hand]
            return [*in_hand, *self._items]
