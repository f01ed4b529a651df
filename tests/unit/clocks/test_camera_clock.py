"""Stamps of cameras that drift, wrap, begin anew or keep PTP time, behind a computer that is slow to look."""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.clocks.made_up_computer import (
    SECOND,
    UTC_NS,
    Computer,
    Stamps,
    camera_time,
    capture,
    chunk_of,
    deliver,
    errors_ms,
)

from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.stamp_judge import CONFIRMED_BY


def delays(kind: str, captured: Stamps, random: np.random.Generator) -> NDArray[np.float64]:
    """Scheduling jitter of 20 ms, in milliseconds."""
    size = len(captured)
    if kind == "uniform":
        return random.uniform(0, 20, size)
    if kind == "exponential":
        return random.exponential(20, size)
    if kind == "bursty":  # the driver is looked after every 20 ms, now and then only after 100 ms
        period = 20_000_000
        late = np.where(random.random(size) < 0.02, 100.0, 0.0)
        return (period - captured % period) / 1e6 + late
    # a load that comes and goes: for seconds on end everything is late
    return random.uniform(0, 20, size) + np.where((captured // (4 * SECOND)) % 3 == 0, 15.0, 0.0)


@pytest.mark.parametrize("ppm", [-100.0, 0.0, 100.0, 450.0])
@pytest.mark.parametrize("kind", ["uniform", "exponential", "bursty", "load"])
def test_under_20_ms_of_scheduling_jitter_starts_are_true_to_2_ms_at_the_99th_percentile(
    kind: str, ppm: float
) -> None:
    errors = []
    for seed in range(4):
        computer = Computer()
        captured = capture(119.7, 400)
        arrived = deliver(captured, delays(kind, captured, np.random.default_rng(seed)))
        clock = CaptureClock(computer.clock, 120.0)
        errors.append(errors_ms(clock, computer, captured, camera_time(captured, ppm), arrived, 240))
    assert np.percentile(np.abs(np.concatenate(errors)), 99) < 2.0


@pytest.mark.parametrize("load", ["idle", "busy"])
@pytest.mark.parametrize("ppm", [-100.0, 0.0, 100.0])
def test_recorded_jitter_of_a_real_computer_leaves_starts_true_to_2_ms_at_the_99th_percentile(
    load: str, ppm: float
) -> None:
    """30 s at 120 frames/s each: alone, and beside five busy threads on two cores (median delay 16 ms)."""
    with np.load(Path(__file__).parents[2] / "data" / "arrival_jitter.npz") as recorded:
        captured = 5_000 * SECOND + recorded[f"captured_{load}"].astype(np.int64) * 1000
        waited = recorded[f"delay_{load}"].astype(np.int64) * 1000
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0)
    errors = errors_ms(clock, computer, captured, camera_time(captured, ppm), captured + waited, 240)
    assert np.percentile(np.abs(errors), 99) < 2.0


def test_the_drift_of_the_camera_is_learnt() -> None:
    captured = capture(120, 300)
    arrived = deliver(captured, np.random.default_rng(3).uniform(0, 20, len(captured)))
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0)
    assert clock.drift_ppm is None
    errors_ms(clock, computer, captured, camera_time(captured, -80), arrived, 240)
    assert clock.drift_ppm == pytest.approx(80, abs=5)


def test_a_drift_beyond_any_crystal_s_is_followed_once_it_is_known() -> None:
    captured = capture(120, 120)
    arrived = deliver(captured, np.random.default_rng(3).uniform(0, 20, len(captured)))
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0)
    errors = errors_ms(clock, computer, captured, camera_time(captured, -450), arrived, 240)
    assert np.abs(errors[30:]).max() < 2.0


def test_chunks_of_a_single_frame_find_the_envelope_as_well() -> None:
    captured = capture(120, 60)
    arrived = deliver(captured, np.random.default_rng(3).uniform(0, 20, len(captured)))
    computer = Computer()
    errors = errors_ms(
        CaptureClock(computer.clock, 120.0), computer, captured, camera_time(captured, 100), arrived, 1
    )
    assert np.percentile(np.abs(errors[120:]), 99) < 2.0


def test_a_chunk_of_minutes_is_stamped_by_what_is_near_its_start() -> None:
    captured = capture(120, 1200)
    arrived = deliver(captured, np.random.default_rng(3).uniform(0, 20, len(captured)))
    computer = Computer()
    # The camera warms up and cools down: its clock is 5 ms ahead at one chunk's start, behind at the next.
    wander = 5e6 * np.cos(2 * np.pi * (captured - captured[0]) / (1200 * SECOND))
    timestamps = camera_time(captured) + wander.astype(np.int64)
    errors = errors_ms(CaptureClock(computer.clock, 120.0), computer, captured, timestamps, arrived, 72_000)
    assert np.abs(errors).max() < 2.0


@pytest.mark.parametrize("tick_ns", [1, 8])
def test_a_counter_of_32_bits_is_continued_where_it_wraps(tick_ns: int) -> None:
    wraps_ns = tick_ns * 2**32
    captured = capture(120, 120)
    arrived = deliver(captured, np.random.default_rng(5).uniform(0, 20, len(captured)))
    timestamps = camera_time(captured, 60, origin=3 * SECOND)
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0, wraps_ns=wraps_ns)
    errors = errors_ms(clock, computer, captured, timestamps % wraps_ns, arrived, 240)
    assert clock.judge.wraps == timestamps[-1] // wraps_ns
    assert clock.judge.restarts == 0
    assert clock.drift_ppm is not None  # a forgotten past would have none yet
    assert np.percentile(np.abs(errors), 99) < 2.0


def test_a_pause_in_which_the_counter_wraps_several_times_is_bridged() -> None:
    captured = capture(120, 20)
    captured[1200:] += 100 * SECOND
    arrived = deliver(captured, np.random.default_rng(5).uniform(0, 20, len(captured)))
    wraps_ns = 8 * 2**32
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0, wraps_ns=wraps_ns)
    errors = errors_ms(clock, computer, captured, camera_time(captured, origin=0) % wraps_ns, arrived, 240)
    assert (clock.judge.wraps, clock.judge.restarts) == (3, 0)
    assert np.abs(errors).max() < 2.0


@settings(max_examples=40)
@given(
    at=st.integers(1, 2399),
    origin=st.integers(0, 10**9),
    away_s=st.floats(0, 100),
    wraps_ns=st.sampled_from([None, 8 * 2**32]),
)
def test_after_a_counter_began_anew_starts_are_true_again(
    at: int, origin: int, away_s: float, wraps_ns: int | None
) -> None:
    """Also in the middle of a chunk, and for a counter that might as well have wrapped."""
    captured = capture(120, 20)
    captured[at:] += round(away_s * 1e9)
    arrived = deliver(captured, np.random.default_rng(at).uniform(0, 20, len(captured)))
    timestamps = camera_time(captured, origin=30 * SECOND)
    timestamps[at:] -= timestamps[at] - origin
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0, wraps_ns=wraps_ns)
    errors = errors_ms(clock, computer, captured, timestamps, arrived, 240)
    whole = np.arange(0, 2400, 240) >= at
    if wraps_ns is None:
        # A few stamps alone may be a slip of the clock's as well as a new beginning.
        assert clock.judge.restarts == (len(captured) - at >= CONFIRMED_BY)
        # a chunk of a few frames only, between the restart and the chunk's end, has few that waited little
        assert np.abs(errors[whole]).max(initial=0.0) < 20.0
    assert np.abs(errors[-1]) < 2.0 or whole.sum() < 2


def test_out_of_order_frames_are_no_restart() -> None:
    captured = capture(120, 20)
    timestamps = camera_time(captured)
    timestamps[[100, 101]] = timestamps[[101, 100]]
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0)
    errors_ms(clock, computer, captured, timestamps, captured + 1000, 240)
    assert clock.judge.restarts == 0


def test_a_camera_that_was_opened_again_may_have_any_clock() -> None:
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0)
    captured = capture(120, 4)
    errors_ms(clock, computer, captured, camera_time(captured, origin=0), captured, 240)
    clock.restarted()
    later = captured + 5 * SECOND
    assert (
        np.abs(errors_ms(clock, computer, later, camera_time(later, origin=8 * SECOND), later, 240)).max()
        < 0.01
    )


def test_ptp_time_is_taken_with_the_leap_seconds_off() -> None:
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0, ptp=True)
    captured = capture(120, 4)
    tai = UTC_NS + 37 * SECOND + 1_500_000_000 + captured - captured[0]  # this computer is 1.5 s late
    errors = errors_ms(clock, computer, captured, tai, captured + 30_000_000, 240)
    assert clock.times(chunk_of(tai[-1:] + SECOND, captured[-1:] + SECOND)).source == "ptp"
    assert errors == pytest.approx(1500.0, abs=0.001)


@pytest.mark.parametrize("off_s", [-37, 3600, -1_799_999_000])
def test_ptp_time_of_a_grandmaster_that_nobody_has_set_is_refused_once_and_loudly(
    off_s: int, caplog: pytest.LogCaptureFixture
) -> None:
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0, ptp=True)
    captured = capture(120, 6)
    tai = UTC_NS + (37 + off_s) * SECOND + captured - captured[0]
    with caplog.at_level(logging.WARNING, "rheed_acquire"):
        errors = errors_ms(clock, computer, captured, tai, captured, 240)
    assert clock.times(chunk_of(tai[-1:] + SECOND, captured[-1:] + SECOND)).source == "camera"
    assert np.abs(errors).max() < 0.01
    assert len(caplog.records) == 1
    assert "grandmaster" in caplog.text


def test_memory_is_bounded() -> None:
    clock = CaptureClock(Computer().clock, 0.5)
    for n in count():
        stamps = np.array([n * SECOND * 2], np.int64)
        clock.times(chunk_of(stamps, stamps + 5_000 * SECOND))
        if n == 1000:
            break
    assert len(clock._envelope._points) == 256
