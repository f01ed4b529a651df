"""A known period is found, its uncertainty is honest, and noise is not taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.regions.oscillation import MAX_POINTS, MIN_PERIODS, dominant_period


@settings(max_examples=60)
# Over the continuum that these have, the flank of the line stands higher than its top.
@example(1.0, 3.375, 400, 0.0, 0.0, 1.0)
@example(1.0, 5.375, 400, 0.0, 0.0, 1.0)
@given(
    st.floats(0.05, 50),
    st.floats(5, 60),
    st.integers(400, 3000),
    st.floats(0, 6.28),
    st.floats(-20, 20),
    st.floats(0.01, 100),
)
def test_a_clean_oscillation_on_a_drift_is_found_whatever_its_phase_and_height(
    period_s: float, periods: float, count: int, phase: float, drift: float, height: float
) -> None:
    times = np.linspace(0, periods * period_s, count)
    values = 100 + height * (np.cos(2 * np.pi * times / period_s + phase) + drift * times / times[-1])
    found = dominant_period(times + 1.7e9, values)
    assert found is not None
    assert found.period_s == pytest.approx(period_s, rel=3e-3)
    assert found.strength > 0.9
    assert found.growth_rate == pytest.approx(1 / period_s, rel=3e-3)


@pytest.mark.parametrize(("periods", "noise"), [(4, 0.5), (10, 0.5), (10, 2.0), (60, 2.0)])
def test_the_uncertainty_is_one_standard_deviation(periods: float, noise: float) -> None:
    random = np.random.default_rng(3)
    off = []
    for _ in range(150):
        span = periods + random.uniform(-0.5, 0.5)
        times = np.linspace(0, span, 1500, endpoint=False)
        values = np.cos(2 * np.pi * times + random.uniform(0, 6.28)) + noise * random.normal(size=1500)
        found = dominant_period(times, values)
        if found is not None:
            off.append((found.period_s - 1) / found.uncertainty_s)
    assert len(off) > 140
    assert 0.5 < np.sqrt(np.mean(np.square(off))) < 1.5


def test_a_growth_that_dies_away_over_falling_light_has_its_period() -> None:
    times = np.arange(0, 30, 1 / 120)
    light = 80 * np.exp(-times / 25) + 10 * np.exp(-times / 8) * np.cos(2 * np.pi * times / 2.1)
    noise = np.random.default_rng(0).normal(size=len(times))
    found = dominant_period(times, light + noise)
    assert found is not None
    assert abs(found.period_s - 2.1) < min(0.02 * 2.1, 4 * found.uncertainty_s)


def test_noise_is_not_taken_for_an_oscillation() -> None:
    random = np.random.default_rng(11)
    alarms = sum(dominant_period(np.arange(800.0), random.normal(size=800)) is not None for _ in range(400))
    assert alarms <= 2


def without_oscillation(kind: str, random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """A series that drifts, steps, wanders or bends, at 30 values a second."""
    times = np.arange(count) / 30.0
    noise = random.normal(size=count)
    if kind == "wander":
        return np.cumsum(noise)
    if kind.startswith("red"):
        values = np.zeros(count)
        for n in range(1, count):
            values[n] = float(kind[3:]) * values[n - 1] + noise[n]
        return values
    if kind == "drift":
        faded: NDArray[np.float64] = 100 * np.exp(-times / times[-1] * random.uniform(0.2, 6))
        return faded + noise * 10 ** random.uniform(-3, 0)
    if kind == "steps":
        values = np.zeros(count)
        for _ in range(random.integers(1, 5)):
            values[random.integers(0, count) :] += 20 * random.normal()
        return values + noise * 10 ** random.uniform(-2, 0)
    if kind == "bends":
        corners = np.sort(np.concatenate(([0.0, times[-1]], random.uniform(0, times[-1], 3))))
        return np.interp(times, corners, 20 * random.normal(size=5)) + 0.3 * noise
    levels: NDArray[np.float64] = np.round(100 + 0.05 * np.cumsum(noise))
    return levels


@pytest.mark.parametrize(
    "kind", ["red 0.5", "red 0.9", "red 0.99", "wander", "drift", "steps", "bends", "levels"]
)
@pytest.mark.parametrize("count", [120, 400])
def test_what_drifts_steps_or_wanders_is_seldom_taken_for_an_oscillation(kind: str, count: int) -> None:
    random = np.random.default_rng(8)
    times = np.arange(count) / 30.0
    alarms = sum(
        dominant_period(times, without_oscillation(kind, random, count)) is not None for _ in range(60)
    )
    assert alarms <= 4


@pytest.mark.parametrize("level", [0.0, 1.0, 127.3, 255.0])
@pytest.mark.parametrize("slope", [0.0, 0.01, -0.37])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("count", [16, 300, 1440])
def test_a_straight_line_has_no_period_whatever_its_rounding(
    level: float, slope: float, kind: type, count: int
) -> None:
    times = np.arange(count) / 30.0
    assert dominant_period(times + 1.7e9, (level + slope * times).astype(kind)) is None


def test_decaying_oscillations_over_drift_and_red_noise_are_still_found() -> None:
    random = np.random.default_rng(8)
    times = np.arange(1200) / 30.0
    found = 0
    for _ in range(40):
        period = random.uniform(0.8, 3)
        values = (
            80 * np.exp(-times / 30)
            + 10
            * np.exp(-times / (times[-1] / random.uniform(1, 4)))
            * np.cos(2 * np.pi * times / period + random.uniform(0, 6))
            + 0.5 * random.normal(size=1200)
            + 0.05 * np.cumsum(random.normal(size=1200))
        )
        said = dominant_period(times, values)
        found += said is not None and abs(said.period_s / period - 1) < 0.1
    assert found >= 34


def test_missing_values_gaps_and_disorder_do_not_spoil_it() -> None:
    times = np.arange(0, 40, 0.02)
    values = np.cos(2 * np.pi * times / 3.0)
    values[::7] = np.nan
    kept = np.ones(len(times), bool)
    kept[500:530] = False
    order = np.random.default_rng(0).permutation(int(kept.sum()))
    found = dominant_period(times[kept][order], values[kept][order])
    assert found is not None
    assert found.period_s == pytest.approx(3.0, rel=0.005)


def test_a_series_longer_than_is_transformed_is_averaged_and_not_cut() -> None:
    times = np.arange(5 * MAX_POINTS + 3) / 1000
    values = np.cos(2 * np.pi * times / 1.3) + np.random.default_rng(0).normal(size=len(times))
    found = dominant_period(times, values)
    assert found is not None
    assert found.period_s == pytest.approx(1.3, rel=1e-3)
    assert found.uncertainty_s < 1e-3


@pytest.mark.parametrize(
    "values",
    [[], [1.0] * 15, [1.0] * 500, [float("nan")] * 500, list(range(500)), [0.0] * 499 + [1.0]],
    ids=["nothing", "few", "constant", "nan", "drift", "a step at the end"],
)
def test_what_does_not_oscillate_has_no_period(values: list[float]) -> None:
    assert dominant_period(np.arange(len(values)), values) is None


def test_fewer_periods_than_can_be_told_from_a_drift_are_none() -> None:
    times = np.linspace(0, MIN_PERIODS - 1, 1000)
    found = dominant_period(times, np.cos(2 * np.pi * times))
    assert found is None or abs(found.period_s - 1) > 0.2
    assert dominant_period(np.zeros(100), np.random.default_rng(0).normal(size=100)) is None
