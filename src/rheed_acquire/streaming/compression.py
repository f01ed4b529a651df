"""How hard to compress: as hard as the camera and the uplink leave time for.

A chunk that waits to be encoded keeps its place in the ring, so that falling behind the camera is what must
not last. Shards that wait to be uploaded lie on disk, where there is room: then the uplink is the limit, and
time spent on making them smaller is well spent. Who pushes arrays can wait, as a camera cannot: there nothing
is gained by shards that are made sooner than the uplink takes them.
"""

from __future__ import annotations

from rheed_acquire.recording.shard_encoding import DEFAULT_LEVEL, STORED

LADDER = (STORED, -50, 1, DEFAULT_LEVEL, 5, 7)
"""Levels worth having, by what they do to real RHEED frames. Against zstd's level 3, of which the shards are
4.6 times smaller than the frames: to store them costs nothing but the disk, and -50 is 1.9 times as fast, its
shards only 1.5 times smaller than the frames: both for a camera that would lose frames otherwise. Level 1 is
up to 1.2 times as fast and 4 % larger, 5 takes 2.5 times as long for 5 % less, 7 five times as long for 11 %.
Those between and beyond give less."""

_NORMAL = LADDER.index(DEFAULT_LEVEL)

BEHIND = 2
"""Chunks that wait behind the next to be encoded, at once or one after another: the encoder has no pause.
Where pushes can wait one is enough: they come as fast as they are taken."""
UPLINK_BEHIND = 4
"""Shards that wait to be uploaded beyond those under way: the uplink does not keep up."""
PATIENCE = 4
"""Chunks in a row that must ask for a stronger level, or for the normal one, before it is taken: one slow
upload, or one quick chunk, is no reason."""
SPARE = 0.5
"""Of the time from chunk to chunk, that a stronger level may take by what is known of it."""
_STRONGER_COSTS = 2.5
"""Times the encoding time of the level below, until it is known."""
_MEMORY = 0.7
"""Of the average, that the past keeps at each chunk."""


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
        self._seconds_per_byte: dict[int, float] = {}
        self._interval_s: float | None = None
        self._last_s: float | None = None

    def choose(
        self,
        now_s: float,
        chunks_waiting: int,
        shards_waiting: int,
        nbytes: int,
        *,
        is_held_up: bool = False,
        can_wait: bool = False,
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
            Whether nothing is lost while the ring is full, since who pushes waits.
        """
        if self._fixed is not None:
            return self._fixed
        if self._last_s is not None:
            self._interval_s = _blend(self._interval_s, now_s - self._last_s)
        self._last_s = now_s
        # Faster and larger shards would only wait longer: for the disk, or where pushes can wait themselves,
        # for the uplink.
        is_of_no_use = is_held_up or (can_wait and shards_waiting > 0)
        is_behind = chunks_waiting > 0 and not is_of_no_use
        self._in_a_row = self._in_a_row + chunks_waiting if is_behind else 0
        if self._in_a_row >= (1 if can_wait else BEHIND):
            self._move(max(0, self._place - 1))
        elif not is_behind:
            self._consider(
                1 if is_of_no_use and self._place < _NORMAL else self._wish(shards_waiting, nbytes)
            )
        return LADDER[self._place]

    def took(self, level: int, seconds: float, nbytes: int) -> None:
        """Learn what a chunk of ``nbytes`` raw bytes took at a level."""
        self._seconds_per_byte[level] = _blend(self._seconds_per_byte.get(level), seconds / nbytes)

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
        known = self._seconds_per_byte.get(LADDER[place])
        if known is None:
            below = self._seconds_per_byte.get(LADDER[place - 1])
            if below is None:
                return False
            known = below * _STRONGER_COSTS
        return self._interval_s is not None and known * nbytes < SPARE * self._interval_s

    def _consider(self, wish: int) -> None:
        if wish == 0:
            self._wished = 0
            return
        self._wished = self._wished + wish if self._wished * wish > 0 else wish
        if abs(self._wished) >= PATIENCE:
            self._move(self._place + wish)

    def _move(self, place: int) -> None:
        self._place = place
        self._wished = self._in_a_row = 0


def _blend(average: float | None, value: float) -> float:
    return value if average is None else _MEMORY * average + (1 - _MEMORY) * value
