"""What a page can ask of the traces: every point of late, and all of the rest in coarser ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.regions.regions import Region
from rheed_acquire.view.server.history import FACTOR, KEPT, MOST_SHOWN, Trace, TraceHistory, thin_out

SPOT = Region(name="spot", x=10, y=20, width=3, height=4)
OTHER = Region(name="other", x=0, y=0, width=5, height=5)


def append(history: TraceHistory, first: int, count: int, regions: tuple[Region, ...] = (SPOT,)) -> None:
    """Points that tell where they belong: one a millisecond, with its number as the mean."""
    numbers = np.arange(first, first + count)
    mean = np.tile(numbers.astype(np.float32), (len(regions), 1))
    history.append(regions, numbers.astype(np.float64), mean, (mean % 256).astype(np.uint8))


@settings(max_examples=12)
@given(st.lists(st.integers(1, 3 * KEPT // 2), min_size=1, max_size=4))
def test_the_last_points_are_all_there_in_order_however_they_came(sizes: list[int]) -> None:
    history, total = TraceHistory(), 0
    for size in sizes:
        append(history, total, size)
        total += size
    recent = min(total, KEPT)
    trace, begun = history.window((recent - 0.5) / 1000)
    assert begun == total - recent
    assert trace.utc_ms.tolist() == list(range(total - recent, total))
    assert np.array_equal(trace.mean[0], np.arange(total - recent, total, dtype=np.float32))
    assert np.array_equal(trace.maximum[0], np.arange(total - recent, total) % 256)


def test_what_is_older_is_kept_as_means_and_maxima_of_whole_groups() -> None:
    history, total = TraceHistory(), 0
    while total < 4 * KEPT:
        append(history, total, 1000)
        total += 1000
    trace, begun = history.window(None)
    groups = total // FACTOR
    expected = np.arange(groups * FACTOR, dtype=np.float64).reshape(groups, FACTOR)
    assert begun == 0
    assert np.allclose(trace.utc_ms, expected.mean(axis=1))
    assert np.allclose(trace.mean[0], expected.mean(axis=1), rtol=1e-6)
    assert np.array_equal(trace.maximum[0], (expected % 256).max(axis=1))


def test_a_region_keeps_its_past_when_others_come_and_go() -> None:
    history = TraceHistory()
    append(history, 0, 100)
    append(history, 100, 50, (OTHER, SPOT.model_copy(update={"name": "renamed"})))
    trace, _ = history.window(None)
    assert [region.name for region in trace.regions] == ["other", "renamed"]
    assert np.array_equal(trace.mean[1], np.arange(150, dtype=np.float32))
    assert np.isnan(trace.mean[0, :100]).all()
    assert np.array_equal(trace.mean[0, 100:], np.arange(100, 150, dtype=np.float32))


def test_a_region_that_was_moved_begins_anew() -> None:
    history = TraceHistory()
    append(history, 0, 100)
    append(history, 100, 50, (SPOT.model_copy(update={"x": 11}),))
    trace, _ = history.window(None)
    assert np.isnan(trace.mean[0, :100]).all()
    assert not np.isnan(trace.mean[0, 100:]).any()


def test_times_that_go_back_begin_anew() -> None:
    history = TraceHistory()
    append(history, 1000, 100)
    append(history, 0, 10)
    trace, _ = history.window(None)
    assert trace.utc_ms.tolist() == list(range(10))


@settings(max_examples=40)
@given(st.integers(0, 20 * MOST_SHOWN), st.integers(0, 10_000))
def test_thinning_out_keeps_maxima_and_order_and_does_not_shift_with_time(count: int, begun: int) -> None:
    shown = thin_out(trace_of(begun, count), begun)
    assert len(shown.utc_ms) <= MOST_SHOWN
    assert (np.diff(shown.utc_ms) > 0).all()
    together = 1
    while count > together * MOST_SHOWN:
        together *= 2
    # The first group begins at a multiple of its size: a later window has the same groups.
    if len(shown.utc_ms):
        first = shown.utc_ms[0] - (together - 1) / 2
        assert first % together == 0
        assert np.allclose(shown.mean[0], shown.utc_ms)


def trace_of(begun: int, count: int) -> Trace:
    numbers: NDArray[np.float64] = np.arange(begun, begun + count, dtype=np.float64)
    values = numbers.astype(np.float32)[np.newaxis]
    return Trace((SPOT,), numbers, values, values)


def test_where_frames_are_missing_the_trace_is_interrupted() -> None:
    numbers = np.concatenate((np.arange(100.0), np.arange(2000.0, 2100.0)))
    values = numbers.astype(np.float32)[np.newaxis]
    shown = thin_out(Trace((SPOT,), numbers, values, values), 0)
    assert len(shown.utc_ms) == 201
    assert np.isnan(shown.mean[0, 100])
    assert not np.isnan(np.delete(shown.mean[0], 100)).any()
