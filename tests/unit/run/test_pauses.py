"""Pauses by a camera's clock: told where they cost frames, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.clocks.camera_clock import CaptureTimes
from rheed_acquire.frames.ring import NO_ID
from rheed_acquire.run.pauses import LISTED, Pauses

SECOND = 1_000_000_000
LONGEST_S = 0.1

fps = st.sampled_from([2.0, 10.0, 50.0, 120.0, 500.0])
cuts = st.lists(st.integers(1, 400), max_size=8)
stalls = st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 1.5)), min_size=1, max_size=4)
"""When a thread had to wait, and how long, in seconds."""


def pauses_of(
    stamps_ns: Sequence[int], rate: float, cuts: Sequence[int] = (), ids: Sequence[int] | None = None
) -> list[float]:
    """What is found in chunks that are cut at these frames."""
    found = Pauses(round(SECOND / rate + LONGEST_S * SECOND), SECOND / rate)
    edges = sorted({0, len(stamps_ns), *(cut for cut in cuts if cut < len(stamps_ns))})
    for first, last in pairwise(edges):
        counter = np.array(stamps_ns[first:last], np.int64)
        known, nothing = np.ones(len(counter), np.bool_), np.zeros(len(counter), np.bool_)
        numbers = [NO_ID] * len(counter) if ids is None else ids[first:last]
        found.add(
            np.array(numbers, np.int64),
            CaptureTimes(0.0, counter - counter[0], counter, known, nothing, "camera", rate),
        )
    return found.lost


def due(rate: float, count: int) -> list[int]:
    return [round(number * SECOND / rate) for number in range(count)]


@given(fps, stalls, cuts, st.booleans())
def test_frames_that_are_dated_as_they_are_handed_over_are_all_there_however_long_the_thread_waited(
    rate: float, stalls: list[tuple[float, float]], cuts: list[int], has_ids: bool
) -> None:
    count = round(12 * rate)
    stamps = due(rate, count)
    for begun_s, lasted_s in stalls:
        ended_ns = round((begun_s + lasted_s) * SECOND)
        stamps = [max(stamp, ended_ns) if stamp >= begun_s * SECOND else stamp for stamp in stamps]
    stamps = [stamp + number for number, stamp in enumerate(stamps)]  # one after the other
    assert pauses_of(stamps, rate, cuts, range(count) if has_ids else None) == []


@given(fps, st.floats(0.0, 0.4), st.floats(0.3, 5.0), cuts, st.booleans())
def test_frames_that_go_on_at_their_pace_after_a_pause_have_not_caught_up(
    rate: float, faster: float, pause_s: float, cuts: list[int], has_ids: bool
) -> None:
    # Nor have those of a camera that is faster than declared all the time.
    paced = rate * (1 + faster)
    pause_ns = round((pause_s + 1 / rate) * SECOND)
    stamps = due(paced, round(2 * rate) + 1)
    stamps += [stamps[-1] + pause_ns + stamp for stamp in due(paced, round(3 * rate) + 1)]
    found = pauses_of(stamps, rate, cuts, range(len(stamps)) if has_ids else None)
    assert found == [pytest.approx(pause_ns / SECOND)]


@given(st.integers(1, 12), st.floats(0.0, 3.0), st.floats(0.0, 1.5), cuts)
def test_frames_that_come_some_at_once_catch_up_as_others_do(
    many: int, begun_s: float, lasted_s: float, cuts: list[int]
) -> None:
    """Frames of a driver that gives out what it has from time to time, all dated as they come."""
    rate, ended_ns = 120.0, round((begun_s + lasted_s) * SECOND)
    stamps = [round(number // many * many * SECOND / rate) for number in range(1440)]
    stamps = [max(stamp, ended_ns) if stamp >= begun_s * SECOND else stamp for stamp in stamps]
    stamps = [stamp + number for number, stamp in enumerate(stamps)]  # one after the other
    assert pauses_of(stamps, rate, cuts) == []


def test_frames_that_are_missing_by_their_ids_do_not_make_up_for_a_pause() -> None:
    stamps = [0, SECOND // 50, SECOND, SECOND + SECOND // 50, SECOND + SECOND // 25]
    assert pauses_of(stamps, 50.0, ids=[0, 1, 2, 1_000_000, 1_000_001]) == [pytest.approx(0.98)]


@given(fps, st.floats(0.3, 3.0), st.integers(2, 30), st.booleans())
def test_a_pause_that_the_last_frames_asked_for_were_catching_up_with_is_none(
    rate: float, pause_s: float, came: int, holds_back: bool
) -> None:
    stamps = np.array(due(rate, round(3 * rate)))
    begun_ns = int(stamps[-1])
    since = np.arange(came) * (1 if holds_back else round(SECOND / rate))
    late_ns = round((pause_s + 2 * came / rate) * SECOND)  # which so many frames do not catch up with
    stamps = np.concatenate((stamps, begun_ns + late_ns + since))
    found = Pauses(round(SECOND / rate + LONGEST_S * SECOND), SECOND / rate)
    known, nothing = np.ones(len(stamps), np.bool_), np.zeros(len(stamps), np.bool_)
    times = CaptureTimes(0.0, stamps - stamps[0], stamps, known, nothing, "camera", rate)
    found.add(np.arange(len(stamps)), times)
    assert found.lost == [pytest.approx(late_ns / SECOND)]
    found.complete()
    assert found.lost == ([] if holds_back else [pytest.approx(late_ns / SECOND)])


def test_a_pause_at_the_end_has_not_been_caught_up_with_and_what_is_listed_has_a_bound() -> None:
    assert pauses_of([0, SECOND], 50.0) == [1.0]
    assert len(pauses_of([number * SECOND for number in range(3 * LISTED)], 50.0)) == LISTED
