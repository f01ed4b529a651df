"""One camera for a preview and many runs: no frame between them is lost, and none is in two of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.run.held_camera_bench import (
    FPS,
    LIMIT_S,
    Bench,
    KeepingStreamer,
    assert_unbroken,
    first_since,
    wait_until,
)

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.recording.reading import RecordedRun


@pytest.mark.parametrize("pre_roll_s", [0.0, 0.6])
def test_runs_in_a_row_begin_with_the_frame_that_was_asked_for_and_lose_none(
    bench: Bench, pre_roll_s: float
) -> None:
    ends = 0
    for _ in range(4):
        bench.wait_after(ends, pre_roll_s)
        under, kept, start = bench.run(pre_roll_s)
        under.until_frames()
        time.sleep(0.1)
        report = under.end()
        assert report.problems == report.warnings == []
        assert report.adds_up
        assert (report.frames_received, report.gap_count) == (len(kept.numbers), 0)
        assert_unbroken(kept.numbers)
        assert kept.ids == kept.numbers
        # A frame is asked for by its arrival, which is a moment after it was given.
        assert abs(kept.numbers[0] - first_since(bench.beam, start.since_ns)) <= 1
        assert kept.numbers[0] >= ends
        ends = kept.numbers[-1] + 1
    (camera,) = bench.beam.opened
    assert (camera.starts, camera.closed) == (1, 0)
    assert bench.preview.acquisition.progress().frames_missing == 0


def test_a_run_has_no_frame_of_the_one_before_however_far_it_reaches_back(bench: Bench) -> None:
    under, first, _ = bench.run()
    under.until_frames()
    under.end()
    under, second, _ = bench.run(pre_roll_s=60.0)
    under.until_frames()
    report = under.end()
    assert_unbroken([*first.numbers, *second.numbers])
    assert [warning.code for warning in report.warnings] == [FindingCode.SHORT_PRE_ROLL]


@pytest.mark.parametrize(("pre_roll_s", "is_short"), [(60.0, True), (0.2, False)])
def test_a_run_that_reaches_back_to_no_frame_is_short_of_what_was_not_kept_only(
    bench: Bench, pre_roll_s: float, is_short: bool
) -> None:
    """A camera that waits for pulses had none to keep; the run before had those of before the preview."""
    (camera,) = bench.beam.opened
    under, _, _ = bench.run()
    under.until_frames()
    camera.rest()
    under.end()
    time.sleep(0.4)
    under, kept, _ = bench.run(pre_roll_s=pre_roll_s)
    under.until("capturing")
    camera.go_on()
    under.until_frames()
    report = under.end()
    assert kept.numbers
    assert (FindingCode.SHORT_PRE_ROLL in [warning.code for warning in report.warnings]) is is_short


@pytest.mark.parametrize("fps", [None, FPS], ids=["that waits for pulses", "with a rate"])
def test_a_run_that_reaches_back_into_a_rest_of_its_camera_is_short_of_nothing_that_was_kept(
    fps: float | None,
) -> None:
    bench = Bench(fps=fps)
    try:
        wait_until(lambda: len(bench.beam.seen) > 40)
        bench.beam.opened[0].rest()
        rested_ns, given = time.perf_counter_ns(), len(bench.beam.seen)
        time.sleep(1.2)
        bench.beam.opened[0].go_on()
        wait_until(lambda: len(bench.beam.seen) > given + 10)
        under, kept, _ = bench.run(pre_roll_s=(time.perf_counter_ns() - rested_ns) / 1e9)
        under.until_frames()
        report = under.end()
        assert kept.numbers[0] == given
        told = [str(warning) for warning in report.warnings]
        assert len(told) == (fps is not None)
        assert all("the camera gave no frame in that time" in one for one in told)
        assert not any("--pre-roll" in one for one in told)
    finally:
        bench.end()


def test_a_run_is_short_of_what_has_made_room_for_later_frames() -> None:
    bench = Bench(kept_s=0.2, fps=None)
    try:
        wait_until(lambda: len(bench.beam.seen) > 4 * FPS)
        under, kept, _ = bench.run(pre_roll_s=(time.perf_counter_ns() - bench.beam.seen[10]) / 1e9)
        under.until_frames()
        report = under.end()
        assert kept.numbers[0] > 10
        assert [warning.code for warning in report.warnings] == [FindingCode.SHORT_PRE_ROLL]
        assert "the preview kept no frame of that time" in str(report.warnings[0])
    finally:
        bench.end()


def test_nor_where_the_one_before_has_ended_just_before(bench: Bench) -> None:
    """Also where no frame has come between the two, or none for the one before."""
    end = -1
    for _ in range(40):
        for pre_roll_s in (0.0, 60.0):
            under, kept, _ = bench.run(pre_roll_s)
            under.until("capturing")
            under.end()
            if not kept.numbers:  # it reached back to nothing, and was over before a frame came
                end = -1
                continue
            assert_unbroken(kept.numbers)
            assert kept.ids == kept.numbers
            if pre_roll_s and end >= 0:
                assert kept.numbers[0] == end + 1
            assert kept.numbers[0] > end
            end = kept.numbers[-1]


def numbers_of(frames: NDArray[Any]) -> list[int]:
    """The numbers that the frames bear."""
    numbers: list[int] = np.ascontiguousarray(frames).reshape(len(frames), 8).view("<u8")[:, 0].tolist()
    return numbers


@pytest.mark.parametrize("reduction", [{}, {"stream_every": 4}, {"stream_average": 4}], ids=str)
def test_what_a_run_reaches_back_to_is_in_its_archive_and_in_a_stream_of_fewer_frames(
    bench: Bench, tmp_path: Path, reduction: dict[str, int]
) -> None:
    wait_until(lambda: len(bench.beam.seen) > 250)
    pushed: list[NDArray[Any]] = []
    streamer = KeepingStreamer()
    keep = streamer.push_chunk

    def push(data_id: str, chunk: Chunk) -> None:
        pushed.append(chunk.pixels.copy())
        keep(data_id, chunk)

    streamer.push_chunk = push  # type: ignore[method-assign]
    under, _, start = bench.run(0.5, streamer, archive=tmp_path, frames=300, ring_chunks=8, **reduction)
    under._thread.join(LIMIT_S)
    report = under.report
    assert report is not None
    assert report.problems == []
    assert report.adds_up
    assert report.info.archive is not None
    recorded = RecordedRun(report.info.archive)
    frames: NDArray[Any] = np.asarray(recorded.read(0, len(recorded)))
    numbers = numbers_of(frames)
    assert len(numbers) == 300
    assert_unbroken(numbers)
    assert abs(numbers[0] - first_since(bench.beam, start.since_ns)) <= 1
    ids = recorded.frame_ids()
    assert ids is not None
    assert ids.tolist() == numbers
    streamed = np.concatenate(pushed)
    (many,) = reduction.values() or (1,)
    groups = frames[: len(streamed) * many].reshape(len(streamed), many, 2, 4)
    if "stream_average" in reduction:
        expected = (groups.astype(np.uint32).sum(axis=1) + many // 2) // many
    else:
        expected = groups[:, 0]
    assert len(streamed) == 300 // many
    np.testing.assert_array_equal(streamed, expected)
    assert (report.frames_archived, report.frames_pushed) == (300, 300 // many)
    assert report.frames_reduced == 300 - 300 // many


def test_what_came_while_a_run_was_prepared_is_in_it_and_counts_for_its_duration(bench: Bench) -> None:
    under, kept, start = bench.run(streamer=KeepingStreamer(lambda: time.sleep(0.8)), duration=0.5)
    under._thread.join(LIMIT_S)
    assert under.report is not None
    assert under.report.problems == []
    assert abs(kept.numbers[0] - first_since(bench.beam, start.asked_ns)) <= 1
    assert_unbroken(kept.numbers)
    # It has all that came before there was a place for them. The first that it lacks came later, though it
    # may have been given a moment earlier; the one after that was not.
    later = kept.numbers[-1] + 2
    wait_until(lambda: later in bench.beam.seen)
    assert bench.beam.seen[later] - start.asked_ns > 0.8e9


def test_ids_that_wrap_go_on_over_the_seam() -> None:
    bench = Bench(cycle=200)
    try:
        wait_until(lambda: len(bench.beam.seen) > 450)
        under, kept, _ = bench.run(pre_roll_s=0.5)
        under.until("capturing")
        wait_until(lambda: len(bench.beam.seen) > 1000)
        report = under.end()
        assert_unbroken(kept.numbers)
        assert kept.ids == kept.numbers
        assert report.frames_dropped_by_camera == 0
    finally:
        bench.end()


def test_a_camera_that_pauses_at_the_seam_keeps_no_frame_from_the_run(bench: Bench) -> None:
    wait_until(lambda: len(bench.beam.seen) > 100)
    bench.beam.opened[0].rest()
    time.sleep(0.05)
    under, kept, _ = bench.run(pre_roll_s=10.0)
    under.until("capturing")
    under.end()
    assert kept.numbers == list(range(len(bench.beam.seen)))


def test_a_number_of_frames_is_kept_to_though_more_are_there_already(bench: Bench) -> None:
    wait_until(lambda: len(bench.beam.seen) > 200)
    under, kept, _ = bench.run(pre_roll_s=10.0, frames=50)
    under._thread.join(LIMIT_S)
    assert kept.numbers == list(range(50))
    wait_until(lambda: bench.held.is_well)
    before = bench.previewed()
    wait_until(lambda: bench.previewed() > before)


def test_a_run_whose_push_hangs_while_it_reaches_back_is_stopped_though_no_frame_comes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview's ring has room for ever, then."""
    # Well before the preview takes a camera that gives no frame for lost.
    monkeypatch.setattr("rheed_acquire.run.lent_camera._STUCK_S", 0.5)
    chunk_size = 2 * FPS
    wait_until(lambda: len(bench.beam.seen) > chunk_size + 50)
    bench.beam.opened[0].rest()
    given = len(bench.beam.seen)
    returns = threading.Event()
    streamer = KeepingStreamer()
    keep = streamer.push_chunk

    def hang(data_id: str, chunk: Chunk) -> None:
        returns.wait(4 * LIMIT_S)
        keep(data_id, chunk)

    streamer.push_chunk = hang  # type: ignore[method-assign]
    under, kept, _ = bench.run(pre_roll_s=60.0, streamer=streamer, ring_chunks=2)
    try:
        wait_until(lambda: under.acquisition.progress().frames_received > chunk_size)
        assert under.acquisition.progress().phase == "reaching back"
        under.acquisition.stop()
        under.until("uploading")
    finally:
        returns.set()
    report = under.end()
    assert report.problems == []
    assert kept.numbers == list(range(given))  # both chunks of its ring
    before = bench.previewed()
    bench.beam.opened[0].go_on()
    wait_until(lambda: bench.previewed() > before)


def test_a_run_that_is_stopped_while_it_reaches_back_has_all_that_was_kept_though_its_pushes_are_slow(
    bench: Bench,
) -> None:
    chunk_size = 2 * FPS
    wait_until(lambda: len(bench.beam.seen) > 3 * chunk_size)
    streamer = KeepingStreamer()
    keep = streamer.push_chunk

    def slowly(data_id: str, chunk: Chunk) -> None:
        time.sleep(1.0)
        keep(data_id, chunk)

    streamer.push_chunk = slowly  # type: ignore[method-assign]
    under, kept, _ = bench.run(pre_roll_s=60.0, streamer=streamer, ring_chunks=2)
    wait_until(lambda: under.acquisition.progress().frames_received >= 2 * chunk_size)
    assert under.acquisition.progress().phase == "reaching back"
    report = under.end()
    assert (report.problems, report.frames_overrun) == ([], 0)
    assert_unbroken(kept.numbers)
    assert len(kept.numbers) > 3 * chunk_size


def test_a_run_that_cannot_begin_costs_the_preview_nothing(bench: Bench) -> None:
    def refuse() -> None:
        raise RheedAcquireError("there is no such project")

    under, _, _ = bench.run(streamer=KeepingStreamer(refuse))
    under._thread.join(LIMIT_S)
    assert str(under.error) == "there is no such project"
    before = bench.previewed()
    wait_until(lambda: bench.previewed() > before)
    progress = bench.preview.acquisition.progress()
    assert (progress.absence, progress.frames_missing, progress.frames_overrun) == (None, 0, 0)
