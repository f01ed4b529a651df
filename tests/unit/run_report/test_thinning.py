"""What is kept of a long run is bounded, and what it says stays true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.run_report.thinning import EveryNowAndThen, RateSeries

STEPS = st.lists(st.tuples(st.integers(1, 500), st.floats(0.01, 5.0)), min_size=1, max_size=200)


@given(STEPS, st.integers(2, 16))
def test_no_frame_and_no_second_is_lost_when_steps_are_added_up(
    steps: list[tuple[int, float]], capacity: int
) -> None:
    series = RateSeries(capacity)
    for place, (frames, seconds) in enumerate(steps):
        series.add(1000.0 * place, frames, seconds)
    kept = series.record()
    assert len(kept.frames) <= capacity
    assert sum(kept.frames) == sum(frames for frames, _ in steps)
    assert abs(sum(kept.seconds) - sum(seconds for _, seconds in steps)) < 1e-6
    assert kept.utc_ms == sorted(kept.utc_ms)


def test_a_rate_that_is_steady_stays_so_however_coarse_the_series() -> None:
    series = RateSeries(8)
    for second in range(1000):
        series.add(1000.0 * second, 120, 1.0)
    kept = series.record()
    assert {frames / seconds for frames, seconds in zip(kept.frames, kept.seconds, strict=True)} == {120.0}


@given(st.integers(1, 2000), st.sampled_from([4, 8, 48]))
def test_items_are_spread_over_the_whole_time_and_never_too_many(seconds: int, capacity: int) -> None:
    kept = EveryNowAndThen[int](capacity, every_ms=2000.0)
    for second in range(seconds):
        kept.offer(1000.0 * second, lambda second=second: second)  # type: ignore[misc]
    assert kept.items[0] == 0
    assert len(kept.items) <= capacity
    assert len(kept.items) >= min(capacity // 2, (seconds + 1) // 2)
    steps = {after - before for before, after in zip(kept.items, kept.items[1:], strict=False)}
    assert len(steps) <= 2
    assert seconds - kept.items[-1] <= max(steps, default=2) * 2


def test_an_item_is_made_only_when_it_is_wanted() -> None:
    kept = EveryNowAndThen[str](4, every_ms=2000.0)
    kept.offer(0.0, lambda: "first")
    kept.offer(1999.0, lambda: str(1 / 0))
    kept.offer(2000.0, lambda: "second")
    assert kept.items == ["first", "second"]
