"""A session with a source that can wait and has an end, as a recording."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.cameras.camera import CameraEndedError, CameraError
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.run.report import DELIVERED, FRAMES_LOST

if TYPE_CHECKING:
    from tests.unit.run.conftest import ScriptedCamera, Stage

YESTERDAY_NS = 1_767_225_600_123_000_000


def recorded(stage: Stage, script: list[Any], end: CameraError, **changes: Any) -> ScriptedCamera:
    """A camera that plays frames taken earlier, and then says that it has ended."""
    camera = stage.camera([*script, lambda: camera.fault(end)])
    camera._info = replace(camera.info, recorded=True, **changes)
    return camera


def test_a_source_that_can_wait_loses_nothing_to_a_slow_streamer_and_ends_the_run_by_itself(
    stage: Stage,
) -> None:
    camera = recorded(stage, list(range(100)), CameraEndedError("it is over"))
    streamer = stage.streamer(push=lambda chunk: time.sleep(0.005))
    report = stage.session(camera, streamer).run()
    assert streamer.frames == list(range(100))
    assert (report.frames_received, report.frames_overrun) == (100, 0)
    assert (report.problems, report.warnings, report.exit_code) == ([], [], DELIVERED)
    assert any(event.text == "it is over" for event in report.events)
    stage.assert_ended_once(streamer, camera)


def test_a_live_source_that_ends_ends_the_run_too(stage: Stage) -> None:
    camera = stage.camera([*range(11), lambda: camera.fault(CameraEndedError("it is over"))])
    report = stage.session(camera, stage.streamer()).run()
    assert (report.frames_pushed, report.exit_code) == (11, DELIVERED)


def test_a_run_is_stopped_while_its_source_waits_for_room_and_counts_what_was_taken(stage: Stage) -> None:
    pushing, go_on = threading.Event(), threading.Event()

    def push(chunk: Chunk) -> None:
        pushing.set()
        stage.wait_for(go_on)

    camera, streamer = recorded(stage, list(range(100)), CameraEndedError("over")), stage.streamer(push=push)
    session = stage.session(camera, streamer).start()
    stage.wait_for(pushing)
    while session.acquisition.progress().frames_received < 17:  # both buffers are full: the next one waits
        time.sleep(0.005)
    session.acquisition.stop()
    while session.acquisition.progress().phase == "capturing":
        time.sleep(0.005)
    go_on.set()
    report = session.result()
    assert streamer.frames == list(range(16))
    assert (report.frames_received, report.frames_pushed, report.frames_overrun) == (16, 16, 0)
    assert not any("left behind" in event.text for event in report.events)
    assert (report.problems, report.exit_code) == ([], DELIVERED)
    stage.assert_ended_once(streamer, camera)


def test_a_recording_that_is_silent_for_long_is_not_lost(stage: Stage) -> None:
    script = [*range(9), lambda: time.sleep(0.5), *range(9, 16)]
    camera = recorded(stage, script, CameraEndedError("it is over"))
    report = stage.session(camera, stage.streamer(), stall_timeout=0.1).run()
    assert (report.frames_pushed, report.problems) == (16, [])


def test_a_recording_that_cannot_be_read_on_is_not_begun_anew(stage: Stage) -> None:
    camera = recorded(stage, list(range(11)), CameraError("the file is damaged"))
    second, streamer = stage.camera(range(100)), stage.streamer()
    report = stage.session(camera, streamer, again=second).run()
    assert streamer.frames == list(range(11))
    assert [problem.text for problem in report.problems] == ["the file is damaged"]
    assert report.exit_code == FRAMES_LOST
    assert not second.played.is_set()
    stage.assert_ended_once(streamer, camera)


def test_stamps_that_are_utc_reach_the_stream_to_the_nanosecond_and_bear_no_correction(stage: Stage) -> None:
    bases: list[str] = []
    frames = [stage.frame_of(number) for number in range(20)]
    for number, frame in enumerate(frames):
        # A pause of 10 s before the 11th frame.
        frame.timestamp_ns = YESTERDAY_NS + number * 250_000_000 + (10**10 if number >= 10 else 0)
    camera = recorded(stage, frames, CameraEndedError("it is over"), utc_timestamps=True)
    streamer = stage.streamer(push=lambda chunk: bases.append(chunk.time_base))
    report = stage.session(camera, streamer).run()
    assert [(frames[0], start) for _, frames, start in streamer.pushed] == [
        (0, 1_767_225_600_123.0),
        (8, 1_767_225_602_123.0),
        (10, 1_767_225_612_623.0),
        (18, 1_767_225_614_623.0),
    ]
    assert set(bases) == {"reference"}
    assert report.fps_measured == 4.0
    # That the recording pauses is worth knowing, and no loss of this run.
    assert report.problems == []
    assert "pauses for up to 10.2 s, 1 times" in report.warnings[0].text
    assert report.exit_code == DELIVERED


@pytest.mark.parametrize("takes_form", [True, False])
def test_the_streamer_is_told_that_the_source_waits_if_it_wants_to_know(
    stage: Stage, takes_form: bool
) -> None:
    streamer = stage.streamer()
    told: list[bool] = []

    def open_ring(data_id: str, count: int, height: int, width: int) -> ChunkRing:
        told.append(False)
        return ChunkRing(count, 8, height, width)

    def open_ring_of_form(data_id: str, count: int, height: int, width: int, form: ChunkForm) -> ChunkRing:
        told.append(form.waits)
        return ChunkRing(count, 8, height, width, form=form)

    streamer.open_ring = open_ring_of_form if takes_form else open_ring  # type: ignore[assignment]
    camera = recorded(stage, list(range(8)), CameraEndedError("it is over"))
    assert stage.session(camera, streamer).run().exit_code == DELIVERED
    assert told == [takes_form]
