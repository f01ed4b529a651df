"""What each level of compression costs the whole way of a chunk, as far as that is known."""

from __future__ import annotations

from dataclasses import dataclass

from rheed_acquire.recording.shard_encoding import DEFAULT_LEVEL, STORED

LADDER = (STORED, -50, 1, DEFAULT_LEVEL, 5, 7)
"""Levels worth having, by what they do to real RHEED frames. Against level 3, of which the shards are about
five times smaller than the frames: to store them costs nothing but the disk, and -50 is 1.9 times as fast,
its shards only 1.6 times smaller than the frames: both for a camera that would lose frames otherwise. Level 1
is 1.1 times as fast and 2 % larger, 5 takes 3.3 to 4.6 times as long for 7 to 10 % less, 7 six times as long
for 14 %. Those between and beyond give less."""

_RELATIVE_TIME = (0.03, 0.52, 0.9, 1.0, 3.8, 6.1)
_RELATIVE_LOGARITHM = (0.0, 0.3, 0.99, 1.0, 1.05, 1.09)
"""Of the size against the frames': so that what level 3 cannot shrink no level is taken to shrink."""

IDLE_LINK_GAIN = 4.0
"""Times as fast as it was measured, that a link may turn out to be which has not had enough to do: more
uploads at once, and processors that the encoder does not take."""
FORGOTTEN_AFTER = 200
"""Chunks after which a level may be worth another try."""
DOUBT = 1.2
"""Times as long as expected, that a level may take which was not seen at work of late."""
_MEMORY = 0.7
"""Of an average, that the past keeps at each chunk."""


@dataclass(slots=True)
class _Known:
    """Of one level, per byte of the frames, as averages of late; None where it was not seen yet."""

    encode_s: float | None = None
    size: float | None = None
    whole_s: float | None = None
    # When that was: by the number of chunks, and by how fast the link was.
    whole_at: int = 0
    whole_link: float = 0.0


class LevelCosts:
    """Learns from one chunk after the other. Not thread-safe."""

    def __init__(self) -> None:
        self._known = {level: _Known() for level in LADDER}
        self._chunks = 0

    def encoded(self, level: int, seconds: float, nbytes: int, size: int) -> None:
        """Learn what became of ``nbytes`` bytes of frames: a shard of ``size``, in so many seconds."""
        self._chunks += 1
        known = self._known[level]
        known.encode_s = blend(known.encode_s, seconds / nbytes)
        known.size = blend(known.size, size / nbytes)

    def took_in_all(self, level: int, seconds: float, nbytes: int, link_s_per_byte: float) -> None:
        """Learn after how long the next chunk could follow one of this level, while every stage was busy."""
        known = self._known[level]
        before_s = known.whole_s if self._holds(known, link_s_per_byte) else None
        known.whole_s = blend(before_s, seconds / nbytes)
        known.whole_at, known.whole_link = self._chunks, link_s_per_byte

    def encode_s(self, level: int) -> float | None:
        """Seconds that a byte takes to encode, by what is known of any level."""
        known = self._known[level].encode_s
        if known is not None:
            return known
        of, reference = self._nearest(level)
        if of is None or reference.encode_s is None:
            return None
        return reference.encode_s * _RELATIVE_TIME[LADDER.index(level)] / _RELATIVE_TIME[of]

    def size(self, level: int) -> float | None:
        """The shard's bytes for a byte of frames, by what is known of any level that is no storing."""
        known = self._known[level].size
        if known is not None or level == STORED:
            return known or 1.0
        of, reference = self._nearest(level)
        if of is None or reference.size is None:
            return None
        return float(reference.size ** (_RELATIVE_LOGARITHM[LADDER.index(level)] / _RELATIVE_LOGARITHM[of]))

    def whole_s(
        self, level: int, link_s_per_byte: float, *, link_is_idle: bool, is_at_work: bool
    ) -> float | None:
        """Seconds for a byte of frames from the ring to the server: those of the slowest stage.

        Parameters
        ----------
        link_s_per_byte
            As measured of late.
        link_is_idle
            Whether that was while the link had not enough to do.
        is_at_work
            Whether it is the level of late.
        """
        known, encode_s, size = self._known[level], self.encode_s(level), self.size(level)
        is_late = self._chunks - known.whole_at > FORGOTTEN_AFTER
        is_other = (
            not known.whole_link / IDLE_LINK_GAIN <= link_s_per_byte <= known.whole_link * IDLE_LINK_GAIN
        )
        if known.whole_s is not None and not is_late and not is_other:
            return known.whole_s
        if encode_s is None or size is None:
            return None
        slowest_s = max(encode_s, size * link_s_per_byte / (IDLE_LINK_GAIN if link_is_idle else 1.0))
        return slowest_s if is_at_work else DOUBT * slowest_s

    def _holds(self, known: _Known, link_s_per_byte: float) -> bool:
        """Whether what was measured of a level as a whole may be as it was."""
        if known.whole_s is None or self._chunks - known.whole_at > FORGOTTEN_AFTER:
            return False
        return known.whole_link / IDLE_LINK_GAIN <= link_s_per_byte <= known.whole_link * IDLE_LINK_GAIN

    def _nearest(self, level: int) -> tuple[int | None, _Known]:
        """Place of the level nearest to this one that was seen, but for storing, and what is known of it."""
        place = LADDER.index(level)
        seen = [
            other
            for other, one in enumerate(LADDER)
            if one != STORED and self._known[one].encode_s is not None
        ]
        nearest = min(seen, key=lambda other: abs(other - place), default=None)
        return nearest, self._known[LADDER[nearest or 0]]


def blend(average: float | None, value: float) -> float:
    """An average that forgets."""
    return value if average is None else _MEMORY * average + (1 - _MEMORY) * value
