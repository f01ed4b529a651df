"""How many requests a second are answered, by a clock of the test's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.clocks.allowance import Allowance


@given(st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_at_once_and_so_many_a_second_are_granted(pauses_s: list[float]) -> None:
    now_s = 0.0
    allowance = Allowance(2.0, 5.0, lambda: now_s)
    granted: list[float] = []
    for pause_s in pauses_s:
        now_s += pause_s
        if allowance.take():
            granted.append(now_s)
        for begin, since_s in enumerate(granted):
            assert len(granted) - begin <= 5 + 2 * (now_s - since_s) + 1e-6


def test_who_asks_seldom_enough_is_never_refused() -> None:
    now_s = 0.0
    allowance = Allowance(2.0, 5.0, lambda: now_s)
    for _ in range(1000):
        now_s += 0.5
        assert allowance.take()
    assert [allowance.take() for _ in range(5)] == [True] * 4 + [False]
