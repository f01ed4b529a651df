"""The rate of a camera that does not say it, from a second of its frames."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire import CameraInfo, DeviceInfo, Frame, GrabLoopCamera
from rheed_acquire.run.measured_rate import LEAST_FRAMES, measure_fps, rate_of

SECOND = 1_000_000_000


@given(
    st.floats(0.5, 5000),
    st.integers(20, 200),
    st.sampled_from(["clock", "none", "microseconds", "constant", "some"]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_it_is_the_clock_s_where_arrivals_bear_it_out_and_else_theirs(
    fps: float, count: int, clock: str, has_ids: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    numbers = np.cumsum(random.choice([1, 1, 1, 1, 2], count)) if has_ids else np.arange(count)
    captured = (numbers * SECOND / fps).astype(np.int64)
    spread = min(0.02 * float(captured[-1] - captured[0]), 10_000_000)
    arrivals = np.maximum.accumulate(captured + random.uniform(0, spread, count).astype(np.int64))
    stamps: list[int | None] = (10**15 + captured).tolist()
    if clock == "none":
        stamps = [None] * count
    elif clock == "microseconds":
        stamps = (captured // 1000).tolist()
    elif clock == "constant":
        stamps = [7] * count
    elif clock == "some":
        stamps[3] = None
    ids: list[int | None] = [None] * count
    if has_ids:
        ids = [int(number) for number in numbers]
    said = rate_of(arrivals.tolist(), stamps, ids)
    assert said is not None
    assert said[0] == pytest.approx(fps, rel=1e-3 if clock == "clock" else 0.03)
    assert said[1] == count


def test_a_trigger_that_comes_unevenly_and_too_few_frames_are_no_rate() -> None:
    stamps = np.cumsum([SECOND // 100] * 20 + [SECOND] * 3).tolist()
    few: list[int | None] = [None] * (LEAST_FRAMES - 1)
    assert rate_of(stamps, stamps, [None] * len(stamps)) is None
    assert rate_of(stamps[: len(few)], stamps[: len(few)], few) is None
    assert rate_of([5, 5, 5, 5], [None] * 4, [None] * 4) is None


class _Kept(GrabLoopCamera):
    """A source whose frames were all kept, and come at once."""

    def __init__(self) -> None:
        self._number = 0

    @property
    def info(self) -> CameraInfo:
        return CameraInfo(DeviceInfo("kept"), 2, 1, "Mono8", fps=None, waits=True)

    def grab(self, timeout_s: float) -> Frame | None:
        self._number += 1
        # As files are dated, in steps of 16 ms.
        stamp_ns = 10**18 + self._number * 10_000_000 // 16_000_000 * 16_000_000 + self._number
        return Frame(np.zeros((1, 2), np.uint8), self._number, stamp_ns)


def test_the_rate_of_what_is_kept_until_it_is_taken_is_that_of_its_stamps() -> None:
    with _Kept() as camera:
        measured = measure_fps(camera, threading.Event())
    assert measured is not None
    assert measured[0] == pytest.approx(100, rel=0.02)
