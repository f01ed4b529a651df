"""When frames were captured: the clocks against made-up cameras whose true capture times are known."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.timing import HostClock, offset_ns
from rheed_acquire.frames.ring import NO_ID, NO_TIMESTAMP, Chunk

SECOND = 1_000_000_000
WINDOW_S = 10.0
FLOAT_NS = 500
"""A float of milliseconds since 1970 has steps of 0.24 us."""
MISJUDGED_PPM = 500
"""Few and badly delayed frames may look like that much of a drift."""


def made_up_clock() -> HostClock:
    """A computer's clock that stands still, so that nothing is slewed while a test runs."""
    return HostClock(wall_ns=lambda: 1_700_000_000 * SECOND, steady_ns=lambda: 0)


def chunk_of_stamps(index: int, timestamps: NDArray[np.int64], host: NDArray[np.int64]) -> Chunk:
    count = len(host)
    return Chunk(
        index,
        np.zeros((count, 1, 1), np.uint8),
        np.full(count, NO_ID, np.int64),
        timestamps.copy(),
        host.copy(),
    )


def as_host_ns(clock: HostClock, utc_ms: float) -> float:
    """Back from what is tested to ``perf_counter_ns``, in which the truth is known."""
    return utc_ms * 1e6 - clock.utc_ns(0)


@dataclass(frozen=True)
class Truth:
    """Frames of a run by this computer's clock, with the delay that each met, cut into chunks."""

    captured: NDArray[np.int64]
    delays: NDArray[np.int64]
    cuts: list[slice]
    ppm: float
    origin: int
    fps: float

    @property
    def arrived(self) -> NDArray[np.int64]:
        arrived: NDArray[np.int64] = self.captured + self.delays
        return arrived

    @property
    def timestamps(self) -> NDArray[np.int64]:
        """The camera's clock: fast by `ppm` millionths."""
        since = self.captured - self.captured[0]
        stamps: NDArray[np.int64] = self.origin + since + np.round(since * self.ppm / 1e6).astype(np.int64)
        return stamps

    def check(self, timestamps: NDArray[np.int64]) -> None:
        """Each start is no later than its frame's arrival, and not before the least delay but for drift."""
        for cut, error in zip(self.cuts, self.errors_ns(made_up_clock(), timestamps), strict=True):
            length_ns = float(self.captured[cut][-1] - self.captured[cut][0])
            drift_ns = (abs(self.ppm) + MISJUDGED_PPM) / 1e6 * (WINDOW_S * SECOND + length_ns)
            assert self.delays.min() - drift_ns - FLOAT_NS <= error <= self.delays[cut][0] + FLOAT_NS

    def errors_ns(self, clock: HostClock, timestamps: NDArray[np.int64]) -> list[float]:
        """Of each chunk's start, positive where it is said to be later than it was."""
        capture = CaptureClock(clock, self.fps, WINDOW_S)
        errors = []
        for index, cut in enumerate(self.cuts):
            chunk = chunk_of_stamps(index, timestamps[cut], self.arrived[cut])
            said = as_host_ns(clock, capture.times(chunk).start_ms_utc)
            errors.append(said - float(self.captured[cut][0]))
        return errors


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    fps, seconds = draw(st.sampled_from([(10.0, 40), (120.0, 30), (30.0, 60)]))
    count = round(fps * seconds)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    start = draw(st.integers(0, 10**14))
    captured = start + np.round(np.arange(count) * SECOND / fps).astype(np.int64)
    spread = draw(st.integers(0, 20_000_000))
    floor = draw(st.integers(0, 5_000_000))
    shape = draw(st.sampled_from([0.3, 1.0, 4.0]))
    delays = floor + np.round(spread * random.random(count) ** shape).astype(np.int64)
    delays = np.maximum.accumulate(captured + delays) - captured  # frames arrive in order
    edges = [0]
    while edges[-1] < count:
        edges.append(edges[-1] + draw(st.integers(1, round(4 * fps))))
    cuts = [slice(a, min(b, count)) for a, b in pairwise(edges)]
    return Truth(captured, delays, cuts, draw(st.floats(-50, 50)), draw(st.integers(0, 10**17)), fps)


@settings(max_examples=25)
@given(truths())
def test_a_start_lies_between_the_least_delay_of_all_and_its_frames_own(truth: Truth) -> None:
    truth.check(truth.timestamps)


def test_two_seconds_of_frames_with_delays_of_up_to_20_ms_are_dated_to_a_millisecond() -> None:
    random = np.random.default_rng(4)
    captured = 7 * SECOND + np.round(np.arange(7200) * SECOND / 120).astype(np.int64)
    delays = np.maximum.accumulate(captured + random.integers(0, 20_000_000, 7200)) - captured
    cuts = [slice(n, n + 240) for n in range(0, 7200, 240)]
    truth = Truth(captured, delays, cuts, 50.0, 10**15, 120.0)
    assert max(map(abs, truth.errors_ns(made_up_clock(), truth.timestamps))) < 1_000_000


@settings(max_examples=25)
@given(truths(), st.integers(SECOND // 4, 10**17), st.booleans(), st.data())
def test_a_clock_that_begins_anew_or_is_set_between_chunks_leaves_the_next_starts_true(
    truth: Truth, by: int, back: bool, data: st.DataObject
) -> None:
    """Also where it still reads later than at the last chunk's start, set back by less than a chunk."""
    timestamps = truth.timestamps
    first = truth.cuts[data.draw(st.integers(0, len(truth.cuts) - 1))].start
    if first:
        step = int(timestamps[first] - timestamps[first - 1])
        timestamps[first:] += -min(step + by, int(timestamps[first])) if back else by
        # Less is taken for frames out of order.
        assume(abs(int(timestamps[first] - timestamps[first - 1]) - step) > SECOND // 5 + step)
    truth.check(timestamps)


@pytest.mark.parametrize("chunk_size", [1, 3, 20])
@pytest.mark.parametrize("back", [3.2, 3.5, 4.9])
def test_a_clock_set_back_by_so_little_that_it_soon_reads_later_again_is_still_seen_as_set(
    back: float, chunk_size: int
) -> None:
    step = SECOND // 10
    captured = np.arange(400, dtype=np.int64) * step
    cuts = [slice(n, n + chunk_size) for n in range(0, 400, chunk_size)]
    truth = Truth(captured, np.zeros(400, np.int64), cuts, 0.0, 10**9, 10.0)
    timestamps = truth.timestamps
    timestamps[60:] -= round(back * step)
    truth.check(timestamps)


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=20).map(sorted))
def test_without_a_camera_clock_a_chunk_begins_when_its_first_frame_arrived(arrivals: list[int]) -> None:
    host = np.array(arrivals, np.int64)
    clock = made_up_clock()
    chunk = chunk_of_stamps(0, np.full(len(host), NO_TIMESTAMP, np.int64), host)
    said = as_host_ns(clock, CaptureClock(clock, 100.0).times(chunk).start_ms_utc)
    assert abs(said - arrivals[0]) <= FLOAT_NS


def test_the_host_clock_reads_utc_and_keeps_even_steps() -> None:
    clock = HostClock()
    before = time.time_ns()
    read = time.perf_counter_ns()
    said = clock.utc_ns(read)
    after = time.time_ns()
    # Windows' wall clock moves in steps of 16 ms; the wall clock may be slewed meanwhile.
    assert before - 50_000_000 <= said <= after + 50_000_000
    assert clock.utc_ns(read + 3 * 3600 * SECOND) - said == 3 * 3600 * SECOND


@given(held_up=st.lists(st.integers(0, 10**10), min_size=14, max_size=14), quiet=st.integers(0, 4))
def test_a_thread_that_is_held_up_between_two_readings_is_no_step_of_a_clock(
    held_up: list[int], quiet: int
) -> None:
    pauses = [*held_up[: 3 * quiet], 0, 0, 0, *held_up[3 * quiet :]]
    now_ns = 0

    def steady_ns() -> int:
        nonlocal now_ns
        now_ns += pauses.pop(0) if pauses else 0
        return now_ns

    def other_ns() -> int:
        return steady_ns() + 1_000

    assert offset_ns(steady_ns, other_ns)[1] == 1_000
