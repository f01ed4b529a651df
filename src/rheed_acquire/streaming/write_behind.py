"""Which of the shards that lie in memory have to go to disk, and when.

A shard goes to the server from memory, and the ring keeps its chunk meanwhile, against the death of the
process. It is written to the spool too, so that the chunk survives loss of power and its room in the ring is
free again, where the server has not confirmed it soon, or where the ring runs short of room.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    LEAVING = auto()
    """The server has it, or nobody sends it any more."""

    @property
    def may_be_written(self) -> bool:
        """Whether it is, or is to be, unless the server has it before."""
        return self in (Step.WAITING, Step.WRITING)


@dataclass(slots=True)
class _Entry:
    """A shard in memory.

    Attributes
    ----------
    came_s, due_s
        When it came here, and when it has to be written.
    then
        What is to be done with it once it has been, where that was asked for meanwhile.
    """

    parcel: Parcel
    came_s: float
    due_s: float
    step: Step = Step.WAITING
    then: Callable[[], None] | None = None


class WriteBehind:
    """The parcels whose shards lie in memory alone; every method may be called from any thread.

    Parameters
    ----------
    clock
        In seconds, as frames' times of arrival are.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        # By stream and index, in order of arrival.
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._hurried: set[str] = set()
        self._closed = False

    def wait_for_room(self) -> bool:
        """Wait until one more shard may lie in memory; whether one might not at once."""
        with self._changed:
            is_full = self._is_full
            self._changed.wait_for(lambda: self._closed or not self._is_full)
            return is_full

    def add(self, parcel: Parcel) -> None:
        """Take a shard; again does nothing."""
        now_s = self._clock()
        with self._changed:
            if parcel.key in self._entries:
                return
            # Frames that an earlier process took may be of another time.
            last_s = min(now_s, int(parcel.chunk.host_ns[-1]) / 1e9)
            due_s = 0.0 if parcel.disk_first else last_s + PATIENCE_S
            self._entries[parcel.key] = _Entry(parcel, now_s, due_s)
            self._changed.notify_all()

    def find(self, data_id: str, chunk_idx: int) -> Parcel | None:
        """The parcel of a shard; None where that is on disk, or not here at all."""
        with self._changed:
            entry = self._entries.get((data_id, chunk_idx))
        return None if entry is None else entry.parcel

    def take(self) -> Parcel | None:
        """Wait for a shard that has to be written now, and claim it for that; None once this is closed."""
        with self._changed:
            while not self._closed:
                waiting = [entry for entry in self._entries.values() if entry.step is Step.WAITING]
                chosen = self._choose(waiting)
                if chosen is not None:
                    chosen.step = Step.WRITING
                    return chosen.parcel
                soonest_s = min((entry.due_s for entry in waiting), default=None)
                self._changed.wait(
                    None if soonest_s is None else max(0.0, min(GRACE_S, soonest_s - self._clock()))
                )
            return None

    def refused(self, parcel: Parcel) -> None:
        """Learn that the disk has not taken a shard."""
        self._end_writing(parcel, is_on_disk=False)

    def written(self, parcel: Parcel) -> None:
        """Learn that a shard is on disk."""
        self._end_writing(parcel, is_on_disk=True)

    def leave(self, parcel: Parcel, then: Callable[[], None], *, written: bool = False) -> None:
        """Do what becomes of a shard that is sent no more: at once, or when it has been written.

        ``written`` says that it is to be: nobody else has it. Otherwise it is only where that has begun.
        """
        with self._changed:
            entry = self._entries.get(parcel.key)
            if entry is not None:
                if entry.step is Step.WRITING or (written and entry.step is Step.WAITING):
                    entry.then, entry.due_s = then, 0.0
                    self._changed.notify_all()
                    return
                entry.step = Step.LEAVING
                self._changed.notify_all()
        then()  # where it raises, this is called again
        self._drop(parcel)

    def has_any(self, data_id: str) -> bool:
        """Whether any of a stream is written, or is to be."""
        with self._changed:
            return any(one.step.may_be_written for one in self._of(data_id))

    def forget(self, data_id: str) -> None:
        """Know those of a stream no more that nobody is writing."""
        with self._changed:
            self._hurried.discard(data_id)
            for entry in self._of(data_id):
                if entry.step is not Step.WRITING:
                    self._drop(entry.parcel)

    def settle(self, data_id: str, timeout_s: float) -> None:
        """Have a stream's shards written without waiting for the server, as far as ``timeout_s`` goes."""
        with self._changed:
            self._hurried.add(data_id)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._closed or not any(one.step.may_be_written for one in self._of(data_id)),
                timeout_s,
            )

    @property
    def is_behind(self) -> bool:
        """Whether shards wait for the disk, which is busy with others."""
        now_s = self._clock()
        with self._changed:
            entries = list(self._entries.values())
        is_busy = any(entry.step is Step.WRITING for entry in entries)
        return is_busy and any(entry.step is Step.WAITING and entry.due_s <= now_s for entry in entries)

    def close(self) -> None:
        """Have nothing more written, and let nobody wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _choose(self, waiting: list[_Entry]) -> _Entry | None:
        now_s = self._clock()
        for entry in waiting:
            if entry.due_s <= now_s or entry.parcel.stream.data_id in self._hurried:
                return entry
        late = [entry for entry in waiting if entry.came_s + GRACE_S <= now_s]
        for entry in late:
            # What is on its way may be there sooner than on disk; what waits for its turn is not.
            if not entry.parcel.is_under_way and (self._is_full or entry.parcel.stream.ring_is_short):
                return entry
        for entry in late:
            if entry.parcel.stream.ring_is_short and not entry.parcel.stream.pushes_wait:
                return entry
        return None

    def _end_writing(self, parcel: Parcel, *, is_on_disk: bool) -> None:
        with self._changed:
            entry = self._entries.get(parcel.key)
            if entry is None:
                return
            then = entry.then
            if then is None:
                if is_on_disk:
                    self._drop(parcel)
                else:
                    entry.step = Step.REFUSED
                    self._changed.notify_all()
                return
        then()  # where it raises, this is called again
        self._drop(parcel)

    @property
    def _is_full(self) -> bool:
        return sum(entry.step.may_be_written for entry in self._entries.values()) >= MOST

    def _of(self, data_id: str) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.parcel.stream.data_id == data_id]

    def _drop(self, parcel: Parcel) -> None:
        with self._changed:
            self._entries.pop(parcel.key, None)
            self._changed.notify_all()
