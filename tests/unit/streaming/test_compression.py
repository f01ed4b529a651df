"""How hard to compress, by what waits before and behind the encoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.recording.shard_encoding import DEFAULT_LEVEL, STORED
from rheed_acquire.streaming.compression import BEHIND, PATIENCE, UPLINK_BEHIND, Compression
from rheed_acquire.streaming.level_costs import LADDER

CHUNK = 36_000_000
FASTEST, FASTER = LADDER[1], LADDER[LADDER.index(DEFAULT_LEVEL) - 1]
INTERVAL_S = 2.0


class Encoder:
    """Encodes a chunk every two seconds, at a speed that halves from level to level."""

    def __init__(self, level: int | None = None, seconds: float = 0.0125) -> None:
        self.compression = Compression(level)
        self.now_s = 0.0
        self.seconds = {level: seconds * 2**place for place, level in enumerate(LADDER)}

    def chunk(self, waiting: int = 0, uploads: int = 0, *, disk: bool = False) -> int:
        level = self.compression.choose(self.now_s, waiting, uploads, CHUNK, is_held_up=disk)
        self.compression.took(level, self.seconds.get(level, 0.1), CHUNK, CHUNK // 4)
        self.now_s += INTERVAL_S
        return level

    def chunks(self, count: int, waiting: int = 0, uploads: int = 0) -> list[int]:
        return [self.chunk(waiting, uploads) for _ in range(count)]


def test_without_pressure_the_level_is_the_normal_one() -> None:
    assert set(Encoder().chunks(50)) == {DEFAULT_LEVEL}


@pytest.mark.parametrize("level", [1, 3, 19])
def test_a_level_that_was_asked_for_stays_whatever_waits(level: int) -> None:
    encoder = Encoder(level)
    assert set(encoder.chunks(10, waiting=9) + encoder.chunks(10, uploads=99)) == {level}


def test_an_encoder_that_falls_behind_the_camera_turns_faster_at_once() -> None:
    encoder = Encoder()
    encoder.chunks(3)
    assert encoder.chunks(4, waiting=BEHIND) == [FASTER, FASTEST, STORED, STORED]


def test_an_encoder_that_never_pauses_turns_faster_though_little_waits() -> None:
    encoder = Encoder()
    encoder.chunks(3)
    levels = encoder.chunks(7, waiting=1)
    assert levels == [DEFAULT_LEVEL, FASTER, FASTER, FASTEST, FASTEST, STORED, STORED]


def test_an_encoder_that_falls_behind_the_camera_turns_faster_though_the_uplink_is_behind_too() -> None:
    encoder = Encoder()
    encoder.chunks(3)
    assert encoder.chunks(4, waiting=BEHIND, uploads=99)[-1] == STORED


def test_two_chunks_at_once_now_and_then_change_nothing() -> None:
    encoder = Encoder()
    assert {encoder.chunk(waiting=number % 2) for number in range(30)} == {DEFAULT_LEVEL}


def test_it_returns_to_the_normal_level_only_when_that_was_possible_for_a_while() -> None:
    encoder = Encoder()
    encoder.chunks(3)
    encoder.chunk(waiting=BEHIND)
    assert encoder.chunks(PATIENCE - 1) == [FASTER] * (PATIENCE - 1)
    assert encoder.chunk() == DEFAULT_LEVEL


def test_larger_shards_are_no_help_where_the_disk_is_behind() -> None:
    encoder = Encoder()
    encoder.chunks(3)
    assert {encoder.chunk(waiting=1, disk=True) for _ in range(20)} == {DEFAULT_LEVEL}
    encoder.chunks(3, waiting=BEHIND)
    assert [encoder.chunk(waiting=1, disk=True) for _ in range(3 * PATIENCE)][-1] == DEFAULT_LEVEL


def test_it_stays_fast_where_the_normal_level_takes_longer_than_the_camera_leaves() -> None:
    encoder = Encoder(seconds=0.2)  # and eight times that at the normal level, of 2 s
    encoder.chunks(3)
    encoder.chunk(waiting=BEHIND)
    assert set(encoder.chunks(30)) == {FASTER}


def test_a_slow_uplink_turns_spare_time_into_smaller_shards() -> None:
    encoder = Encoder()
    levels = encoder.chunks(40, uploads=UPLINK_BEHIND)
    assert levels[0] == DEFAULT_LEVEL
    assert levels == sorted(levels)
    assert levels[-1] == LADDER[-1]
    assert min(levels.count(level) for level in LADDER[3:]) >= PATIENCE


def test_a_slow_uplink_takes_no_time_that_the_camera_needs() -> None:
    encoder = Encoder(seconds=0.075)  # 0.6 s at the normal level, so 1.2 at the next, of 2
    assert set(encoder.chunks(40, uploads=UPLINK_BEHIND)) == {DEFAULT_LEVEL}


def test_once_the_uplink_has_caught_up_the_normal_level_returns() -> None:
    encoder = Encoder()
    encoder.chunks(40, uploads=UPLINK_BEHIND)
    levels = encoder.chunks(2 * PATIENCE + 2)
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == DEFAULT_LEVEL


def test_a_queue_that_comes_and_goes_moves_nothing() -> None:
    encoder = Encoder()
    levels = [encoder.chunk(uploads=UPLINK_BEHIND * (number % PATIENCE > 0)) for number in range(60)]
    assert set(levels) == {DEFAULT_LEVEL}


@given(waits=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=60))
def test_whatever_waits_the_level_is_on_the_ladder_and_never_strong_while_behind(
    waits: list[tuple[int, int]],
) -> None:
    encoder = Encoder()
    before = DEFAULT_LEVEL
    for waiting, uploads in waits:
        level = encoder.chunk(waiting, uploads)
        assert level in LADDER
        if waiting >= BEHIND:
            assert level == LADDER[max(0, LADDER.index(before) - 1)]
        else:
            assert abs(LADDER.index(level) - LADDER.index(before)) <= 1
        before = level
