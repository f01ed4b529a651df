"""A camera as the run sees it who looks at its count of frames 20 times a second; the clock is a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.run.arrivals import SILENCE_S, Arrivals, Silence

LOOK_S = 0.05


def watched(
    arrivals_s: Sequence[float],
    end_s: float,
    fps: float = 100.0,
    tolerance_s: float = 0.1,
    fps_tolerance: float = 0.0,
    missing: Callable[[float], int] = lambda now_s: 0,
) -> tuple[Arrivals, Silence | None]:
    """What becomes of frames that arrive at these times, in a connection that ends at `end_s`."""
    arrivals = Arrivals(fps, tolerance_s, fps_tolerance)
    came = 0
    for step in range(int(end_s / LOOK_S)):
        now_s = step * LOOK_S
        while came < len(arrivals_s) and arrivals_s[came] <= now_s:
            came += 1
        arrivals.look(now_s, came, missing(now_s))
    last = arrivals.end(end_s, sum(at <= end_s for at in arrivals_s), missing(end_s), is_lost=False)
    return arrivals, last


def silences_of(
    arrivals_s: Sequence[float], end_s: float, **run: Any
) -> tuple[list[Silence], Silence | None]:
    """The silences in the middle, and the one at the end."""
    arrivals, last = watched(arrivals_s, end_s, **run)
    return arrivals.silences, last


def behind_of(arrivals_s: Sequence[float], **run: Any) -> int:
    """How many frames fewer have come with the last of these than the rate promised."""
    return watched(arrivals_s, arrivals_s[-1] + 2 * LOOK_S, **run)[0].behind


def even(begin_s: float, end_s: float, fps: float = 100.0) -> list[float]:
    return [begin_s + number / fps for number in range(round((end_s - begin_s) * fps))]


def test_a_silence_in_the_middle_costs_what_the_rate_would_have_given() -> None:
    (silence,), last = silences_of(even(0, 3) + even(5, 8), 8)
    assert silence.seconds == pytest.approx(2, abs=3 * LOOK_S)
    assert silence.frames == pytest.approx(200, abs=15)
    assert last is None


def test_frames_that_were_only_held_back_are_no_loss() -> None:
    held_back = [5.0 + number / 2000 for number in range(200)]
    assert silences_of(even(0, 3) + held_back + even(5.1, 8), 8) == ([], None)


def test_frames_that_were_held_back_until_the_end_are_no_loss() -> None:
    assert silences_of(even(0, 3) + [4.9 + number / 4000 for number in range(190)], 5) == ([], None)


def test_a_silence_that_the_frame_ids_explain_is_told_by_them() -> None:
    found = silences_of(even(0, 3) + even(5, 8), 8, missing=lambda now_s: 200 if now_s >= 5 else 0)
    assert found == ([], None)


def test_a_silence_that_lasts_to_the_end_is_found_and_told_apart() -> None:
    middle, last = silences_of(even(0, 3), 7)
    assert middle == []
    assert last is not None
    assert last.seconds == pytest.approx(4, abs=2 * LOOK_S)
    assert last.frames == pytest.approx(400, abs=10)


def test_a_camera_that_was_lost_has_no_silence_at_its_end_but_an_absence() -> None:
    arrivals = Arrivals(100, 0.1)
    arrivals.look(0.0, 1, 0)
    assert arrivals.end(20.0, 1, 0, is_lost=True) is None


def test_a_silence_before_the_first_frame_is_no_silence_between_frames() -> None:
    assert silences_of(even(6, 9), 9) == ([], None)


def test_a_camera_that_holds_frames_back_by_habit_may_do_so_at_the_end() -> None:
    bursts = [float(second) for second in range(1, 10) for _ in range(100)]
    assert silences_of(bursts, 9.95) == ([], None)


def test_a_slow_camera_is_silent_between_its_frames_without_a_word() -> None:
    assert silences_of(even(0, 60, 0.5), 61.9, fps=0.5) == ([], None)


def test_what_the_gap_tolerance_allows_is_no_silence() -> None:
    frames = even(0, 3) + even(5, 8)
    assert silences_of(frames, 9.5, tolerance_s=2.5) == ([], None)


@given(
    fps=st.floats(2, 1000),
    slower=st.floats(1.0, 1.5),
    late_s=st.lists(st.floats(0, 0.8 * SILENCE_S / 2), min_size=1, max_size=20),
)
def test_an_even_camera_has_no_silence_however_its_frames_are_delayed_by_less(
    fps: float, slower: float, late_s: list[float]
) -> None:
    count = min(600, round(10 * fps))
    arrivals = sorted(slower * number / fps + late_s[number % len(late_s)] for number in range(count))
    assert silences_of(arrivals, arrivals[-1] + 0.1, fps=fps) == ([], None)


@given(fps=st.floats(5, 500), begin_s=st.floats(2, 5), lasts_s=st.floats(1.5, 20), goes_on_s=st.floats(0, 5))
def test_no_silence_longer_than_a_second_and_a_half_stays_untold(
    fps: float, begin_s: float, lasts_s: float, goes_on_s: float
) -> None:
    frames = even(0, begin_s, fps) + even(begin_s + lasts_s, begin_s + lasts_s + goes_on_s, fps)
    middle, last = silences_of(frames, begin_s + lasts_s + goes_on_s, fps=fps)
    found = middle if last is None else [*middle, last]
    assert len(found) == 1
    assert found[0].frames == pytest.approx(fps * lasts_s, abs=fps * 4 * LOOK_S + 3)


@given(fps=st.floats(5, 500), faster=st.floats(1, 4), lasts_s=st.floats(1.5, 5), cuts_off=st.booleans())
def test_a_camera_that_is_faster_than_declared_catches_up_with_a_silence_by_more_than_that(
    fps: float, faster: float, lasts_s: float, cuts_off: bool
) -> None:
    ended_s = 7 + lasts_s
    frames = even(0, 7, faster * fps) + even(ended_s, ended_s + 4, faster * fps)
    held_back = [ended_s] * round(lasts_s * faster * fps)
    middle, last = silences_of(frames if cuts_off else sorted(frames + held_back), ended_s + 4, fps=fps)
    assert last is None
    assert len(middle) == cuts_off


def test_a_silence_just_before_the_end_could_not_be_caught_up_with() -> None:
    (silence,), _ = silences_of(even(0, 3) + even(5, 5.5), 5.5)
    assert not silence.is_settled
    (silence,), _ = silences_of(even(0, 3) + even(5, 8), 8)
    assert silence.is_settled


def test_frames_that_come_ever_later_are_behind_with_no_silence_among_them() -> None:
    frames = even(0, 8, 25)
    assert silences_of(frames, 8) == ([], None)
    assert behind_of(frames) == pytest.approx(600, abs=10)


def test_a_camera_that_was_behind_and_has_caught_up_is_not_behind() -> None:
    assert behind_of([*even(0, 8, 25), *(8 + number / 2000 for number in range(600)), *even(8.3, 9)]) == 0


def test_what_frame_ids_or_a_silence_tell_of_is_not_behind() -> None:
    assert behind_of(even(0, 8, 25), missing=lambda now_s: round(75 * now_s)) == 0
    assert behind_of(even(0, 3) + even(8, 11)) == 0


def test_what_the_tolerances_allow_is_not_behind() -> None:
    rests = [second + number / 100 for second in range(0, 40, 4) for number in range(200)]
    assert behind_of(rests, tolerance_s=3) == 0
    slower = even(0, 600, 99.5)
    assert behind_of(slower, fps_tolerance=0.01) == 0
    assert behind_of(slower) == pytest.approx(300, abs=10)


@given(
    fps=st.floats(20, 1000),
    slower=st.floats(1.3, 8),
    late_s=st.lists(st.floats(0, 0.3), min_size=1, max_size=9),
)
def test_how_far_ever_later_frames_are_behind_is_known_to_half_a_second(
    fps: float, slower: float, late_s: list[float]
) -> None:
    count = round(8 * fps / slower)
    arrivals = sorted(slower * number / fps + late_s[number % len(late_s)] for number in range(count))
    assert silences_of(arrivals, arrivals[-1], fps=fps) == ([], None)
    promised = fps * (arrivals[-1] - arrivals[0])
    assert behind_of(arrivals, fps=fps) == pytest.approx(promised - count, abs=0.5 * fps)


@given(fps=st.floats(5, 500), late_s=st.lists(st.floats(0, 0.4), min_size=1, max_size=20))
def test_no_even_camera_is_behind_however_its_frames_are_delayed(fps: float, late_s: list[float]) -> None:
    arrivals = sorted(number / fps + late_s[number % len(late_s)] for number in range(round(8 * fps)))
    assert behind_of(arrivals, fps=fps) == 0
