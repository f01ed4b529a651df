"""How hard to compress: as hard as the camera and the uplink leave time for.

A chunk that waits to be encoded keeps its place in the ring, so that falling behind the camera is what must
not last. Shards that wait to be uploaded lie on disk, where there is room: then the uplink is the limit, and
time spent on making them smaller is well spent. Who can wait, as a camera cannot, loses nothing by either:
there the level is the one that brings most frames a second all the way, and of those about as fast the one
that sends fewest bytes.
"""

from __future__ import annotations

from rheed_acquire.recording.shard_encoding import DEFAULT_LEVEL
from rheed_acquire.streaming.level_costs import LADDER, LevelCosts, blend

_NORMAL = LADDER.index(DEFAULT_LEVEL)
_FASTEST_KEPT = LADDER.index(1)
"""Where shards are kept as they come and nothing is lost by waiting, years of a file several times as large
weigh more than the minutes of one upload. Level 1 has nearly the size of the normal one."""

BEHIND = 2
"""Chunks that wait behind the next to be encoded, at once or one after another: the encoder has no pause."""
UPLINK_BEHIND = 4
"""Shards that wait to be uploaded beyond those under way: the uplink does not keep up."""
PATIENCE = 4
"""Chunks in a row that must ask for a stronger level, or for the normal one, before it is taken: one slow
upload, or one quick chunk, is no reason."""
STEADY = 12
"""Chunks after which nothing on the way is of the level before any more: as many as lie in memory."""
SPARE = 0.5
"""Of the time from chunk to chunk, that a stronger level may take by what is known of it."""
AS_FAST = 1.1
"""Times the seconds of the fastest level, that another may take which sends fewer bytes."""


class Compression:
    """Chooses the level for one chunk after the other. Not thread-safe: the encoder asks.

    Parameters
    ----------
    level
        Of zstd, for every chunk, or None to choose.
    """

    def __init__(self, level: int | None = None) -> None:
        self._fixed = level
        self._place = _NORMAL
        self._wished = self._in_a_row = 0
        self._costs = LevelCosts()
        self._interval_s: float | None = None
        self._last_s: float | None = None
        # Since the level was changed; and whether every stage was busy at the last choice.
        self._stay = 0
        self._was_busy = False

    def choose(
        self,
        now_s: float,
        chunks_waiting: int,
        shards_waiting: int,
        nbytes: int,
        *,
        is_held_up: bool = False,
        can_wait: bool = False,
        is_full: bool = False,
        are_kept: bool = False,
        link_s_per_byte: float | None = None,
    ) -> int:
        """The level for the chunk that is next.

        Parameters
        ----------
        now_s
            On any clock that only goes forward.
        chunks_waiting
            Behind this one, to be encoded.
        shards_waiting
            To be uploaded, beyond those under way.
        nbytes
            Of this chunk, raw.
        is_held_up
            Whether those before it wait for the disk, or had to wait for room in memory.
        can_wait
            Whether nothing is lost while the ring is full, since who fills it waits.
        is_full
            Whether it is full, of chunks that wait for the encoder or for the server.
        are_kept
            Whether the server keeps shards as they come.
        link_s_per_byte
            What the uplink takes for a byte, where that is known.
        """
        if self._fixed is not None:
            return self._fixed
        elapsed_s = None if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        if elapsed_s is not None:
            self._interval_s = blend(self._interval_s, elapsed_s)
        self._stay += 1
        is_busy = chunks_waiting > 0 or is_held_up or is_full
        if not (can_wait and is_busy):
            self._follow_queues(chunks_waiting, shards_waiting, nbytes, is_held_up=is_held_up)
        elif link_s_per_byte is not None:
            if elapsed_s is not None and self._was_busy and self._stay > STEADY:
                self._costs.took_in_all(LADDER[self._place], elapsed_s, nbytes, link_s_per_byte)
            # One that waits may be the last, which nobody has taken up yet.
            link_is_idle = shards_waiting <= 1 and not is_held_up
            self._take_fastest(link_s_per_byte, link_is_idle=link_is_idle, are_kept=are_kept)
        self._was_busy = is_busy
        return LADDER[self._place]

    def took(self, level: int, seconds: float, nbytes: int, size: int) -> None:
        """Learn that ``nbytes`` of frames became a shard of ``size`` bytes in so many seconds."""
        if self._fixed is None:
            self._costs.encoded(level, seconds, nbytes, size)

    def _take_fastest(self, link_s_per_byte: float, *, link_is_idle: bool, are_kept: bool) -> None:
        if self._stay <= STEADY and not link_is_idle:
            return
        # Where the link is the limit, larger shards are no way out.
        first = 0 if link_is_idle else self._place
        costs = {}
        for place in range(max(first, _FASTEST_KEPT if are_kept else 0), len(LADDER)):
            cost = self._costs.whole_s(
                LADDER[place],
                link_s_per_byte,
                link_is_idle=link_is_idle,
                is_at_work=place == self._place,
            )
            if cost is not None:
                costs[place] = cost
        if costs:
            limit = AS_FAST * min(costs.values())
            self._move(max(place for place, cost in costs.items() if cost <= limit))

    def _follow_queues(
        self, chunks_waiting: int, shards_waiting: int, nbytes: int, *, is_held_up: bool
    ) -> None:
        # Faster and larger shards would only wait longer where it is the disk that is behind.
        is_behind = chunks_waiting > 0 and not is_held_up
        self._in_a_row = self._in_a_row + chunks_waiting if is_behind else 0
        if self._in_a_row >= BEHIND:
            self._move(max(0, self._place - 1))
        elif not is_behind:
            self._consider(1 if is_held_up and self._place < _NORMAL else self._wish(shards_waiting, nbytes))

    def _wish(self, shards_waiting: int, nbytes: int) -> int:
        """Which way to go: 1 for stronger, -1 for faster, 0 for neither."""
        stronger_is_of_use = self._place < _NORMAL or shards_waiting >= UPLINK_BEHIND
        if (
            stronger_is_of_use
            and self._place + 1 < len(LADDER)
            and self._has_time_for(self._place + 1, nbytes)
        ):
            return 1
        return -1 if self._place > _NORMAL and shards_waiting == 0 else 0

    def _has_time_for(self, place: int, nbytes: int) -> bool:
        seconds = self._costs.encode_s(LADDER[place])
        if seconds is None or self._interval_s is None:
            return False
        return seconds * nbytes < SPARE * self._interval_s

    def _consider(self, wish: int) -> None:
        if wish == 0:
            self._wished = 0
            return
        self._wished = self._wished + wish if self._wished * wish > 0 else wish
        if abs(self._wished) >= PATIENCE:
            self._move(self._place + wish)

    def _move(self, place: int) -> None:
        if place != self._place:
            self._stay = 0
        self._place = place
        self._wished = self._in_a_row = 0
