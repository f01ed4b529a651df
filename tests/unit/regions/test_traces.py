"""Every frame's mean and maximum exactly as numpy has them, and what is kept of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.regions import traces as traces_module
from rheed_acquire.regions.regions import Region
from rheed_acquire.regions.traces import RegionTraces, Trace, measure

HEIGHT, WIDTH = 7, 9


def region(x: int, y: int, width: int, height: int, name: str = "r") -> Region:
    return Region(name=name, x=x, y=y, width=width, height=height)


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH), np.uint8)


def mean_of(frames: NDArray[np.uint8], place: Region) -> NDArray[np.float32]:
    rows, columns = place.box
    mean: NDArray[np.float64] = frames[:, rows, columns].astype(np.float64).mean(axis=(1, 2))
    return mean.astype(np.float32)


@st.composite
def boxes(draw: st.DrawFn) -> Region:
    x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return region(x, y, draw(st.integers(1, WIDTH - x)), draw(st.integers(1, HEIGHT - y)))


@given(st.lists(boxes(), max_size=4), st.integers(0, 40), st.integers(0, 9))
def test_mean_and_maximum_are_numpys(places: list[Region], count: int, seed: int) -> None:
    frames = noise(count, seed)
    points = measure(frames, np.arange(count, dtype=np.float64), places)
    assert points.mean.shape == points.maximum.shape == (len(places), count)
    assert (str(points.mean.dtype), str(points.maximum.dtype)) == ("float32", "uint16")
    for place, mean, maximum in zip(places, points.mean, points.maximum, strict=True):
        rows, columns = place.box
        np.testing.assert_array_equal(mean, mean_of(frames, place))
        np.testing.assert_array_equal(maximum, frames[:, rows, columns].max(axis=(1, 2)))


def test_a_region_larger_than_a_slice_of_memory_and_one_whose_sum_needs_more_than_32_bits_are_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traces_module, "_SLICE_BYTES", 100)
    frames, whole = noise(10), region(0, 0, WIDTH, HEIGHT)
    np.testing.assert_array_equal(measure(frames, np.zeros(10), [whole]).mean[0], mean_of(frames, whole))
    large = np.full((1, 4200, 4200), 255, np.uint8)
    assert large.size * 255 > 2**32
    assert measure(large, np.zeros(1), [region(0, 0, 4200, 4200)]).mean.tolist() == [[255.0]]


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 30), max_size=20),
    st.integers(1, 40),
    st.sampled_from([2, 4, 6, 16]),
    st.sampled_from([4, 4096]),
)
def test_the_latest_values_are_all_kept_and_the_whole_run_in_equal_buckets(
    slices: list[int], recent: int, buckets: int, first_capacity: int
) -> None:
    before, traces_module._FIRST_CAPACITY = traces_module._FIRST_CAPACITY, first_capacity
    try:
        trace = Trace(recent, buckets)
    finally:
        traces_module._FIRST_CAPACITY = before
    total = sum(slices)
    utc_ms = np.arange(total, dtype=np.float64) * 3
    mean = np.random.default_rng(total).random(total).astype(np.float32)
    maximum = np.random.default_rng(total + 1).integers(0, 256, total, np.uint8)
    at = 0
    for count in slices:
        part = slice(at, at + count)
        trace.add(utc_ms[part], mean[part], maximum[part])
        at += count
    points: tuple[NDArray[Any], ...] = (utc_ms, mean, maximum)
    for wanted in (None, 0, 1, 7, 10**9):
        kept = min(total, recent) if wanted is None else min(total, recent, wanted)
        for got, whole in zip(trace.recent(wanted), points, strict=True):
            np.testing.assert_array_equal(got, whole[total - kept :])
    overview = trace.overview()
    assert len(overview.utc_ms) <= buckets
    assert overview.frames.sum() == total
    starts = np.concatenate(([0], np.cumsum(overview.frames)))[:-1].astype(int)
    assert len(set(overview.frames[:-1].tolist())) <= 1
    for place, (start, count) in enumerate(zip(starts, overview.frames, strict=True)):
        part = slice(start, start + count)
        assert overview.utc_ms[place] == utc_ms[start]
        assert overview.lowest[place] == mean[part].min()
        assert overview.highest[place] == mean[part].max()
        assert overview.maximum[place] == maximum[part].max()
        assert overview.mean[place] == pytest.approx(mean[part].astype(np.float64).mean(), rel=1e-6)


def test_a_region_that_stays_where_it_is_keeps_its_trace_and_another_begins_anew() -> None:
    traces = RegionTraces()
    spot, streak = region(0, 0, 2, 2, "spot"), region(3, 3, 2, 2, "streak")
    traces.follow([spot])
    traces.add(noise(5), np.arange(5.0))
    traces.follow([streak, region(0, 0, 2, 2, "renamed")])
    traces.add(noise(3, 1), np.arange(5.0, 8.0))
    assert [one.name for one in traces.regions] == ["streak", "renamed"]
    assert [trace.frames for trace in traces.traces] == [3, 8]
    traces.follow([])
    assert traces.add(noise(1), np.zeros(1)).mean.shape == (0, 1)


@pytest.mark.parametrize("wrong", [{"recent": 0}, {"buckets": 3}, {"buckets": 0}])
def test_a_trace_without_room_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        Trace(**wrong)


@pytest.mark.parametrize("side", [8, 300])
def test_mean_and_maximum_of_deep_frames_are_exact(side: int) -> None:
    frames = np.random.default_rng(3).integers(0, 65536, (5, side, side)).astype(np.uint16)
    frames[0] = 65535
    points = measure(frames, np.arange(5.0), [Region(name="all", x=0, y=0, width=side, height=side)])
    expected = frames.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    assert points.mean[0].tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert points.maximum[0].tolist() == frames.max(axis=(1, 2)).tolist()
