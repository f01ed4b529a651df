"""The computer's own clock: it is set, or corrected slowly, and no time that it gives runs back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.clocks.made_up_computer import SECOND, Computer, camera_time, capture, chunk_of

from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.timing import Slew


@pytest.mark.parametrize("step_s", [3600, -3600, 0.5])
def test_a_wall_clock_that_is_set_in_the_middle_leaves_stamps_even(step_s: float) -> None:
    computer = Computer()
    captured = capture(120, 20)
    timestamps = camera_time(captured)
    clock = CaptureClock(computer.clock, 120.0)
    said = []
    for n in range(0, len(captured), 240):
        said.append(clock.times(chunk_of(timestamps[n : n + 240], captured[n : n + 240])).start_ms_utc)
        computer.pass_time(2)
        if n == 960:
            computer.wall += round(step_s * 1e9)
    assert np.diff(said) == pytest.approx(2000.0, abs=0.01)
    assert computer.clock.ignored_ns == round(step_s * 1e9)


@pytest.mark.parametrize("ppm", [-40.0, 40.0])
def test_the_host_clock_follows_slow_corrections_over_days_and_never_runs_back(ppm: float) -> None:
    computer = Computer()
    latest = computer.clock.utc_ns(computer.steady)
    for _ in range(3 * 24 * 60):
        computer.pass_time(60, ppm)
        now = computer.clock.now_ns()
        assert now > latest
        latest = now
    assert abs(latest - computer.wall) < 5_000_000
    assert computer.clock.ignored_ns == 0


def test_a_new_anchor_takes_the_wall_clock_for_true() -> None:
    computer = Computer()
    computer.pass_time(10)
    computer.wall += 7 * SECOND
    computer.clock.now_ns()
    computer.clock.anchor()
    assert computer.clock.now_ns() == computer.wall


@given(
    st.integers(-(10**12), 10**12),
    st.integers(-(10**12), 10**12),
    st.floats(0, 900_000),
    st.integers(0, 10**12),
)
def test_a_slew_keeps_the_order_of_times(offset: int, target: int, ppm: float, begin: int) -> None:
    slew = Slew(begin, offset, target, ppm)
    times = [begin + step for step in (-5, 0, 1000, 10**9, 10**12, 10**15)]
    assert all(b + slew.at(b) >= a + slew.at(a) for a, b in pairwise(times))
    if ppm > 2000:
        assert slew.at(begin + 10**15) == target
