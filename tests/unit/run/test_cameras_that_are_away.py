"""A camera that is lost, silent or late: whatever ends the run, its report says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.cameras.camera import CameraError, CameraLostError, Frame
from rheed_acquire.findings import FindingCode
from rheed_acquire.host.guard.camera import CameraLimits
from rheed_acquire.run import attendance
from rheed_acquire.run.report import DELIVERED, FAILED, FRAMES_LOST, Journal, RunReport
from rheed_acquire.streaming.streamer import DeliveryStatus

if TYPE_CHECKING:
    from tests.unit.run.conftest import ScriptedCamera, Stage

FPS = 50.0
COMMON: dict[str, Any] = {"chunk_size": 100, "ring_chunks": 8}


def codes_of(report: RunReport) -> list[FindingCode]:
    return [problem.code for problem in report.problems]


def even(
    stage: Stage, count: int, after: Callable[[], object] = lambda: None, fps: float = FPS, **more: Any
) -> ScriptedCamera:
    """A camera without ids and stamps that gives `count` frames at `fps` and then does something else."""
    begun_s: list[float] = []

    def wait(number: int) -> None:
        begun_s.append(time.monotonic())
        time.sleep(max(0.0, begun_s[0] + number / fps - begun_s[-1]))

    script: list[Any] = []
    for number in range(count):
        frame = stage.frame_of(number)
        frame.id = frame.timestamp_ns = None
        script += [frame, partial(wait, number + 1)]
    camera = stage.camera([*script, after], **more)
    return stage.camera([*script, after], info=replace(camera.info, fps=FPS), **more)


def lost_after(stage: Stage, count: int) -> ScriptedCamera:
    """A camera that says that it is gone after so many frames."""
    camera: ScriptedCamera = even(stage, count, lambda: camera.fault(CameraLostError("the cable is out")))
    return camera


ENDS = ("duration", "stop", "reconnect timeout", "streamer", "other frames")


@pytest.mark.parametrize("back", ["never opens", "opens and is silent"])
@pytest.mark.parametrize("by", ENDS)
def test_a_camera_that_is_away_when_the_run_ends_is_told_of_whatever_ends_it(
    stage: Stage, by: str, back: str
) -> None:
    camera = lost_after(stage, 20)
    told: dict[str, Any] = {}
    settings: dict[str, Any] = {"stall_timeout": 30.0}
    silent = even(stage, 0)
    again = [silent] if back == "opens and is silent" else []
    if by == "duration":
        settings["duration"] = 1.5
    elif by == "reconnect timeout":
        settings |= {"reconnect_timeout": 0.5, "stall_timeout": 0.3}
    elif by == "streamer":
        begun_s = time.monotonic()

        def status() -> DeliveryStatus:
            over = time.monotonic() - begun_s > 1.5
            return DeliveryStatus(stop_reason="the disk is full" if over else None)

        told["status"] = status
    elif by == "other frames":
        again = [even(stage, 5)]
        again[0] = stage.camera([], info=replace(again[0].info, height=3))
    session = stage.session(camera, stage.streamer(**told), again=again, **COMMON, **settings).start()
    if by == "stop":
        stage.wait_for(camera.played)
        time.sleep(0.8)
        session.acquisition.stop()
    report = session.result()
    assert FindingCode.CAMERA_NOT_BACK in codes_of(report)
    assert report.exit_code == FRAMES_LOST
    problem = next(one for one in report.problems if one.code == FindingCode.CAMERA_NOT_BACK)
    assert "the cable is out" in problem.text
    assert problem.frames is not None
    (stretch,) = report.stretches
    assert stretch.frames == problem.frames
    assert stretch.frames == pytest.approx(FPS * stretch.seconds, abs=2)


def test_a_camera_that_comes_back_was_away_for_as_long_as_no_frame_came(stage: Stage) -> None:
    camera, again = lost_after(stage, 20), even(stage, 20)
    report = stage.session(camera, stage.streamer(), again=again, frames=40, **COMMON).run()
    assert codes_of(report) == [FindingCode.CAMERA_AWAY]
    (stretch,) = report.stretches
    assert stretch.why == "the cable is out"
    assert stretch.frames == report.problems[0].frames
    assert report.frames_pushed == 40


def test_the_first_reason_is_told_and_the_last_where_it_is_another(stage: Stage) -> None:
    camera = lost_after(stage, 5)
    report = stage.session(camera, stage.streamer(), reconnect_timeout=0.8, **COMMON).run()
    assert "the cable is out; at last: it is gone" in report.problems[0].text


def test_while_the_camera_is_away_the_progress_says_since_when_why_and_how_often_it_was_tried(
    stage: Stage,
) -> None:
    camera = lost_after(stage, 5)
    session = stage.session(camera, stage.streamer(), duration=30, **COMMON).start()
    deadline = time.monotonic() + 20
    while (absence := session.acquisition.progress().absence) is None or absence.attempts < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (absence.why, absence.latest) == ("the cable is out", "it is gone")
    silent_s = session.acquisition.progress().silent_s
    assert silent_s is not None
    assert silent_s > 0
    session.acquisition.stop()
    session.result()
    assert session.acquisition.progress().absence is None


def test_a_camera_that_always_fails_the_same_way_before_its_first_frame_ends_the_run_with_the_reason(
    stage: Stage,
) -> None:
    def broken(number: int) -> ScriptedCamera:
        camera: ScriptedCamera = even(
            stage, 0, lambda: camera.fault(CameraError(f"buffer {number} holds 10 bytes, not 8"))
        )
        return camera

    cameras = [broken(number) for number in range(20)]
    report = stage.session(cameras[0], stage.streamer(), again=cameras[1:], **COMMON).run()
    assert codes_of(report) == [FindingCode.NO_FRAME]
    assert "buffer 0 holds 10 bytes, not 8" in report.problems[0].text
    assert report.exit_code == FAILED
    assert sum(camera.closed for camera in cameras) == 3


def test_a_duration_that_is_shorter_than_the_attempts_still_tells_the_first_reason(stage: Stage) -> None:
    camera: ScriptedCamera = even(stage, 0, lambda: camera.fault(CameraError("the payload is too short")))
    report = stage.session(camera, stage.streamer(), duration=0.3, **COMMON).run()
    assert codes_of(report) == [FindingCode.NO_FRAME]
    assert "the payload is too short" in report.problems[0].text


def test_a_camera_that_was_unplugged_before_its_first_frame_may_come_back(stage: Stage) -> None:
    camera: ScriptedCamera = even(stage, 0, lambda: camera.fault(CameraLostError("the cable is out")))
    gone = [CameraError("there is no camera") for _ in range(4)]
    report = stage.session(
        camera, stage.streamer(), again=[*gone, even(stage, 10)], frames=10, **COMMON
    ).run()
    assert report.frames_pushed == 10
    assert codes_of(report) == [FindingCode.CAMERA_AWAY]


def test_a_silence_at_the_end_is_told_with_what_it_may_have_cost(stage: Stage) -> None:
    report = stage.session(even(stage, 50), stage.streamer(), duration=4, **COMMON).run()
    assert codes_of(report) == [FindingCode.SILENT_END]
    (stretch,) = report.stretches
    assert stretch.seconds > 0
    assert report.problems[0].frames == pytest.approx(FPS * stretch.seconds, abs=1)
    assert report.exit_code == FRAMES_LOST


def test_a_silence_in_the_middle_is_told_where_neither_ids_nor_stamps_do(stage: Stage) -> None:
    camera = even(stage, 50, lambda: time.sleep(2.5))
    later = even(stage, 100)
    both = stage.camera([*camera._script, *later._script], info=camera.info)
    report = stage.session(both, stage.streamer(), frames=150, **COMMON).run()
    assert codes_of(report)[0] == FindingCode.UNEXPLAINED_PAUSES
    assert (report.problems[0].frames or 0) > 60
    assert len(report.stretches) == 1


def test_a_camera_that_keeps_silent_for_long_before_its_first_frame_is_told_of(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "MIN_STALL_S", 1.0)
    late = even(stage, 5)
    camera = stage.camera([lambda: time.sleep(2), *late._script], info=late.info)
    report = stage.session(camera, stage.streamer(), frames=5, stall_timeout=60, **COMMON).run()
    assert codes_of(report) == [FindingCode.LATE_START]
    assert (report.problems[0].frames or 0) >= 0.9 * 2 * FPS


def test_a_camera_whose_trigger_comes_late_has_lost_nothing(stage: Stage) -> None:
    late = even(stage, 5)
    camera = stage.camera([lambda: time.sleep(3), *late._script], info=replace(late.info, fps=None))
    report = stage.session(camera, stage.streamer(), frames=5, fps=FPS, **COMMON).run()
    assert (report.exit_code, report.warnings) == (DELIVERED, [])


def test_a_run_that_is_ended_before_it_has_its_frames_says_so(stage: Stage) -> None:
    camera = even(stage, 10)
    session = stage.session(camera, stage.streamer(), frames=500, **COMMON).start()
    stage.wait_for(camera.played)
    session.acquisition.stop()
    report = session.result()
    assert [warning.text for warning in report.warnings] == [
        "the run ended with 10 of the 500 frames asked for"
    ]


def test_a_camera_that_is_lost_after_the_last_frame_that_was_asked_for_costs_nothing(stage: Stage) -> None:
    report = stage.session(lost_after(stage, 10), stage.streamer(), frames=10, **COMMON).run()
    assert (report.exit_code, report.problems) == (DELIVERED, [])


def test_frames_that_come_while_the_camera_hangs_in_its_stop_are_refused_and_the_hang_is_told(
    stage: Stage,
) -> None:
    limits = CameraLimits(call_s=0.5)
    let_go = threading.Event()
    went_on = even(stage, 200)

    class Deaf(type(went_on)):  # type: ignore[misc]
        def stop(self) -> None:
            let_go.wait(20)
            super().stop()

    camera = Deaf(went_on._script, info=went_on.info)
    session = stage.session(camera, stage.streamer(), limits=limits, duration=0.5, **COMMON).start()
    report = session.result()
    let_go.set()
    assert report.frames_received == report.frames_pushed <= 0.5 * FPS + 2
    assert set(codes_of(report)) == {FindingCode.CAMERA_CALL}
    assert "did not return from stop within 0.5 s" in report.problems[0].text
    assert report.exit_code == FRAMES_LOST


def test_a_camera_that_comes_and_goes_is_told_of_within_bounds(stage: Stage) -> None:
    info, journal = even(stage, 0).info, Journal()
    told = attendance.Attendance(info, FPS, journal)
    told.started(0.0)
    for second in range(100):
        told.frame_came(second + 0.1)
        told.lost(second + 0.2, "again")
    told.conclude(101.1, 100)
    assert len(journal.problems) == attendance.TOLD_ABSENCES + 2
    assert sum(problem.frames or 0 for problem in journal.problems) == 99 * (FPS - 1) + 2 * FPS - 1


def test_a_duration_that_is_shorter_than_a_frame_takes_says_so(stage: Stage) -> None:
    camera = even(stage, 0)
    limit = "the exposure time of 2000000 us"
    camera._info = replace(camera.info, fps=0.5, fps_limited_by=limit)
    report = stage.session(camera, stage.streamer(), duration=0.2, **COMMON).run()
    (problem,) = report.problems
    assert problem.code == FindingCode.NO_FRAME
    assert problem.text == (
        "the camera delivered no frame: the run of 0.2 s was over before the first, which takes 2 s at "
        f"0.5 frames/s, limited by {limit}"
    )
    assert "--duration" in problem.advice
    assert report.exit_code == FAILED


@pytest.mark.parametrize("numbered", [True, False])
def test_a_camera_that_is_slower_than_declared_may_have_lost_frames_unless_it_numbers_them(
    stage: Stage, *, numbered: bool
) -> None:
    camera = even(stage, 120, fps=0.6 * FPS)
    for number, frame in enumerate(one for one in camera._script if isinstance(one, Frame)):
        frame.id = number if numbered else None
    report = stage.session(camera, stage.streamer(), frames=120, **COMMON).run()
    told = report.warnings if numbered else report.problems
    assert FindingCode.SLOWER in [finding.code for finding in told]
    assert report.exit_code == (DELIVERED if numbered else FRAMES_LOST)
    if not numbered:
        assert (told[0].frames or 0) >= 0.9 * (120 / 0.6 - 120)
