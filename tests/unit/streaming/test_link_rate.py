"""How fast the uplink is, all uploads together."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.streaming.link_rate import LinkRate


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def fail(link: LinkRate, clock: Clock) -> None:
    with link.sending(100):
        clock.now_s += 9.0
        raise OSError("gone")


def test_before_anything_has_arrived_nothing_is_known() -> None:
    clock = Clock()
    link = LinkRate(clock)
    assert link.seconds_per_byte is None
    with link.sending(1000):
        clock.now_s += 5.0
        assert link.seconds_per_byte is None


@given(sizes=st.lists(st.integers(1, 10**9), min_size=1, max_size=20), pause_s=st.floats(0.0, 100.0))
def test_pauses_between_uploads_are_no_slowness(sizes: list[int], pause_s: float) -> None:
    clock = Clock()
    link = LinkRate(clock)
    for size in sizes:
        with link.sending(size):
            clock.now_s += size * 1e-6
        clock.now_s += pause_s
    assert link.seconds_per_byte == pytest.approx(1e-6)


@pytest.mark.parametrize("at_once", [2, 4])
def test_uploads_at_once_share_their_time(at_once: int) -> None:
    clock = Clock()
    link = LinkRate(clock)
    for _ in range(20):
        with contextlib.ExitStack() as uploads:
            for _ in range(at_once):
                uploads.enter_context(link.sending(100))
            clock.now_s += 1.0
    assert link.seconds_per_byte == pytest.approx(1 / (100 * at_once), rel=0.7)


def test_an_upload_that_fails_is_time_without_bytes() -> None:
    clock = Clock()
    link = LinkRate(clock)
    with link.sending(100):
        clock.now_s += 1.0
    with pytest.raises(OSError, match="gone"):
        fail(link, clock)
    with link.sending(100):
        clock.now_s += 1.0
    assert link.seconds_per_byte == pytest.approx((0.7 * 1.0 + 10.0) / 170)


def test_a_link_that_takes_nothing_any_more_is_slow_before_anything_fails() -> None:
    clock = Clock()
    link = LinkRate(clock)
    with link.sending(100):
        clock.now_s += 1.0
    with link.sending(100):
        clock.now_s += 1.0
        assert link.seconds_per_byte == pytest.approx(1 / 100)
        clock.now_s += 99.0
        assert link.seconds_per_byte == pytest.approx(101 / 200)
