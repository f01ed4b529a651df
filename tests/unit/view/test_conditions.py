"""What starts and ends a run by itself: how it is spelled, and by which frame it comes true."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.regions.regions import Region
from rheed_acquire.view.conditions import (
    Condition,
    ConditionError,
    LevelReached,
    LineReached,
    TimeReached,
    Watch,
    read_condition,
)

SPOT = Region(name="spot", x=0, y=0, width=2, height=2)
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
NOW_NS = round(NOW.timestamp()) * 10**9


def read(text: str) -> Condition:
    return read_condition(text, NOW_NS)


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A computer nine hours ahead of UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("Windows tells its zone elsewhere")
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@given(
    st.text("aB 1<>.é=", min_size=1, max_size=20).map(str.strip).filter(bool),
    st.booleans(),
    st.integers(0, 65535),
    st.integers(0, 600),
)
def test_a_level_is_read_as_it_is_shown_whatever_its_region_is_called(
    region: str, is_above: bool, level: int, for_s: int
) -> None:
    condition = LevelReached(region, is_above, float(level), float(for_s))
    assert read(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spot>120", LevelReached("spot", True, 120.0)),
        ("  specular beam <  0.5 for 2.5 s ", LevelReached("specular beam", False, 0.5, 2.5)),
        ("line Line1 high", LineReached("Line1", True)),
        (" Line  cc1 LOW ", LineReached("cc1", False)),
        ("line x > 5", LevelReached("line x", True, 5.0)),
        ("in 90 s", TimeReached(NOW_NS + 90 * 10**9)),
        ("in 0.25s", TimeReached(NOW_NS + 250_000_000)),
        ("at 12:00:00 UTC", TimeReached(NOW_NS)),
        ("at 11:59Z", TimeReached(NOW_NS + 86_340 * 10**9)),
        ("at 14:30+01:00", TimeReached(NOW_NS + 5_400 * 10**9)),
        ("at 2026-11-29T12:00:01.5Z", TimeReached(NOW_NS + 1_500_000_000)),
        ("AT 2026-11-30 00:00 utc", TimeReached(NOW_NS + 43_200 * 10**9)),
    ],
)
def test_conditions_are_understood_as_they_are_written(text: str, expected: Condition) -> None:
    assert read(text) == expected


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("at 21:30", datetime(2026, 11, 29, 12, 30, tzinfo=UTC)),
        ("at 20:59", datetime(2026, 11, 30, 11, 59, tzinfo=UTC)),
        ("at 2026-11-30 06:00", datetime(2026, 11, 29, 21, 0, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_that_of_the_stations_clock_on_the_wall(text: str, utc: datetime) -> None:
    assert read(text) == TimeReached(round(utc.timestamp()) * 10**9)
    assert str(read(text)).endswith("+09:00")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a level"),
        ("spot = 120", "must be a level"),
        ("spot > ", "must be a level"),
        ("> 120", "must be a level"),
        ("spot > 1e3", "must be a level"),
        ("sp\not > 3", "must be a level"),
        ("line high", "must be a level"),
        ("line Line1 up", "a line of the camera"),
        ("spot > 3 for 601 s", "600 s at most"),
        ("at 25:00", "no time of the calendar"),
        ("at 12:60", "no time of the calendar"),
        ("at 2026-02-30 12:00", "no time of the calendar"),
        ("at 12:00 +25:00", "no offset"),
        ("at 2026-11-29 11:59 UTC", "has passed"),
        ("at 0001-01-01 00:00", "passed|cannot be told"),
        ("at 9999-12-31 23:59", "week ahead|cannot be told"),
        ("at 2026-12-24 18:00 UTC", "more than a week ahead"),
        ("in 9999999999999 s", "more than a week ahead"),
    ],
)
def test_what_cannot_come_true_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ConditionError, match=said):
        read(text)


@given(st.text(max_size=40))
def test_no_text_is_more_than_refused(text: str) -> None:
    with contextlib.suppress(ConditionError):
        read(text)


@given(
    values=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    steps_ms=st.lists(st.integers(1, 50), min_size=60, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    since=st.integers(0, 60),
    is_above=st.booleans(),
    for_ms=st.sampled_from([0, 1, 40, 300]),
)
def test_the_frame_by_which_a_level_is_reached_is_found_however_frames_are_brought(
    values: list[int], steps_ms: list[int], cuts: list[int], since: int, is_above: bool, for_ms: int
) -> None:
    arrived = np.cumsum(np.array(steps_ms[: len(values)], np.int64)) * 1_000_000
    since_ns = int(arrived[min(since, len(values) - 1)])
    expected: int | None = None
    held_since: int | None = None
    for value, at_ns in zip(values, arrived.tolist(), strict=True):
        holds = at_ns >= since_ns and (value > 1 if is_above else value < 1)
        held_since = None if not holds else at_ns if held_since is None else held_since
        if holds and held_since is not None and at_ns - held_since >= for_ms * 1_000_000 and expected is None:
            expected = at_ns
    watch = Watch(LevelReached("spot", is_above, 1.0, for_ms / 1e3), since_ns)
    other = SPOT.model_copy(update={"name": "other"})
    told = 0
    for begin, end in _pieces(cuts, len(values)):
        piece = np.array([[9] * (end - begin), values[begin:end]], np.float32)
        told += watch.see(arrived[begin:end], piece, (other, SPOT))
    assert watch.met_ns == expected
    assert watch.is_met() == (expected is not None)
    assert told == (expected is not None)


def _pieces(cuts: list[int], count: int) -> list[tuple[int, int]]:
    bounds = sorted({0, count, *(cut for cut in cuts if cut < count)})
    return list(itertools.pairwise(bounds))


def test_a_region_that_is_not_there_for_a_while_has_not_kept_to_its_level() -> None:
    watch = Watch(LevelReached("spot", True, 1.0, 0.02))
    bright = np.full((1, 1), 5, np.float32)

    def see(at_ms: int, *regions: Region) -> bool:
        return watch.see(np.array([at_ms * 1_000_000]), bright, regions)

    assert not see(0, SPOT)
    assert not see(15, SPOT.model_copy(update={"name": "other"}))
    assert not see(30, SPOT)
    assert see(50, SPOT)


def test_a_time_is_met_by_the_clock_that_dates_the_frames_and_at_that_time() -> None:
    begin_ns = time.perf_counter_ns()
    begin_utc_ns = process_clock().utc_ns(begin_ns)
    watch = Watch(TimeReached(begin_utc_ns + 50_000_000), begin_ns)
    assert not watch.is_met(lambda: begin_ns)
    assert watch.is_met(lambda: begin_ns + 80_000_000)
    assert watch.met_ns == pytest.approx(begin_ns + 50_000_000, abs=100_000)


@pytest.mark.parametrize("is_high", [True, False])
def test_a_line_is_met_when_it_was_asked_for_and_not_before(is_high: bool) -> None:
    condition = LineReached("Line1", is_high)
    assert read(str(condition)) == condition
    watch = Watch(condition, 1_000)
    watch.see_line(999, is_high=is_high)
    watch.see_line(1_000, is_high=not is_high)
    assert not watch.is_met()
    watch.see_line(2_000, is_high=is_high)
    watch.see_line(3_000, is_high=is_high)
    assert (watch.is_met(), watch.met_ns) == (True, 2_000)


def test_frames_say_nothing_of_a_time() -> None:
    watch = Watch(TimeReached(0))
    seen: Any = np.zeros((1, 1), np.float32)
    assert not watch.see(np.array([1]), seen, (SPOT,))
