"""What is said of a run's figures: each frame that is missing is told of once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.cameras.camera import CameraInfo, DeviceInfo
from rheed_acquire.findings import FindingCode
from rheed_acquire.run.arrivals import Silence
from rheed_acquire.run.judgement import judge
from rheed_acquire.run.report import Journal, RunInfo, RunReport
from rheed_acquire.settings.run_settings import RunSettings

FPS = 100.0


def told_of(
    counted: int, *, pauses_s: list[float], silent_s: list[float], behind: int = 0, numbered: bool = False
) -> dict[FindingCode, int | None]:
    """What a run without ids is said to lack, of which the driver has counted so many frames as lost."""
    camera = CameraInfo(DeviceInfo("one"), 48, 32, "Mono8", FPS)
    report = RunReport(
        RunInfo("data-1", camera, FPS, 0.0, 200, datetime.now(UTC)),
        datetime.now(UTC),
        frames_received=1000,
        frames_pushed=1000,
        frames_dropped_by_camera=counted,
        fps_measured=FPS,
        pauses=tuple(pauses_s),
    )
    silences = [Silence(0.0, seconds, round(seconds * FPS)) for seconds in silent_s]
    journal = Journal()
    judge(report, RunSettings(), journal, silences, numbered=numbered, behind=behind)
    return {problem.code: problem.frames for problem in journal.problems}


lasting = st.lists(st.floats(0.1, 5.0), max_size=4)


@given(st.integers(0, 400), lasting, lasting)
def test_frames_that_the_driver_counts_are_not_told_again_as_a_pause_and_a_pause_that_they_do_not_explain_is(
    counted: int, pauses_s: list[float], silent_s: list[float]
) -> None:
    by_camera, by_arrival = round(sum(pauses_s) * FPS), sum(round(seconds * FPS) for seconds in silent_s)
    cost, times = max((by_camera, len(pauses_s)), (by_arrival, len(silent_s)), key=lambda one: one[0])
    told = told_of(counted, pauses_s=pauses_s, silent_s=silent_s)
    assert told.pop(FindingCode.CAMERA_LOSSES, 0) == counted
    left = cost - counted
    if cost and (left - times > cost / 2 or left > FPS + 0.1 * cost or not counted):
        assert told == {FindingCode.UNEXPLAINED_PAUSES: left}
    elif left < min(cost / 2, FPS / 2):
        assert told == {}
    assert set(told.values()) <= {left}


@given(lasting.filter(bool))
def test_a_pause_is_told_in_full_of_a_camera_whose_ids_tell_of_other_losses(pauses_s: list[float]) -> None:
    told = told_of(400, pauses_s=pauses_s, silent_s=[], numbered=True)
    cost = round(sum(pauses_s) * FPS)
    assert told == {FindingCode.CAMERA_LOSSES: 400, FindingCode.UNEXPLAINED_PAUSES: cost}


@given(st.integers(0, 400), lasting, lasting, st.integers(0, 1000))
def test_no_more_frames_are_told_of_than_are_missing_by_any_count(
    counted: int, pauses_s: list[float], silent_s: list[float], behind: int
) -> None:
    silent = sum(round(seconds * FPS) for seconds in silent_s)
    told = told_of(counted, pauses_s=pauses_s, silent_s=silent_s, behind=behind)
    # What is behind is so without the silences.
    missing = max(counted, round(sum(pauses_s) * FPS), silent + behind)
    assert sum(frames or 0 for frames in told.values()) <= missing


@pytest.mark.parametrize("counted", [60, 61, 75])
def test_losses_that_explain_the_lateness_too_are_told_once(counted: int) -> None:
    told = told_of(counted, pauses_s=[0.61], silent_s=[], behind=60)
    assert told == {FindingCode.CAMERA_LOSSES: counted}


def test_single_frames_that_a_slow_camera_lost_are_told_once() -> None:
    # Each is a pause of two periods, of which the last is that of a frame that came.
    assert told_of(30, pauses_s=[2 / FPS] * 30, silent_s=[]) == {FindingCode.CAMERA_LOSSES: 30}
