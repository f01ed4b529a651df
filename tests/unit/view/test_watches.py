"""Runs that begin and end by a line of the camera, whichever acquisition has the camera just then."""

from __future__ import annotations

import time

import pytest

from rheed_acquire.cameras.camera import CameraLostError, CameraSettingError
from rheed_acquire.run.marks import RunMarks
from rheed_acquire.run.report import Journal
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.asked_runs import AskedRun
from rheed_acquire.view.desk import Desk
from rheed_acquire.view.refusal import RefusedRequestError

ORIGIN = "through the interface, from 127.0.0.1:1"


class Going:
    """What the desk sees of an acquisition whose camera has one line."""

    def __init__(self) -> None:
        self.journal, self.marks, self.stopped = Journal(), RunMarks(), False
        self.source = self.tap = None
        self.is_high, self.is_there, self.asked = False, True, 0
        self.names = ("Line1",)

    def stop(self) -> None:
        self.stopped = True

    def line_is_high(self, line: str) -> bool:
        if not self.is_there:
            raise CameraLostError("the camera is away just now")
        if line not in self.names:
            raise CameraSettingError(f"it has no line {line}: it has {', '.join(self.names)}")
        self.asked += 1
        return self.is_high


@pytest.fixture
def desk() -> Desk:
    return Desk(RunSettings(camera="simulated"))


def follow(desk: Desk, run: AskedRun | None = None) -> Going:
    going = Going()
    desk.follow(going, run)  # type: ignore[arg-type]
    return going


def start(desk: Desk, **told: str) -> AskedRun:
    return desk.start(told, ORIGIN, time.perf_counter_ns())


def test_a_run_waits_until_the_line_is_found_as_it_was_asked_for(desk: Desk) -> None:
    preview = follow(desk)
    run = start(desk, when="line Line1 high")
    for _ in range(3):
        desk.heed(())
    assert (desk.due_run, run.view().when) == (None, "line Line1 high")
    preview.is_high = True
    before_ns = time.perf_counter_ns()
    desk.heed(())
    assert desk.is_called
    assert before_ns <= run.begin_ns <= time.perf_counter_ns()
    asked = preview.asked
    desk.heed(())
    assert preview.asked == asked, "what is met is asked no more"


def test_a_line_that_the_camera_does_not_have_is_refused_with_those_that_it_has(desk: Desk) -> None:
    follow(desk)
    for name in ("when", "until"):
        with pytest.raises(
            RefusedRequestError, match=f"^{name}: it has no line Line7: it has Line1"
        ) as refused:
            start(desk, **{name: "line Line7 low"})
        assert (refused.value.status, refused.value.code) == (422, "invalid")
    assert desk.next_run is None


def test_a_camera_that_is_away_is_waited_for_and_may_come_back_without_the_line(desk: Desk) -> None:
    preview = follow(desk)
    preview.is_there = False
    run = start(desk, when="line Line1 high")
    desk.heed(())
    assert desk.next_run is run
    preview.is_there, preview.names = True, ("Line0",)
    desk.heed(())
    assert desk.next_run is None
    assert run.view().error == ("it waited for line Line1 high, and it has no line Line1: it has Line0")


def test_while_a_run_is_delivered_the_preview_behind_it_has_the_camera(desk: Desk) -> None:
    preview = follow(desk)
    first = start(desk)
    going = follow(desk, first)
    going.is_there = False  # it has given the camera back
    first.phase, first.is_stopped = "ending", True
    run = start(desk, when="line Line1 high")
    preview.is_high = True
    desk.heed(())
    assert desk.due_run is run


def test_a_line_ends_a_run_once_it_records_and_not_by_how_it_was_before(desk: Desk) -> None:
    follow(desk)
    run = start(desk, until="line Line1 low")
    going = follow(desk, run)
    desk.heed(())
    assert (going.stopped, going.asked) == (False, 0)
    run.phase = "recording"
    going.is_high = True
    desk.heed(())
    assert not going.stopped
    going.is_high = False
    desk.heed(())
    assert going.stopped
    assert [event.text for event in going.journal.events] == ["stopped by its condition, line Line1 low"]


def test_a_run_whose_line_is_no_more_goes_on_and_says_so(desk: Desk) -> None:
    follow(desk)
    run = start(desk, until="line Line1 high")
    going = follow(desk, run)
    run.phase, going.names = "recording", ("Line0",)
    for _ in range(3):
        desk.heed(())
    assert not going.stopped
    assert [(event.level, event.text) for event in going.journal.events] == [
        (
            "warning",
            "the run was to end by line Line1 high, and it has no line Line1: it has Line0: stop it",
        )
    ]
