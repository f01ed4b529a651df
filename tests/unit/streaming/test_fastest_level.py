"""Where nothing is lost by waiting, the level is the one that brings most frames all the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.recording.shard_encoding import DEFAULT_LEVEL, STORED
from rheed_acquire.streaming.compression import AS_FAST, STEADY, Compression
from rheed_acquire.streaming.level_costs import FORGOTTEN_AFTER, LADDER

CHUNK = 36_000_000
AT_ONCE = 2
TIMES = dict(zip(LADDER, (0.03, 0.55, 0.85, 1.0, 2.4, 4.8), strict=True))
POWERS = dict(zip(LADDER, (0.0, 0.27, 0.97, 1.0, 1.05, 1.1), strict=True))


@dataclass
class Way:
    """Everything from the ring to the server, stage after stage, in a time of its own.

    Attributes
    ----------
    encode_s
        For a chunk at the normal level.
    size
        Of a shard of the normal level, against its frames.
    link_s
        For as many bytes as a chunk has.
    contention
        Times that an upload takes while the encoder is always at work.
    in_memory
        Shards that may lie in memory; with two the ring is full of them, and the link never looks busy.
    """

    encode_s: float
    size: float
    link_s: float
    contention: float = 1.0
    in_memory: int = 8
    now_s: float = 0.0
    sent_bytes: float = 0.0
    levels: list[int] = field(default_factory=list)
    _arrivals: list[float] = field(default_factory=list)

    def send(self, compression: Compression, chunks: int, *, are_kept: bool = False) -> float:
        """Have so many chunks sent, as fast as it goes; the seconds that it took."""
        begun_s, held_up = self.now_s, False
        for _ in range(chunks):
            in_memory = [arrival for arrival in self._arrivals if arrival > self.now_s]
            arrived = len(self._arrivals) - len(in_memory)
            is_encoding = not held_up and len(in_memory) <= AT_ONCE
            is_full = held_up and self.in_memory <= AT_ONCE
            level = compression.choose(
                self.now_s,
                0 if is_full else 1,
                max(0, len(in_memory) - AT_ONCE),
                CHUNK,
                is_held_up=held_up and not is_full,
                can_wait=True,
                is_full=is_full,
                are_kept=are_kept,
                link_s_per_byte=(
                    self.link_s * (self.contention if is_encoding else 1.0) / CHUNK if arrived else None
                ),
            )
            self.levels.append(level)
            size = self.size ** POWERS.get(level, 1.0)
            took_s = self.encode_s * TIMES.get(level, 1.0)
            self.now_s += took_s
            compression.took(level, took_s, CHUNK, int(CHUNK * size))
            in_memory = [arrival for arrival in self._arrivals if arrival > self.now_s]
            held_up = len(in_memory) >= self.in_memory
            if held_up:
                self.now_s = in_memory[-self.in_memory]
            last_s = max([self.now_s, *self._arrivals[-1:]])
            self._arrivals.append(last_s + size * self.link_s)
            self.sent_bytes += size * CHUNK
        return self._arrivals[-1] - begun_s


def fixed(level: int, way: Way, chunks: int) -> float:
    return Way(way.encode_s, way.size, way.link_s, in_memory=way.in_memory).send(Compression(level), chunks)


ways = st.builds(
    Way,
    encode_s=st.floats(0.01, 0.5),
    size=st.floats(0.05, 1.0),
    link_s=st.floats(0.01, 10.0),
    contention=st.floats(1.0, 3.0),
    in_memory=st.sampled_from([2, 8]),
)


@given(way=ways)
def test_it_is_never_much_slower_than_the_best_level_that_is_fixed(way: Way) -> None:
    chunks = 2 * FORGOTTEN_AFTER
    best_s = min(fixed(level, way, chunks) for level in LADDER)
    # A level is tried for as long as it takes until the way is full of it, a few times in all.
    trials_s = 4 * STEADY * max(way.encode_s, way.link_s)
    assert way.send(Compression(), chunks) <= AS_FAST**2 * best_s + trials_s


@given(way=ways)
def test_it_sends_no_more_than_a_level_that_is_as_fast(way: Way) -> None:
    compression = Compression()
    way.send(compression, 4 * STEADY)
    way.levels.clear()
    way.send(compression, FORGOTTEN_AFTER)
    settled = max(set(way.levels), key=way.levels.count)
    times = {level: fixed(level, way, FORGOTTEN_AFTER) for level in LADDER}
    sizes = {level: way.size ** POWERS[level] for level in LADDER}
    for level in LADDER:
        # By a level that sends less and is as fast; levels that send nearly as much are as good.
        if times[level] <= 0.8 * times[settled]:
            assert sizes[level] >= 0.95 * sizes[settled], level


def test_into_a_link_that_is_faster_than_the_encoder_frames_are_stored() -> None:
    way = Way(encode_s=0.08, size=0.2, link_s=0.03, contention=3.0)
    way.send(Compression(), 20)
    assert way.levels[-1] == STORED
    assert way.levels.count(STORED) > 15


def test_with_many_processors_the_encoder_is_faster_than_any_link_for_stored_frames() -> None:
    way = Way(encode_s=0.025, size=0.2, link_s=0.04)
    way.send(Compression(), FORGOTTEN_AFTER)
    assert set(way.levels[-FORGOTTEN_AFTER // 2 :]) <= {1, DEFAULT_LEVEL}
    assert way.levels.count(STORED) < 2 * STEADY


def test_a_slow_link_gets_the_smallest_shards() -> None:
    way = Way(encode_s=0.08, size=0.2, link_s=10.0)
    way.send(Compression(), 60)
    assert way.levels[-1] == LADDER[-1]
    assert STORED not in way.levels


@pytest.mark.parametrize("link_s", [0.01, 0.03, 1.0])
def test_where_shards_are_kept_they_are_compressed_however_fast_the_disk(link_s: float) -> None:
    way = Way(encode_s=0.08, size=0.2, link_s=link_s)
    way.send(Compression(), 100, are_kept=True)
    assert min(way.levels, key=LADDER.index) >= 1


def test_after_a_link_that_was_away_it_finds_back() -> None:
    compression = Compression()
    way = Way(encode_s=0.08, size=0.2, link_s=0.03)
    way.send(compression, 40)
    way.link_s = 20.0
    way.send(compression, 40)
    assert way.levels[-1] == LADDER[-1]
    way.link_s = 0.03
    way.send(compression, 3 * STEADY)
    assert way.levels[-1] == STORED


def test_frames_that_do_not_shrink_are_sent_as_fast_at_any_level() -> None:
    way = Way(encode_s=0.001, size=1.0, link_s=0.05)
    way.send(Compression(), 100)
    assert len(set(way.levels[2 * STEADY :])) == 1
