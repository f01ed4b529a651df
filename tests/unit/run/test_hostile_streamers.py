"""Streamers that do their worst at every call: no frame goes with them, and the report says who it was."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.run.hostile_plugins import (
    FRAMES,
    RAISED,
    RETURNED,
    STREAMER,
    Deed,
    assert_delivered,
    assert_told,
    do,
    each_raised,
    returning,
)

from rheed_acquire.errors import RheedAcquireError, StreamerError
from rheed_acquire.findings import FindingCode
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.run.report import DELIVERED, FRAMES_LOST, RunReport
from rheed_acquire.streaming.streamer import DeliveryStatus

if TYPE_CHECKING:
    from tests.unit.run.conftest import Session, Stage


def report_of(session: Session) -> RunReport | RheedAcquireError:
    """What becomes of a run: its report, or the error that kept it from beginning."""
    try:
        return session.result()
    except RheedAcquireError as error:
        return error


@each_raised
def test_a_push_that_raises_once_costs_its_chunk_and_no_other(stage: Stage, raised: str) -> None:
    def refuse_second(chunk: Any) -> None:
        if chunk.index == 1:
            RAISED[raised]()

    camera, streamer = stage.camera(range(24)), stage.streamer(push=refuse_second)
    session = stage.session(camera, streamer, frames=24, ring_chunks=4)
    report = session.run()
    assert session.acquisition.progress().frames_not_taken == 8
    assert streamer.frames == [*range(8), *range(16, 24)]
    assert (report.frames_not_taken, report.frames_pushed, report.adds_up) == (8, 16, True)
    assert_told(report, STREAMER, "push_chunk")
    assert report.exit_code == FRAMES_LOST


@pytest.mark.parametrize("deed", [*RAISED, *RETURNED])
@pytest.mark.parametrize("method", ["initialize", "open_ring"])
def test_a_streamer_that_cannot_begin_is_named_and_the_camera_given_back(
    stage: Stage, method: str, deed: str
) -> None:
    if (method, deed) in (("open_ring", "None"), ("initialize", "text")):
        pytest.skip("that is what it may return")
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, method, (RAISED | RETURNED)[deed])
    with pytest.raises(StreamerError, match=rf"streamer scripted \(a test 1.0\) failed in {method}: "):
        stage.session(camera, streamer, frames=FRAMES).run()
    assert (camera.closed, streamer.calls[-1]) == (1, "close")


def test_a_ring_of_another_size_is_refused(stage: Stage) -> None:
    from rheed_acquire.frames.ring import ChunkRing

    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, "open_ring", returning(ChunkRing(2, 99, 2, 4)))
    with pytest.raises(StreamerError, match="its ring is for chunks of 99 x 2 x 4 in place of 8 x 2 x 4"):
        stage.session(camera, streamer, frames=FRAMES).run()
    stage.assert_ended_once(streamer, camera)


@pytest.mark.parametrize("deed", [*RAISED, *RETURNED])
@pytest.mark.parametrize(
    ("method", "code", "exit_code"),
    [
        ("status", FindingCode.STREAMER_SILENT, DELIVERED),
        ("finalize", FindingCode.NOT_FINALIZED, FRAMES_LOST),
    ],
)
def test_a_streamer_that_cannot_tell_is_named_and_has_all_frames(
    stage: Stage, method: str, code: FindingCode, exit_code: int, deed: str
) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, method, (RAISED | RETURNED)[deed])
    session = stage.session(camera, streamer, frames=FRAMES)
    report = session.run()
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, method)
    assert code in [one.code for one in (*report.problems, *report.warnings)]
    assert report.exit_code == exit_code


@pytest.mark.parametrize(
    "answer",
    [
        {"chunks_uploaded": "two"},
        {"chunks_not_uploaded": None},
        {"chunks_failed": "one"},
        {"lost": 5},
        {"lost": [1, 2]},
        {"chunks_uploaded": 2.5},
    ],
)
def test_a_last_word_that_makes_no_sense_is_named(stage: Stage, answer: dict[str, Any]) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer(finalize=lambda: answer)
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, "finalize")


def test_a_last_word_in_a_plugins_own_types_can_be_written_as_json(stage: Stage) -> None:
    answer = {"chunks_uploaded": np.int64(2), "where": {1, 2}, "lost": [(np.int32(1), OSError("gone"))]}
    streamer = stage.streamer(finalize=lambda: answer)
    report = stage.session(stage.camera(range(FRAMES)), streamer, frames=FRAMES).run()
    assert (report.chunks_uploaded, report.delivery["where"]) == (2, "{1, 2}")
    assert report.delivery["lost"] == [[1, "gone"]]


@each_raised
def test_a_streamer_that_raises_when_closed_is_a_warning(stage: Stage, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, "close", RAISED[raised])
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, "close")
    assert report.exit_code == DELIVERED


def test_a_streamer_whose_status_hangs_is_asked_no_more(stage: Stage, hang: Deed) -> None:
    asked: list[int] = []
    told, go_on = threading.Event(), threading.Event()

    def deed(*_: object) -> None:
        asked.append(1)
        told.set()
        hang()

    camera = stage.camera([*range(FRAMES - 1), lambda: stage.wait_for(go_on), FRAMES - 1])
    streamer = stage.streamer()
    do(streamer, "status", deed)
    session = stage.session(camera, streamer, frames=FRAMES).start()
    stage.wait_for(told)
    for _ in range(5):
        session.acquisition.progress()
    go_on.set()
    report = session.result()
    assert len(asked) == 1
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, "did not return from status within 1 s")
    assert FindingCode.STREAMER_SILENT in [warning.code for warning in report.warnings]


def test_a_streamer_whose_status_was_slow_once_while_two_asked_for_it_is_heard_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheed_acquire.host.guard.streamer.STATUS_LIMIT_S", 0.2)
    asked, go_on = threading.Event(), threading.Event()
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()

    def deed(*_: object) -> DeliveryStatus:
        if not asked.is_set():
            asked.set()
            stage.wait_for(go_on)
        return DeliveryStatus(stop_reason="the disk is full")

    do(streamer, "status", deed)
    session = stage.session(camera, streamer).start()
    stage.wait_for(asked)
    session.acquisition.progress()  # waits behind the run, which asked first, and is left behind unheard
    session.acquisition.progress()
    go_on.set()
    report = session.result()  # which ends only where the streamer is asked again
    assert_delivered(report, streamer)
    assert "the run was ended early: the disk is full" in [problem.text for problem in report.problems]


def test_what_a_streamer_told_last_stands_while_it_cannot_tell(stage: Stage) -> None:
    answers = iter([DeliveryStatus(chunks_pushed=9, chunks_uploaded=7, bytes_uploaded=4200)])
    go_on = threading.Event()
    camera = stage.camera([*range(FRAMES - 1), lambda: stage.wait_for(go_on), FRAMES - 1])
    streamer = stage.streamer()
    do(streamer, "status", lambda *_: next(answers))
    session = stage.session(camera, streamer, frames=FRAMES).start()
    while session.acquisition.progress().delivery.chunks_uploaded != 7:
        time.sleep(0.01)
    assert {session.acquisition.progress().delivery.bytes_uploaded for _ in range(3)} == {4200}
    go_on.set()
    assert_delivered(session.result(), streamer)


@pytest.mark.parametrize("method", ["initialize", "open_ring", "push_chunk", "finalize", "close"])
def test_a_streamer_that_hangs_ends_with_the_users_patience(stage: Stage, method: str, hang: Deed) -> None:
    hanging = threading.Event()

    def deed(*_: object, **__: object) -> None:
        hanging.set()
        hang()

    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, method, deed)
    session = stage.session(camera, streamer, patience=Patience(grace_s=1.0), frames=FRAMES).start()
    stage.wait_for(hanging)
    session.acquisition.stop()
    session.acquisition.abandon()
    outcome = report_of(session)
    assert camera.closed == 1
    if isinstance(outcome, RunReport):
        assert outcome.adds_up
        assert_told(outcome, STREAMER if method != "push_chunk" else "push", method.partition("_")[0])
        assert outcome.frames_pushed == (0 if method == "push_chunk" else FRAMES)
    else:
        assert method in ("initialize", "open_ring")
        assert f"{STREAMER} did not return from {method}" in str(outcome)
