"""Stamps that make no sense, and frames at another rate than declared: dates are by what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.clocks.made_up_computer import (
    SECOND,
    Computer,
    Stamps,
    camera_time,
    capture,
    chunk_of,
    deliver,
)

from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.stamp_judge import LONGEST_QUEUE_NS
from rheed_acquire.frames.ring import NO_TIMESTAMP
from rheed_acquire.run.pushed_frames import ChunkFacts, PushedFrames

Wild = st.one_of(
    st.integers(NO_TIMESTAMP, 2**62),
    st.sampled_from([NO_TIMESTAMP, 0, 2**32 - 1, 2**63 - 1]),
    st.integers(10**12, 10**12 + 5 * SECOND),
)


@settings(max_examples=300)
@given(st.data())
def test_whatever_the_stamps_no_date_runs_backwards_and_no_frame_is_dated_long_after_its_arrival(
    data: st.DataObject,
) -> None:
    computer = Computer()
    fps = data.draw(st.sampled_from([1.0, 30.0, 120.0, 5000.0]))
    clock = CaptureClock(
        computer.clock,
        fps,
        wraps_ns=data.draw(st.sampled_from([None, 2**32])),
        ptp=data.draw(st.booleans()),
        recorded=data.draw(st.sampled_from([False, False, True])),
    )
    arrival, latest = 5_000 * SECOND, -np.inf
    even = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 8))):
        size = data.draw(st.integers(1, 8))
        stamps = data.draw(st.lists(Wild, min_size=size, max_size=size))
        period = st.just(round(SECOND / fps)) if even else st.integers(0, 2 * SECOND)
        waits = data.draw(st.lists(period, min_size=size, max_size=size))
        arrived = arrival + np.cumsum(np.array(waits, np.int64))
        arrival = int(arrived[-1])
        times = clock.times(chunk_of(np.array(stamps, np.int64), arrived))
        assert (np.diff(times.ms_utc) >= 0).all()
        # As a reader dates them, from a start in whole milliseconds.
        dates = round(times.start_ms_utc) + np.arange(size) * 1000 / times.fps
        # Where each frame is stamped, by its own time as well.
        after_ms = np.maximum(times.since_ns - times.moved_ns, 0) / 1e6
        own = times.start_ms_utc + after_ms if times.by_camera.all() else dates
        assert latest - 1e-3 <= min(dates[0], own[0])
        if not clock.recorded:
            slack_ms = 100 + 1000 / fps + 2
            assert times.start_ms_utc <= max(computer.utc_of(arrived)[0], latest + 1) + 0.001
            assert dates[-1] <= max(computer.utc_of(arrived)[-1] + slack_ms, latest + slack_ms + size)
        latest = float(max(dates[-1], own[-1]))


@pytest.mark.parametrize("true_fps", [59.0, 61.0, 84.0, 90.0, 600.0, 30.0])
@pytest.mark.parametrize("has_clock", [False, True])
@pytest.mark.parametrize("size", [18, 120])
def test_frames_of_a_camera_that_is_not_as_fast_as_declared_are_dated_by_what_was_measured(
    true_fps: float, has_clock: bool, size: int
) -> None:
    captured = capture(true_fps, 40)
    arrived = deliver(captured, np.random.default_rng(1).uniform(0, 5, len(captured)))
    stamps = camera_time(captured) if has_clock else np.full(len(captured), NO_TIMESTAMP, np.int64)
    computer = Computer()
    clock = CaptureClock(computer.clock, 60.0)
    dates: list[float] = []
    for n in range(0, len(captured) - size, size):
        times = clock.times(chunk_of(stamps[n : n + size], arrived[n : n + size]))
        dates.extend(round(times.start_ms_utc) + np.arange(size) * 1000 / times.fps)
    assert (np.diff(dates) >= -1e-3).all()
    off = np.array(dates) - computer.utc_of(captured)[: len(dates)]
    assert np.abs(off).max() < 1000 / 60 + 10 + (0 if has_clock else 100)


def quirky(kind: str, stamps: Stamps) -> Stamps:
    """What a camera makes of the time."""
    at = len(stamps) // 2 + 7
    stamps = stamps.copy()
    if kind in ("none", "zero", "ones"):
        stamps[np.random.default_rng(7).random(len(stamps)) < 0.1] = {
            "none": NO_TIMESTAMP,
            "zero": 0,
            "ones": 2**32 - 1,
        }[kind]
    elif kind == "constant":
        stamps[:] = stamps[0]
    elif kind == "microseconds":
        stamps //= 1000
    elif kind == "milliseconds":
        stamps //= 1_000_000
    elif kind == "ticks":
        stamps //= 8
    elif kind == "coarse":
        stamps -= stamps % 250_000_000
    elif kind == "random":
        stamps = np.random.default_rng(7).integers(0, 2**62, len(stamps))
    else:
        stamps[at:] += {"ptp": 1_760_000_000, "second back": -1, "second forward": 1}[kind] * SECOND
    return stamps


QUIRKS = [
    "none",
    "zero",
    "ones",
    "constant",
    "microseconds",
    "milliseconds",
    "ticks",
    "coarse",
    "random",
    "ptp",
    "second back",
    "second forward",
]


@pytest.mark.parametrize("kind", QUIRKS)
@pytest.mark.parametrize("has_ids", [False, True])
@pytest.mark.parametrize("size", [1, 7, 240])
def test_a_quirk_of_the_clock_is_said_and_is_neither_a_pause_nor_another_rate(
    kind: str, has_ids: bool, size: int
) -> None:
    fps = 120.0 if size > 1 else 12.0
    captured = capture(fps, 20)
    arrived = deliver(captured, np.random.default_rng(2).uniform(0, 15, len(captured)))
    stamps = quirky(kind, camera_time(captured, 40))
    computer = Computer()
    clock = CaptureClock(computer.clock, fps)
    pushed = PushedFrames(round(SECOND / fps + 0.1 * SECOND), SECOND / fps)
    said: list[float] = []
    for n in range(0, len(captured), size):
        chunk = chunk_of(stamps[n : n + size], arrived[n : n + size])
        if has_ids:
            chunk.frame_ids = np.arange(n, n + len(chunk))
        times = clock.times(chunk)
        pushed.add(ChunkFacts.of(chunk, times))
        said.extend(times.ms_utc)
    assert pushed.pauses == []
    if size > 1:
        assert pushed.fps_measured == pytest.approx(fps, rel=0.01 if size > 7 else 0.1)
    assert np.abs(np.array(said) - computer.utc_of(captured)).max() < (70 if size > 1 else 200)
    assert clock.judge.findings()


@pytest.mark.parametrize("has_ids", [False, True])
def test_a_pause_and_a_stalled_computer_are_told_from_each_other_and_from_quirks(has_ids: bool) -> None:
    captured = capture(120, 40)
    captured[1000:] += 2 * SECOND  # the camera waits
    delay = np.random.default_rng(2).uniform(0, 15, len(captured))
    delay[3000:3400] += 3000  # nobody looks, and the driver keeps all
    arrived = deliver(captured, delay)
    computer = Computer()
    clock = CaptureClock(computer.clock, 120.0)
    pushed = PushedFrames(round(SECOND / 120 + 0.1 * SECOND), SECOND / 120)
    stamps = camera_time(captured, 40)
    for n in range(0, len(captured), 240):
        chunk = chunk_of(stamps[n : n + 240], arrived[n : n + 240])
        if has_ids:
            chunk.frame_ids = np.arange(n, n + 240)
        times = clock.times(chunk)
        pushed.add(ChunkFacts.of(chunk, times))
        assert np.abs(times.ms_utc - computer.utc_of(captured)[n : n + 240]).max() < 25
    assert pushed.pauses == pytest.approx([2 + 1 / 120], rel=1e-3)
    assert clock.judge.findings() == []


def watched(
    captured: Stamps, stamps: Stamps, arrived: Stamps, fps: float
) -> tuple[CaptureClock, PushedFrames]:
    """What becomes of a run's clock and rate over chunks of 240 frames, numbered."""
    clock = CaptureClock(Computer().clock, fps)
    pushed = PushedFrames(round(SECOND / fps + 0.1 * SECOND), SECOND / fps)
    for n in range(0, len(captured), 240):
        chunk = chunk_of(stamps[n : n + 240], arrived[n : n + 240])
        chunk.frame_ids = np.arange(n, n + len(chunk))
        pushed.add(ChunkFacts.of(chunk, clock.times(chunk)))
    return clock, pushed


Fps = st.sampled_from([15.0, 60.0, 120.0, 1000.0])


@settings(max_examples=40)
@given(st.data())
def test_a_clock_that_tells_the_declared_rate_whatever_the_camera_does_is_not_believed_for_ever(
    data: st.DataObject,
) -> None:
    fps, faster = data.draw(Fps), data.draw(st.floats(1.1, 5.0))
    longest_s = (LONGEST_QUEUE_NS / SECOND + 10 / fps) / (faster - 1.02)
    seconds = 1.0 + 1.2 * longest_s + 3 * 240 / (fps * faster)
    captured = capture(fps * faster, seconds)
    jitter = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrived = deliver(captured, jitter.uniform(0, data.draw(st.floats(0, 30)), len(captured)))
    stamps = camera_time(capture(fps, seconds * faster))[: len(captured)]
    clock, pushed = watched(captured, stamps, arrived, fps)
    assert clock.judge.pace == pytest.approx(faster, rel=0.05)
    assert pushed.fps_measured == pytest.approx(fps * faster, rel=0.02)
    assert clock.judge.findings()


@settings(max_examples=40)
@given(st.data())
def test_frames_that_come_sooner_while_a_queue_empties_itself_have_a_clock_that_is_right(
    data: st.DataObject,
) -> None:
    fps, queued_s = data.draw(Fps), data.draw(st.floats(0.0, 1.9))
    captured = capture(fps, 30)
    since = (captured - captured[0]) / SECOND
    emptied = data.draw(st.floats(0.05, 0.95))  # seconds of the queue in one
    arrived = deliver(captured, 1000 * np.maximum(0, queued_s - emptied * since))
    clock, pushed = watched(captured, camera_time(captured, 40), arrived, fps)
    assert clock.judge.findings() == []
    assert pushed.fps_measured == pytest.approx(fps, rel=0.001)
