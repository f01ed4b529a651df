"""A ring that keeps what has passed through it until the room is needed: the frames of the last while.

A released buffer keeps its frames, and goes round again only when no other is free, the oldest first. Whoever
wants these frames reads them in the order in which they came, up to the one that came last, while more come.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from rheed_acquire.frames.chunk_buffer import COMMITTED, ChunkBuffer
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.mapped_memory import never
from rheed_acquire.frames.ring import ChunkRing

_SPARE = 2
"""Buffers that the camera must find before the one that is read, for whoever reads to have time."""


class RecentRing(ChunkRing):
    """A ring in plain memory, for one accumulator at a time; what it has released it still holds.

    Parameters
    ----------
    count, capacity, height, width, form, given_up
        See `rheed_acquire.frames.ring.ChunkRing`.
    """

    def __init__(
        self,
        count: int,
        capacity: int,
        height: int,
        width: int,
        *,
        form: ChunkForm = PLAIN,
        given_up: Callable[[], bool] = never,
    ) -> None:
        super().__init__(count, capacity, height, width, form=form, given_up=given_up)
        self._turns = threading.Lock()  # taken for each chunk, and for no frame
        self._begun: deque[ChunkBuffer] = deque()
        self._passed = 0  # how many were begun before the first of these
        self._given_back: set[ChunkBuffer] = set()
        self._readable = 0  # the first, counted over all that were begun, that anybody may read
        self._reader: KeptFrames | None = None
        self._readable_from_ns = time.perf_counter_ns()

    def acquire(self) -> ChunkBuffer | None:
        """Take a buffer that was never used, else the oldest that was released; None where there is none."""
        with self._turns:
            buffer = super().acquire()
            if buffer is None:
                buffer = self._oldest()
                if buffer is None:
                    return None
            buffer.cells[COMMITTED] = 0
            self._begun.append(buffer)
            return buffer

    def release(self, buffer: ChunkBuffer) -> None:
        """Give a buffer back; its frames stay until it goes round again."""
        self._home.check()
        with self._turns:
            self._given_back.add(buffer)

    def forget(self) -> None:
        """Let nobody read what is in the ring now: only what comes from the next buffer on."""
        with self._turns:
            self._readable = self._passed + len(self._begun)
            self._readable_from_ns = time.perf_counter_ns()

    def kept_since(self, host_ns: int) -> KeptFrames:
        """Begin to read the frames that arrived at this ``time.perf_counter_ns`` or later; one at a time."""
        with self._turns:
            self._reader = KeptFrames(self, host_ns)
            return self._reader

    def close(self) -> None:
        """Let go of all buffers."""
        with self._turns:
            self._begun.clear()
            self._given_back.clear()
        super().close()
        self._begun.clear()

    def _oldest(self) -> ChunkBuffer | None:
        """Take the buffer that was begun first, where it was released and is not just being read."""
        if not self._begun or self._begun[0] not in self._given_back:
            return None
        if self._reader is not None and self._reader.holds(self._passed):
            return None
        buffer = self._begun.popleft()
        self._passed += 1
        self._given_back.discard(buffer)
        if buffer.committed:
            last_ns = buffer.host_cells[buffer.committed - 1]
            self._readable_from_ns = max(self._readable_from_ns, last_ns + 1)
        return buffer


class KeptFrames:
    """Frames of a `RecentRing` in the order in which they came; see `RecentRing.kept_since`.

    Attributes
    ----------
    from_ns
        What arrived before, as ``time.perf_counter_ns``, could not be read any more when the first of these
        was, as it had been forgotten (see `RecentRing.forget`) or had made room; in what came since, none is
        missing.
    """

    def __init__(self, ring: RecentRing, since_ns: int) -> None:
        self._ring, self._since_ns = ring, since_ns
        self._place, self._read = ring._readable, 0
        self._has_begun, self._holds = False, False
        self.from_ns = ring._readable_from_ns

    def more(self) -> tuple[ChunkBuffer, int, int] | None:
        """Find the frames that come next.

        Returns
        -------
        tuple of ChunkBuffer, int and int, or None
            The buffer, the place in it of the first of them and the one after the last. They stay where they
            are until the next call. None where none has come since.
        """
        ring = self._ring
        with ring._turns:
            self._holds = False
            while True:
                first = max(ring._passed, ring._readable)
                if self._place < first:
                    self._place, self._read = first, 0
                at = self._place - ring._passed
                if at >= len(ring._begun):
                    return None
                buffer = ring._begun[at]
                # Where another was begun after it, all of its frames are in place.
                is_filled, committed = at + 1 < len(ring._begun), buffer.committed
                if not self._has_begun:
                    self.from_ns = ring._readable_from_ns
                    arrived = buffer.host_ns[:committed]
                    self._read = int(np.searchsorted(arrived, self._since_ns))
                if self._read < committed:
                    begin, self._read = self._read, committed
                    self._has_begun = self._holds = True
                    return buffer, begin, committed
                if not is_filled:
                    return None
                self._place, self._read = self._place + 1, 0

    @property
    def has_time(self) -> bool:
        """Whether the camera will find room for some time, though nothing more is read meanwhile."""
        ring = self._ring
        with ring._turns:
            before = self._place - ring._passed
            return ring._free.qsize() + before >= _SPARE

    def end(self) -> None:
        """Read no more."""
        with self._ring._turns:
            self._holds = False

    def holds(self, place: int) -> bool:
        """Whether the buffer that was begun as this one is being read."""
        return self._holds and self._place == place
