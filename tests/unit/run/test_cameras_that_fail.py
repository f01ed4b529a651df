"""What a camera may do to a session, and what the session makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.cameras.camera import CameraError, CameraLostError, CameraNotFoundError
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.run.report import FAILED, FRAMES_LOST

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage


def test_a_camera_that_does_not_open_leaves_no_stream(stage: Stage) -> None:
    session = stage.session(CameraNotFoundError("no camera answers"), stage.streamer())
    with pytest.raises(CameraNotFoundError, match="no camera answers"):
        session.run()
    assert session.streamers_opened == 0


def test_a_camera_that_is_lost_for_good_ends_the_run_with_all_its_frames_delivered(stage: Stage) -> None:
    camera = stage.camera([*range(11), lambda: camera.fault(CameraLostError("the cable is out"))])
    streamer = stage.streamer()
    report = stage.session(camera, streamer, reconnect_timeout=0).run()
    assert streamer.frames == list(range(11))
    assert [problem.text for problem in report.problems] == [
        "the camera was lost and did not come back: the cable is out"
    ]
    assert any("the cable is out" in event.text for event in report.events)
    assert report.adds_up
    assert report.exit_code == FRAMES_LOST
    stage.assert_ended_once(streamer, camera)


def test_a_camera_that_comes_back_goes_on_in_the_same_stream_with_a_chunk_of_its_own(stage: Stage) -> None:
    camera = stage.camera([*range(11), lambda: camera.fault(CameraLostError("the cable is out"))])
    # Its counter and clock begin anew.
    second, streamer = stage.camera(range(13)), stage.streamer()
    report = stage.session(camera, streamer, again=second, frames=20, ring_chunks=8).run()
    assert [(index, frames) for index, frames, _ in streamer.pushed] == [
        (0, list(range(8))),
        (1, [8, 9, 10]),
        (2, list(range(8))),
        (3, [8]),
    ]
    assert (report.frames_received, report.frames_pushed, report.frames_dropped_by_camera) == (20, 20, 0)
    assert (report.gap_count, report.pauses) == (0, ())
    assert report.fps_measured == pytest.approx(4.0)
    assert len(report.problems) == 1
    assert "away for" in report.problems[0].text
    assert "the cable is out" in report.problems[0].text
    assert (report.adds_up, report.exit_code) == (True, FRAMES_LOST)
    stage.assert_ended_once(streamer, camera)
    assert second.closed == 1


def test_a_camera_that_comes_back_with_frames_of_another_size_ends_the_run(stage: Stage) -> None:
    camera = stage.camera([*range(11), lambda: camera.fault(CameraLostError("the cable is out"))])
    other = stage.camera([], info=replace(camera.info, height=3))
    streamer = stage.streamer()
    report = stage.session(camera, streamer, again=other).run()
    assert streamer.frames == list(range(11))
    assert report.exit_code == FRAMES_LOST
    stage.assert_ended_once(streamer, camera)
    assert other.closed == 1


def test_a_camera_that_refuses_to_start_fails_the_run_and_ends_the_stream(stage: Stage) -> None:
    camera, streamer = stage.camera([], refusal=CameraError("the device is taken")), stage.streamer()
    report = stage.session(camera, streamer).run()
    assert [problem.text for problem in report.problems] == [
        "the device is taken",
        "the camera delivered no frame",
    ]
    assert report.exit_code == FAILED
    stage.assert_ended_once(streamer, camera)


def test_a_camera_that_fails_to_stop_costs_no_frame(stage: Stage) -> None:
    camera = stage.camera(range(11), stuck=CameraLostError("it does not answer"))
    streamer = stage.streamer()
    report = stage.session(camera, streamer, frames=11).run()
    assert streamer.frames == list(range(11))
    assert [problem.text for problem in report.problems] == ["it does not answer"]
    stage.assert_ended_once(streamer, camera)


def test_a_backend_that_breaks_in_a_way_of_its_own_still_ends_the_stream(stage: Stage) -> None:
    camera, streamer = stage.camera([], refusal=ZeroDivisionError("a bug of the backend")), stage.streamer()
    report = stage.session(camera, streamer).run()
    assert [problem.text for problem in report.problems] == [
        "camera scripted (a test 1.0) failed in start: ZeroDivisionError: a bug of the backend",
        "the camera delivered no frame",
    ]
    stage.assert_ended_once(streamer, camera)


def test_a_frame_of_another_shape_ends_the_run_cleanly_and_is_counted_as_rejected(stage: Stage) -> None:
    camera, streamer = stage.camera([*range(11), stage.frame_of(11, height=3)]), stage.streamer()
    report = stage.session(camera, streamer).run()
    assert streamer.frames == list(range(11))
    assert (report.frames_received, report.frames_rejected) == (12, 1)
    assert report.adds_up
    assert "from shape (2, 4) to (3, 4) at frame 11" in report.problems[0].text
    assert report.exit_code == FRAMES_LOST
    stage.assert_ended_once(streamer, camera)


def test_frames_that_the_camera_lost_are_counted_and_named(stage: Stage) -> None:
    report = stage.session(stage.camera([0, 1, 4, 5, 9]), stage.streamer(), frames=5, ring_chunks=8).run()
    assert (report.frames_dropped_by_camera, report.gap_count) == (5, 2)
    assert [(gap.first_missing_id, gap.missing) for gap in report.gaps] == [(2, 2), (6, 3)]
    assert [problem.text for problem in report.problems] == ["the camera lost 5 frames in 2 gaps"]
    assert report.exit_code == FRAMES_LOST


def test_without_frame_ids_the_drivers_own_count_of_lost_frames_is_believed(stage: Stage) -> None:
    frames = [stage.frame_of(number) for number in range(9)]
    for frame in frames:
        frame.id = None
    camera = stage.camera(frames, statistics={"frames_lost": 3, "underruns": 1})
    report = stage.session(camera, stage.streamer(), frames=9).run()
    assert (report.frames_dropped_by_camera, report.camera_statistics["underruns"]) == (3, 1)
    assert report.exit_code == FRAMES_LOST


def test_losses_that_the_ids_show_are_reported_also_where_no_chunk_was_taken(stage: Stage) -> None:
    def refuse(chunk: Chunk) -> None:
        raise RuntimeError("disk full")

    report = stage.session(stage.camera([0, 1, 5]), stage.streamer(push=refuse), frames=3).run()
    assert (report.frames_pushed, report.frames_dropped_by_camera) == (0, 3)
