"""Which of the shards that lie in memory have to go to disk, and when.

A shard goes to the server from memory, and the ring keeps its chunk meanwhile, against the death of the
process. It is written to the spool too, so that the chunk survives loss of power and its room in the ring is
free again, where the server has not confirmed it soon, or where the ring runs short of room.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.streaming.parcel import Parcel

PATIENCE_S = 1.0
"""After a chunk's last frame, until it is written to disk unless it is confirmed."""
GRACE_S = 0.1
"""That a shard has to be sent, or to have its turn, also where the ring runs short; and how often that is
looked at."""
MOST = 8
"""Shards in memory, of all streams together: as many as may be sent at once."""


class Step(Enum):
    """How far a shard in memory has come."""

    WAITING = auto()
    WRITING = auto()
    REFUSED = auto()
    """By the disk: it stays in memory until the server has it."""


class WriteBehind:
    """The parcels whose shards lie in memory; every method may be called from any thread.

    Parameters
    ----------
    clock
        In seconds, as frames' times of arrival are.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        # In order of arrival.
        self._steps: dict[Parcel, Step] = {}
        self._came_s: dict[Parcel, float] = {}
        self._due_s: dict[Parcel, float] = {}
        # What is to be done with a parcel that is being written, once it is.
        self._next: dict[Parcel, Callable[[], None]] = {}
        self._hurried: set[str] = set()
        self._closed = False

    def wait_for_room(self) -> bool:
        """Wait until one more shard may lie in memory; whether one might not at once."""
        with self._changed:
            is_full = len(self._in_question()) >= MOST
            self._changed.wait_for(lambda: self._closed or len(self._in_question()) < MOST)
            return is_full

    def add(self, parcel: Parcel) -> None:
        """Take a shard; again does nothing."""
        now_s = self._clock()
        with self._changed:
            if parcel in self._steps:
                return
            # Frames that an earlier process took may be of another time.
            last_s = min(now_s, int(parcel.chunk.host_ns[-1]) / 1e9)
            self._due_s[parcel] = 0.0 if parcel.disk_first else last_s + PATIENCE_S
            self._came_s[parcel] = now_s
            self._steps[parcel] = Step.WAITING
            self._changed.notify_all()

    def take(self) -> Parcel | None:
        """Wait for a shard that has to be written now, and claim it for that; None once this is closed."""
        with self._changed:
            while not self._closed:
                waiting = [parcel for parcel, step in self._steps.items() if step is Step.WAITING]
                chosen = self._choose(waiting)
                if chosen is not None:
                    self._steps[chosen] = Step.WRITING
                    return chosen
                soonest_s = min((self._due_s[parcel] for parcel in waiting), default=None)
                self._changed.wait(
                    None if soonest_s is None else max(0.0, min(GRACE_S, soonest_s - self._clock()))
                )
            return None

    def refused(self, parcel: Parcel) -> None:
        """Learn that the disk has not taken a shard."""
        self._end_writing(parcel, Step.REFUSED)

    def written(self, parcel: Parcel) -> None:
        """Learn that a shard is on disk."""
        self._end_writing(parcel, None)

    def leave(self, parcel: Parcel, then: Callable[[], None]) -> None:
        """Do what becomes of a shard that need not be written any more: at once, or when it just has been."""
        with self._changed:
            if self._steps.get(parcel) is Step.WRITING:
                self._next[parcel] = then
                return
            self._drop(parcel)
        then()

    def forget(self, data_id: str) -> None:
        """Know those of a stream no more that nobody is writing."""
        with self._changed:
            self._hurried.discard(data_id)
            for parcel in self._of(data_id):
                if self._steps[parcel] is not Step.WRITING:
                    self._drop(parcel)

    def settle(self, data_id: str, timeout_s: float) -> None:
        """Have a stream's shards written without waiting for the server, as far as ``timeout_s`` goes."""
        with self._changed:
            self._hurried.add(data_id)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._closed or all(self._steps[one] is Step.REFUSED for one in self._of(data_id)),
                timeout_s,
            )

    @property
    def is_behind(self) -> bool:
        """Whether shards wait for the disk, which is busy with others."""
        now_s = self._clock()
        with self._changed:
            steps = list(self._steps.items())
        is_busy = any(step is Step.WRITING for _, step in steps)
        return is_busy and any(step is Step.WAITING and self._due_s[one] <= now_s for one, step in steps)

    def close(self) -> None:
        """Have nothing more written, and let nobody wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _choose(self, waiting: list[Parcel]) -> Parcel | None:
        now_s = self._clock()
        is_crowded = len(self._in_question()) >= MOST
        for parcel in waiting:
            if self._due_s[parcel] <= now_s or parcel.stream.data_id in self._hurried:
                return parcel
        late = [parcel for parcel in waiting if self._came_s[parcel] + GRACE_S <= now_s]
        for parcel in late:
            # What is on its way may be there sooner than on disk; what waits for its turn is not.
            if not parcel.is_under_way and (is_crowded or parcel.stream.ring_is_short):
                return parcel
        for parcel in late:
            if parcel.stream.ring_is_short and not parcel.stream.pushes_wait:
                return parcel
        return None

    def _end_writing(self, parcel: Parcel, step: Step | None) -> None:
        with self._changed:
            then = self._next.get(parcel)
            if then is None:
                if step is None:
                    self._drop(parcel)
                elif parcel in self._steps:
                    self._steps[parcel] = step
                self._changed.notify_all()
                return
        then()  # where it raises, this is called again
        with self._changed:
            self._next.pop(parcel, None)
            self._drop(parcel)

    def _in_question(self) -> list[Parcel]:
        return [parcel for parcel, step in self._steps.items() if step is not Step.REFUSED]

    def _of(self, data_id: str) -> list[Parcel]:
        return [parcel for parcel in self._steps if parcel.stream.data_id == data_id]

    def _drop(self, parcel: Parcel) -> None:
        self._steps.pop(parcel, None)
        self._came_s.pop(parcel, None)
        self._due_s.pop(parcel, None)
        self._changed.notify_all()
