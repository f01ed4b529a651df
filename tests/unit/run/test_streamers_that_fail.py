"""What a streamer may do to a session: no way out leaves its stream open, every frame is accounted for."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.mapped_memory import RingGivenUpError, check_wanted
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.run.depth_watch import DepthWatch
from rheed_acquire.run.report import FAILED, FRAMES_LOST
from rheed_acquire.streaming.streamer import DeliveryStatus

if TYPE_CHECKING:
    from tests.unit.run.conftest import Entry, Stage


def failing(error: Exception) -> Any:
    """Something to tell a streamer to do."""

    def fail(*arguments: object) -> None:
        raise error

    return fail


def test_a_streamer_that_cannot_open_or_begin_lets_its_error_pass_and_the_camera_go(stage: Stage) -> None:
    camera = stage.camera(range(9))
    with pytest.raises(StreamerError, match="the key is wrong"):
        stage.session(camera, StreamerError("the key is wrong")).run()
    assert camera.closed == 1

    camera = stage.camera(range(9))
    streamer = stage.streamer(initialize=failing(StreamerError("the server says no")))
    with pytest.raises(StreamerError, match="the server says no"):
        stage.session(camera, streamer).run()
    assert (camera.closed, streamer.calls) == (1, ["close"])


def test_a_ring_that_finds_no_room_ends_the_stream_that_was_begun(stage: Stage) -> None:
    camera = stage.camera(range(9))
    streamer = stage.streamer(open_ring=failing(StreamerError("the disk is full")))
    with pytest.raises(StreamerError, match="the disk is full"):
        stage.session(camera, streamer).run()
    stage.assert_ended_once(streamer, camera)


def test_a_run_that_is_ended_while_its_streamer_makes_the_ring_ends_the_stream_that_was_begun(
    stage: Stage,
) -> None:
    making = threading.Event()

    def make() -> None:
        making.set()
        while not session.run_is_to_end():
            time.sleep(0.01)
        check_wanted(session.run_is_to_end)

    camera, streamer = stage.camera(range(8)), stage.streamer(open_ring=make)
    session = stage.session(camera, streamer)  # which is known before the streamer asks for it
    session.start()
    stage.wait_for(making)
    assert session.acquisition.progress().phase == "making the ring"
    session.acquisition.stop()
    with pytest.raises(RingGivenUpError, match="the run was ended while its ring was made"):
        session.result()
    stage.assert_ended_once(streamer, camera)


def test_a_run_that_is_ended_while_plain_memory_is_made_for_its_ring_makes_no_more(stage: Stage) -> None:
    # The streamer has no ring of its own, and the user ends the run as it says so.
    camera = stage.camera(range(8))
    streamer = stage.streamer(open_ring=lambda: session.acquisition.stop())
    session = stage.session(camera, streamer)
    with pytest.raises(RingGivenUpError, match="the run was ended while its ring was made"):
        session.run()
    stage.assert_ended_once(streamer, camera)


def test_a_recording_that_cannot_be_located_leaves_no_stream_open(stage: Stage) -> None:
    def locate(data_id: str) -> Path:
        raise StreamerError("no such folder")

    camera, streamer = stage.camera(range(8)), stage.streamer()
    with contextlib.suppress(StreamerError):
        stage.session(camera, streamer, locate_output=locate, frames=8).run()
    stage.assert_ended_once(streamer, camera)


def test_frames_of_a_chunk_that_is_not_taken_have_a_column_of_their_own_and_the_others_arrive(
    stage: Stage,
) -> None:
    def refuse_second(chunk: Chunk) -> None:
        if chunk.index == 1:
            raise RuntimeError("disk full")

    camera, streamer = stage.camera(range(24)), stage.streamer(push=refuse_second)
    report = stage.session(camera, streamer, frames=24, ring_chunks=4).run()
    assert streamer.frames == [*range(8), *range(16, 24)]
    assert (report.frames_received, report.frames_pushed, report.chunks_pushed) == (24, 16, 2)
    assert (report.frames_not_taken, report.adds_up) == (8, True)
    (problem,) = report.problems
    assert problem.frames == 8
    assert problem.text == (
        "8 frames in 1 chunks were not taken by the streamer: streamer scripted (a test 1.0) failed in "
        "push_chunk: RuntimeError: disk full"
    )
    assert report.exit_code == FRAMES_LOST
    stage.assert_ended_once(streamer, camera)


@pytest.mark.parametrize("refused", [{0}, {1}, {1, 2}, {3}])
def test_a_chunk_that_is_not_taken_is_no_pause_of_a_camera_without_ids(
    stage: Stage, refused: set[int]
) -> None:
    def refuse(chunk: Chunk) -> None:
        if chunk.index in refused:
            raise RuntimeError("disk full")

    frames = [stage.frame_of(number) for number in range(32)]
    for frame in frames:
        frame.id = None
    streamer = stage.streamer(push=refuse)
    report = stage.session(stage.camera(frames), streamer, frames=32, ring_chunks=5).run()
    assert [problem.code for problem in report.problems] == [FindingCode.CHUNK_NOT_TAKEN]
    assert (report.frames_not_taken, report.frames_absent, report.pauses) == (8 * len(refused), 0, ())
    assert report.fps_measured == pytest.approx(4.0)


def test_a_chunk_that_nobody_could_be_shown_is_no_pause_of_a_camera_without_ids(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = DepthWatch.look

    def fail_once(watch: DepthWatch, chunk: Chunk) -> None:
        if chunk.index == 1:
            raise MemoryError
        look(watch, chunk)

    monkeypatch.setattr(DepthWatch, "look", fail_once)
    frames = [stage.frame_of(number) for number in range(32)]
    for frame in frames:
        frame.id = None
    report = stage.session(stage.camera(frames), stage.streamer(), frames=32, ring_chunks=5).run()
    assert [problem.code for problem in report.problems] == [FindingCode.CHUNK_NOT_TAKEN]
    assert (report.frames_not_taken, report.frames_absent, report.pauses) == (8, 0, ())


def test_the_memory_of_chunks_that_are_not_taken_is_used_again(stage: Stage) -> None:
    refused = threading.Semaphore(0)

    def refuse(chunk: Chunk) -> None:
        refused.release()
        raise RuntimeError("disk full")

    script: list[Entry] = []
    for chunk in range(6):
        script += range(8 * chunk, 8 * chunk + 8)
        # At most one chunk is being refused while the next is filled.
        script.append(lambda: refused.acquire(timeout=60))
    report = stage.session(stage.camera(script), stage.streamer(push=refuse), frames=48, ring_chunks=3).run()
    assert (report.frames_received, report.frames_pushed, report.frames_overrun) == (48, 0, 0)
    assert (report.frames_not_taken, report.adds_up, len(report.problems)) == (48, True, 1)
    assert report.exit_code == FAILED


def test_a_slow_streamer_costs_the_newest_frames_counts_them_and_the_run_goes_on(stage: Stage) -> None:
    let_go, caught_up = threading.Event(), threading.Event()

    def note(chunk: Chunk) -> None:
        if chunk.index == 1:
            caught_up.set()

    camera = stage.camera([*range(21), let_go.set, lambda: stage.wait_for(caught_up), *range(21, 30)])
    streamer = stage.streamer(push=lambda chunk: stage.wait_for(let_go), pushed=note)
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    session.acquisition.stop()
    report = session.result()
    assert streamer.frames == [*range(16), *range(21, 30)]
    assert (report.frames_received, report.frames_pushed, report.frames_overrun) == (30, 25, 5)
    assert (report.frames_dropped_by_camera, report.pauses) == (0, ())
    assert report.fps_measured == pytest.approx(4.0)
    assert report.adds_up
    assert report.exit_code == FRAMES_LOST
    assert len(report.problems) == 1
    assert "5 frames came while all chunk buffers" in report.problems[0].text
    stage.assert_ended_once(streamer, camera)


def test_frames_dropped_after_the_last_chunk_do_not_raise_the_measured_rate(stage: Stage) -> None:
    let_go = threading.Event()
    streamer = stage.streamer(push=lambda chunk: stage.wait_for(let_go))
    camera = stage.camera([*range(56), let_go.set])
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    session.acquisition.stop()
    report = session.result()
    assert (report.frames_pushed, report.frames_overrun) == (16, 40)
    assert report.fps_measured == pytest.approx(4.0)


def test_frames_that_we_dropped_ourselves_are_no_pause_of_a_camera_without_ids(stage: Stage) -> None:
    let_go, caught_up = threading.Event(), threading.Event()

    def note(chunk: Chunk) -> None:
        if chunk.index == 1:
            caught_up.set()

    frames = [stage.frame_of(number) for number in range(30)]
    for frame in frames:
        frame.id = None
    camera = stage.camera([*frames[:21], let_go.set, lambda: stage.wait_for(caught_up), *frames[21:]])
    streamer = stage.streamer(push=lambda chunk: stage.wait_for(let_go), pushed=note)
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    session.acquisition.stop()
    report = session.result()
    assert (report.frames_overrun, report.pauses) == (5, ())


def test_a_streamer_that_wants_no_more_ends_the_run_with_its_reason(stage: Stage) -> None:
    full = DeliveryStatus(stop_reason="the disk is full")
    camera = stage.camera(range(11))
    streamer = stage.streamer(status=lambda: full if camera.played.is_set() else None)
    report = stage.session(camera, streamer).run()
    assert streamer.frames == list(range(11))
    assert any("the disk is full" in problem.text for problem in report.problems)
    assert report.adds_up
    assert report.exit_code == FRAMES_LOST
    stage.assert_ended_once(streamer, camera)


def test_chunks_that_were_taken_and_never_arrived_are_a_loss_with_its_reason(stage: Stage) -> None:
    told = {"chunks_uploaded": 1, "chunks_not_uploaded": 1, "closed": False, "lost": [(1, "HTTP 403")]}
    report = stage.session(stage.camera(range(16)), stage.streamer(finalize=lambda: told), frames=16).run()
    assert (report.chunks_uploaded, report.chunks_not_uploaded) == (1, 1)
    assert len(report.problems) == 2
    assert "1 chunks were not uploaded: HTTP 403" in [problem.text for problem in report.problems]
    assert any("did not confirm the end of the stream" in problem.text for problem in report.problems)
    assert report.exit_code == FRAMES_LOST


@pytest.mark.parametrize(
    ("missing", "lost", "frames"),
    [
        (1, [[2, "HTTP 403"]], 4),  # the last and short one
        (1, [[0, "HTTP 403"]], 8),
        (3, [], 20),
        (1, [], 8),  # at most: nobody knows which
        (2, [[2, "HTTP 403"]], 12),
        (4, [], None),
        (2, [["2", "HTTP 403"], [[0], "HTTP 403"]], 16),
    ],
)
def test_chunks_that_never_arrived_cost_their_frames(
    stage: Stage, missing: int, lost: list[Any], frames: int | None
) -> None:
    told = {"chunks_uploaded": 3 - missing, "chunks_not_uploaded": missing, "closed": True, "lost": lost}
    streamer = stage.streamer(finalize=lambda: told)
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    (problem,) = report.problems
    assert (problem.code, problem.frames) == (FindingCode.CHUNKS_NOT_UPLOADED, frames)


def test_a_stream_that_cannot_be_finalized_is_a_problem_and_the_report_comes_all_the_same(
    stage: Stage,
) -> None:
    camera = stage.camera(range(8))
    streamer = stage.streamer(finalize=failing(StreamerError("the server is gone")))
    report = stage.session(camera, streamer, frames=8).run()
    assert [problem.text for problem in report.problems] == [
        "the stream could not be finalized: the server is gone"
    ]
    assert (report.frames_pushed, report.exit_code) == (8, FRAMES_LOST)
    stage.assert_ended_once(streamer, camera)


def test_a_run_that_is_over_shows_what_the_streamer_reported_and_not_that_it_knows_the_stream_no_more(
    stage: Stage,
) -> None:
    def forget() -> None:
        if "finalize" in streamer.calls:
            raise ValueError("no such stream")

    told = {
        "chunks_uploaded": 2,
        "chunks_not_uploaded": 1,
        "chunks_failed": 1,
        "closed": True,
        "lost": [(1, "")],
    }
    streamer = stage.streamer(status=forget, finalize=lambda: told)
    session = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4)
    report = session.run()
    shown = session.acquisition.progress().delivery
    assert (shown.chunks_pushed, shown.chunks_uploaded, shown.chunks_failed) == (report.chunks_pushed, 2, 1)
    assert shown.chunks_queued == 0


def test_a_streamer_that_cannot_tell_its_status_is_finalized_all_the_same(stage: Stage) -> None:
    camera, streamer = stage.camera(range(8)), stage.streamer(status=failing(RuntimeError("closed")))
    with contextlib.suppress(RuntimeError):
        stage.session(camera, streamer, frames=8).run()
    stage.assert_ended_once(streamer, camera)


def test_abandon_ends_a_finalize_that_hangs(stage: Stage) -> None:
    draining = threading.Event()

    def hang() -> dict[str, Any]:
        draining.set()
        stage.wait_for(streamer.closing)
        return {"chunks_uploaded": 0, "chunks_not_uploaded": 1, "closed": False, "lost": []}

    camera, streamer = stage.camera(range(8)), stage.streamer(finalize=hang)
    session = stage.session(camera, streamer, frames=8).start()
    stage.wait_for(draining)
    assert session.acquisition.progress().phase == "uploading"
    session.acquisition.abandon()
    report = session.result()
    assert (report.chunks_not_uploaded, report.exit_code) == (1, FRAMES_LOST)
    stage.assert_ended_once(streamer, camera)


def test_abandon_ends_a_push_that_hangs_and_a_report_comes_of_a_streamer_that_forgot_its_streams(
    stage: Stage,
) -> None:
    """`RHEEDStreamer` forgets: after its `close`, `status` and `finalize` know no stream."""
    pushing = threading.Event()

    def hang(chunk: Chunk) -> None:
        pushing.set()
        stage.wait_for(streamer.closing)
        raise RuntimeError("the streamer was closed")

    def forget() -> None:
        if streamer.closing.is_set():
            raise ValueError("no such stream")

    camera, streamer = stage.camera(range(8)), stage.streamer(push=hang, status=forget, finalize=forget)
    session = stage.session(camera, streamer).start()
    stage.wait_for(pushing)
    session.acquisition.abandon()
    report = session.result()
    assert (report.frames_received, report.frames_pushed) == (8, 0)
    assert report.exit_code == FAILED


def test_a_run_that_expects_no_delivery_captures_on_and_waits_for_none_at_its_end(stage: Stage) -> None:
    def tell() -> None:
        session.acquisition.expect_no_delivery(FindingCode.SERVER_LOST, "the server is gone")

    camera, streamer = stage.camera(range(12)), stage.streamer(pushed=lambda chunk: tell())
    session = stage.session(camera, streamer, frames=12)
    report = session.run()
    assert streamer.frames == list(range(12))
    assert streamer.drain_timeout_s == 0
    assert FindingCode.SERVER_LOST in [finding.code for finding in report.problems]
    assert report.exit_code == FRAMES_LOST


def test_a_wait_for_delivery_ends_when_none_is_to_be_expected_any_more(stage: Stage) -> None:
    def finalize() -> dict[str, Any]:
        session.acquisition.expect_no_delivery(FindingCode.SERVER_LOST, "the server is gone")
        assert streamer.closing.is_set()
        return {"chunks_uploaded": 2, "chunks_not_uploaded": 1, "closed": False, "lost": []}

    camera, streamer = stage.camera(range(12)), stage.streamer(finalize=finalize)
    session = stage.session(camera, streamer, frames=12)
    report = session.run()
    assert (report.chunks_uploaded, report.chunks_not_uploaded) == (2, 1)
    assert FindingCode.SERVER_LOST in [finding.code for finding in report.problems]
