"""The growth rate of late, and the count of monolayers, of series whose growth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.regions.growth import FEWEST_OSCILLATIONS, latest_oscillations, monolayers_since
from rheed_acquire.regions.oscillation import dominant_period

RATE = 60.0


def grown(seconds: float, period_s: float, phase: float = 0.0) -> tuple[NDArray[np.float64], ...]:
    times = np.arange(0, seconds, 1 / RATE)
    return times, 100 + 10 * np.cos(2 * np.pi * times / period_s + phase)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.3, 4), st.integers(FEWEST_OSCILLATIONS, 20), st.floats(0, 6.28))
def test_the_latest_oscillations_are_as_many_as_are_asked_for(
    period_s: float, count: int, phase: float
) -> None:
    times, values = grown(25 * period_s, period_s, phase)
    found = latest_oscillations(times + 1.7e9, values, count)
    assert found is not None
    assert found[0].period_s == pytest.approx(period_s, rel=1e-2)
    assert found[1] == pytest.approx(count, rel=0.03)


def test_where_the_series_has_fewer_all_of_it_is_taken() -> None:
    times, values = grown(12, 2.0)
    found = latest_oscillations(times, values, 50)
    assert found is not None
    assert found[1] == pytest.approx(6, rel=0.03)
    assert found[0] == dominant_period(times, values)


@pytest.mark.parametrize("change", [0.8, 1.25, 1.6])
def test_a_rate_that_has_changed_is_that_of_the_latest(change: float) -> None:
    """The line of the whole series is that of the longer part; what grew before must not be in the answer."""
    times = np.arange(0, 60, 1 / RATE)
    rate = np.where(times < 35, 0.5, 0.5 * change)
    values = 100 + 10 * np.cos(2 * np.pi * np.cumsum(rate) / RATE)
    found = latest_oscillations(times, values, FEWEST_OSCILLATIONS)
    assert found is not None
    assert found[0].growth_rate == pytest.approx(0.5 * change, rel=0.02)


def test_the_uncertainty_of_few_oscillations_is_one_standard_deviation() -> None:
    random = np.random.default_rng(5)
    off = []
    for _ in range(60):
        times, values = grown(random.uniform(30, 40), 1.0, random.uniform(0, 6.28))
        found = latest_oscillations(times, values + 5 * random.normal(size=len(times)), FEWEST_OSCILLATIONS)
        if found is not None:
            off.append((found[0].growth_rate - 1) / found[0].growth_uncertainty)
    assert len(off) > 50
    assert 0.5 < np.sqrt(np.mean(np.square(off))) < 1.5


def test_a_growth_that_has_ended_has_no_latest_oscillations() -> None:
    random = np.random.default_rng(2)
    times, values = grown(60, 2.0)
    values[times > 40] = 90
    assert latest_oscillations(times, values + random.normal(size=len(times)), FEWEST_OSCILLATIONS) is None


@settings(max_examples=40, deadline=None)
@given(st.floats(0.3, 4), st.floats(3, 30), st.floats(0, 10), st.floats(0, 6.28))
def test_monolayers_are_counted_from_the_moment_on(
    period_s: float, count: float, before: float, phase: float
) -> None:
    times, values = grown((before + count) * period_s, period_s, phase)
    since_s = before * period_s
    found = monolayers_since(times, values, since_s)
    if found is None:  # of hardly three periods some phases cannot be told from a drift
        assert count < 4
        return
    assert found.count == pytest.approx(count, rel=0.03)
    assert found.uncertainty > 0


def test_nothing_is_counted_before_there_are_oscillations_to_count() -> None:
    times, values = grown(30, 2.0)
    assert monolayers_since(times, values, 27.0) is None
    assert monolayers_since(times, values, 31.0) is None
    assert latest_oscillations([], [], 5) is None
