"""Cameras that do their worst at every call: no frame goes with them, and the report says who it was."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.run.hostile_plugins import (
    CAMERA,
    FRAMES,
    LIMITS,
    RAISED,
    RETURNED,
    Deed,
    Mute,
    assert_delivered,
    assert_told,
    do,
    each_raised,
    returning,
)

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.findings import FindingCode
from rheed_acquire.run.report import FAILED, FRAMES_LOST

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage

LIMIT_S = 30.0
UNUSABLE: list[tuple[Any, Any, str]] = [
    ("5", 0, "Frame.id is '5', a str, and must be an int or None"),
    (5.5, 0, "Frame.id is 5.5, a float, and must be"),
    (Fraction(11, 2), 0, "Frame.id is Fraction(11, 2), a fractions.Fraction, and must be"),
    (True, 0, "Frame.id is True, a bool, and must be"),
    (5, 1.25e9, "Frame.timestamp_ns is 1250000000.0, a float, and must be"),
    (5, "now", "Frame.timestamp_ns is 'now', a str, and must be"),
]


@pytest.mark.parametrize(("number", "stamp", "said"), UNUSABLE)
def test_an_id_or_a_stamp_that_is_none_names_plugin_field_and_type(
    stage: Stage, number: Any, stamp: Any, said: str
) -> None:
    pixels = stage.frame_of(5).pixels
    camera, streamer = stage.camera([*range(5), Frame(pixels, number, stamp)]), stage.streamer()
    report = stage.session(camera, streamer).run()
    (problem,) = [one for one in report.problems if one.code is FindingCode.FRAME_UNUSABLE]
    assert problem.text.startswith(f"{CAMERA} gave frame 5 of the run, which cannot be taken: {said}")
    assert streamer.frames == list(range(5))
    assert (report.frames_rejected, report.adds_up, report.exit_code) == (1, True, FRAMES_LOST)


@pytest.mark.parametrize(("number", "stamp", "said"), UNUSABLE)
def test_such_a_frame_is_told_in_the_same_way_while_the_rate_is_measured(
    stage: Stage, number: Any, stamp: Any, said: str
) -> None:
    pixels = stage.frame_of(5).pixels
    info = replace(stage.camera([]).info, fps=None)
    camera = stage.camera([*range(5), Frame(pixels, number, stamp)], info)
    with pytest.raises(CameraError) as raised:
        stage.session(camera, stage.streamer()).run()
    assert str(raised.value).startswith(f"{CAMERA} gave frame 5, which cannot be taken: {said}")
    assert camera.closed == 1


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(None, 5, 0), "changed its frames from shape (2, 4) to NoneType without a shape at frame 5"),  # type: ignore[arg-type]
        (Frame(np.zeros((2, 4), np.float64), 5, 0), "gave frame 5 of the run, whose pixels cannot be read"),  # type: ignore[arg-type]
        (object(), "gave frame 5 of the run, which cannot be taken: AttributeError"),
        (Mute, "gave frame 5 of the run, which cannot be taken: Mute: no reason given"),
    ],
    ids=["no pixels", "float pixels", "no frame", "raises"],
)
def test_a_frame_that_is_none_names_the_plugin(stage: Stage, frame: Any, said: str) -> None:
    class Odd:
        @property
        def id(self) -> int:
            raise Mute

    given: Any = Odd() if frame is Mute else frame
    camera, streamer = stage.camera(list(range(5))), stage.streamer()

    def start(on_frame: Any, on_fault: Any) -> None:
        for number in range(5):
            on_frame(stage.frame_of(number))
        on_frame(given)

    do(camera, "start", start)
    report = stage.session(camera, streamer).run()
    (problem,) = [one for one in report.problems if one.code is FindingCode.FRAME_UNUSABLE]
    assert problem.text.startswith(f"{CAMERA} {said}")
    assert streamer.frames == list(range(5))


@each_raised
@pytest.mark.parametrize("method", ["stop", "close", "statistics"])
def test_a_camera_that_raises_at_its_end_costs_no_frame(stage: Stage, method: str, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, method, RAISED[raised])
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, method)
    assert raised in str(report.problems)
    assert [problem.code for problem in report.problems] == [FindingCode.CAMERA_CALL]
    assert report.exit_code == FRAMES_LOST


@pytest.mark.parametrize("method", ["stop", "close", "statistics"])
def test_a_camera_that_hangs_at_its_end_costs_no_frame(stage: Stage, method: str, hang: Deed) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, method, hang)
    report = stage.session(camera, streamer, limits=LIMITS, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, f"did not return from {method} within 1 s")


@pytest.mark.parametrize("value", [None, "3", 5, {"frames_lost": "3"}, {"frames_lost": None}, [("a", 1)]])
def test_statistics_that_are_none_are_named(stage: Stage, value: object) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, "statistics", returning(value))
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, "statistics")


def test_statistics_in_the_integers_of_numpy_are_counts(stage: Stage) -> None:
    frames = [stage.frame_of(number) for number in range(FRAMES)]
    for frame in frames:
        frame.id = None
    camera = stage.camera(frames)
    do(camera, "statistics", returning({"frames_lost": np.uint64(3)}))
    report = stage.session(camera, stage.streamer(), frames=FRAMES).run()
    assert report.camera_statistics == {"frames_lost": 3}
    assert type(report.camera_statistics["frames_lost"]) is int
    assert report.frames_dropped_by_camera == 3


@each_raised
def test_a_camera_that_raises_when_started_fails_the_run_with_a_report(stage: Stage, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, "start", RAISED[raised])
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_told(report, CAMERA, "start")
    assert (report.exit_code, report.adds_up) == (FAILED, True)
    stage.assert_ended_once(streamer, camera)


def test_a_camera_that_hangs_when_started_fails_the_run_with_a_report(stage: Stage, hang: Deed) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, "start", hang)
    report = stage.session(camera, streamer, limits=LIMITS, frames=FRAMES).run()
    assert_told(report, CAMERA, "start")
    assert report.exit_code == FAILED
    stage.assert_ended_once(streamer, camera)


@each_raised
def test_a_camera_that_raises_when_it_is_opened_is_named(stage: Stage, raised: str) -> None:
    session = stage.session(stage.camera([]), stage.streamer())
    do(session, "_open_camera", RAISED[raised])
    with pytest.raises(CameraError, match=r"camera scripted \(a test 1.0\) failed in open: "):
        session.run()


@pytest.mark.parametrize("value", [None, "a camera", object()])
def test_what_is_opened_and_is_no_camera_is_named(stage: Stage, value: object) -> None:
    session = stage.session(stage.camera([]), stage.streamer())
    do(session, "_open_camera", returning(value))
    with pytest.raises(CameraError, match=r"camera scripted \(a test 1.0\) failed in open: it returned"):
        session.run()


@pytest.mark.parametrize("deed", [*RAISED, *RETURNED])
@pytest.mark.parametrize("asked", [0, 1])
def test_a_camera_that_cannot_say_what_it_is_fails_the_run_and_is_closed(
    stage: Stage, deed: str, asked: int
) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    good, answers = camera.info, [0]

    class Sphinx(type(camera)):  # type: ignore[misc]
        @property
        def info(self) -> Any:
            answers[0] += 1
            return good if answers[0] <= asked else (RAISED | RETURNED)[deed]()

    camera.__class__ = Sphinx
    with pytest.raises(CameraError, match=r"camera scripted \(a test 1.0\) failed in info: "):
        stage.session(camera, streamer, frames=FRAMES).run()
    assert camera.closed == 1
    assert [call for call in streamer.calls if call != "close"] in ([], ["initialize", "finalize"])


@pytest.mark.parametrize("deed", [*RAISED, "text"])
def test_a_temperature_that_cannot_be_told_is_a_warning_once(stage: Stage, deed: str) -> None:
    camera, streamer = stage.camera([*range(FRAMES)]), stage.streamer()
    do(camera, "temperature_c", (RAISED | RETURNED)[deed])
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    assert [session.acquisition.temperature_c() for _ in range(3)] == [None] * 3
    session.acquisition.stop()
    report = session.result()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, "temperature_c")
    assert FindingCode.CAMERA_SILENT in [warning.code for warning in report.warnings]


def test_a_camera_that_was_slow_to_answer_is_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheed_acquire.run.capture.SILENT_S", 0.2)
    camera, streamer = stage.camera([*range(FRAMES)]), stage.streamer()
    slow = threading.Event()
    asked = [0]

    def temperature_c() -> float:
        asked[0] += 1
        assert slow.wait(LIMIT_S)
        return 21.5

    do(camera, "temperature_c", temperature_c)
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    assert session.acquisition.temperature_c() is None
    time.sleep(0.3)
    begun_s = time.monotonic()
    assert [session.acquisition.temperature_c() for _ in range(3)] == [None] * 3
    assert asked == [1], "as long as it is in that call it gets no other"
    slow.set()
    while session.acquisition.temperature_c() != 21.5:
        assert time.monotonic() < begun_s + LIMIT_S
        time.sleep(0.05)
    session.acquisition.stop()
    report = session.result()
    assert_delivered(report, streamer)
    assert [warning.code for warning in report.warnings].count(FindingCode.CAMERA_SILENT) == 1


@pytest.mark.parametrize("fault", [OSError("unplugged"), "unplugged", None])
def test_a_fault_that_is_no_camera_error_is_a_fault_all_the_same(stage: Stage, fault: Any) -> None:
    camera = stage.camera([*range(FRAMES), lambda: camera.fault(fault)])
    streamer = stage.streamer()
    report = stage.session(camera, streamer, reconnect_timeout=0).run()
    assert_delivered(report, streamer)
    assert f"{CAMERA} reports as its fault" in report.problems[0].text
