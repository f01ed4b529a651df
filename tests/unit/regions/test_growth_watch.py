"""How fast it grows is found now and then, for whoever takes it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from rheed_acquire.regions.growth_watch import GrowthWatch, growths
from rheed_acquire.regions.regions import Region
from rheed_acquire.regions.traces import RECENT_FRAMES

SPOT, HALO = (Region(name=name, x=0, y=0, width=2, height=2) for name in ("spot", "halo"))
TIMES_MS = 1.7e12 + np.arange(0, 60_000, 100.0)


def recent() -> list[Any]:
    grown = 100 + 10 * np.cos(2 * np.pi * (TIMES_MS - TIMES_MS[0]) / 4000)
    noise = np.random.default_rng(1).normal(100, 1, len(TIMES_MS))
    return [(SPOT, TIMES_MS, grown.astype(np.float32)), (HALO, TIMES_MS, noise.astype(np.float32))]


def test_regions_that_oscillate_say_how_fast_it_grows() -> None:
    (found,) = growths(recent())
    assert found.region == "spot"
    assert found.period_s == pytest.approx(4.0, rel=0.01)
    assert growths([(SPOT, TIMES_MS[:0], np.zeros(0, np.float32))]) == []


@pytest.mark.parametrize(
    ("fps", "period_s"), [(1000, 16.0), (120, 120.0), (1000, 100.0), (1000, 0.5), (30, 0.7), (10, 60.0)]
)
def test_a_slow_growth_is_found_at_a_high_rate_and_a_fast_one_in_a_long_run(
    fps: int, period_s: float
) -> None:
    kept = RECENT_FRAMES - 5  # no whole number of any block
    times_s = np.arange(kept) / fps
    noise = np.random.default_rng(2).normal(0, 1, kept)
    mean = (100 + 5 * np.cos(2 * np.pi * times_s / period_s) + noise).astype(np.float32)

    def tell(frames: int) -> list[Any]:
        return [(SPOT, (1.7e12 + times_s * 1e3)[-frames:], mean[-frames:])]

    watch = GrowthWatch(tell)
    watch.start()
    try:
        while (found := watch.take()) is None:
            time.sleep(0.001)
    finally:
        watch.stop()
    (growth,) = found
    assert growth.period_s == pytest.approx(period_s, rel=0.01)
    assert abs(growth.period_s - period_s) < 5 * growth.uncertainty_s


def test_in_what_does_not_oscillate_nothing_is_found_however_much_of_it_is_kept() -> None:
    times_ms = 1.7e12 + np.arange(RECENT_FRAMES, dtype=np.float64)
    noise = np.random.default_rng(3).normal(100, 1, RECENT_FRAMES).astype(np.float32)
    assert growths([(HALO, times_ms, noise)]) == []


def test_it_is_found_anew_only_once_it_was_taken_and_a_failure_ends_nothing() -> None:
    asked: list[int] = []

    def tell(frames: int) -> list[Any]:
        asked.append(frames)
        if len(asked) == 1:
            raise MemoryError
        return recent()

    watch = GrowthWatch(tell, every_s=0.001)
    watch.start()
    try:
        for times in (2, 3):
            while (found := watch.take()) is None:
                time.sleep(0.001)
            assert len(found) == 1
            assert len(asked) <= times + 1
    finally:
        watch.stop()
