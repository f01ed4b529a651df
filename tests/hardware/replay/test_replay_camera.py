"""The pace and the stamps of a replay, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rheed_acquire import CameraEndedError, CaptureRequest
from rheed_acquire_replay import ReplaySettings, discover, open_camera
from rheed_acquire_replay.read_ahead import ReadAhead
from rheed_acquire_replay.recording import Block
from rheed_acquire_replay.zarr_run import ns

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage


@pytest.fixture
def npy(tmp_path: Path, stage: Stage) -> Path:
    """Twenty frames that tell nothing of their time."""
    np.save(tmp_path / "a.npy", stage.frames(20))
    return tmp_path / "a.npy"


@pytest.fixture
def run(tmp_path: Path, stage: Stage) -> Path:
    """Forty frames at 10 a second, with a pause of 5 s in the middle."""
    times = [stage.began_ms + 100 * number + (5000 if number >= 20 else 0) for number in range(40)]
    return stage.write_run(tmp_path / "run" / "frames.zarr", stage.frames(40), times, rotations_per_min=15.0)


def test_a_run_keeps_its_own_times_frame_for_frame(run: Path, stage: Stage) -> None:
    played = stage.play_all(run, None, keep_timestamps=True)
    began_ns = round(stage.began_ms) * 1_000_000
    expected = [began_ns + number * 100_000_000 + (5 * 10**9 if number >= 20 else 0) for number in range(40)]
    assert played.stamps == expected
    assert played.ids == list(range(40))
    assert (played.info.fps, played.info.utc_timestamps, played.info.recorded) == (10.0, True, True)
    np.testing.assert_array_equal(played.frames, stage.frames(40))


def test_the_folder_of_a_run_will_do(run: Path, stage: Stage) -> None:
    np.testing.assert_array_equal(stage.play_all(run.parent, None).frames, stage.frames(40))


def test_a_run_that_rotated_says_so_where_the_stream_would_not(run: Path, stage: Stage) -> None:
    (turns,) = (s for s in stage.play(run).info.settings if s.name == "rotations_per_min")
    assert (turns.differs, turns.actual) == (True, 15.0)
    (turns,) = (s for s in stage.play(run, rotations=15.0).info.settings if s.name == "rotations_per_min")
    assert not turns.differs


def test_frames_that_never_arrived_in_an_open_run_are_left_out_and_seen_to_be_missing(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(60)
    times = [stage.began_ms + 100 * number for number in range(60)]
    for number in range(20, 40):
        times[number], frames[number] = float("nan"), 0
    played = stage.play_all(stage.write_run(tmp_path / "a.zarr", frames, times), None)
    kept = [*range(20), *range(40, 60)]
    assert played.ids == kept
    np.testing.assert_array_equal(played.frames, frames[kept])


def test_a_start_dates_a_recording_that_knows_no_time(npy: Path, stage: Stage) -> None:
    start = datetime(2026, 1, 1, 12, 0, 0, 250_001, UTC)
    played = stage.play_all(npy, fps=40.0, start=start, first=2, last=4)
    assert played.info.utc_timestamps
    first_ns = 1_767_268_800_250_001_000 + 2 * 25_000_000
    assert played.stamps == [first_ns, first_ns + 25_000_000, first_ns + 50_000_000]


def test_without_a_pace_a_replay_is_dated_as_if_it_had_just_begun(npy: Path, stage: Stage) -> None:
    before = datetime.now(UTC).timestamp()
    played = stage.play_all(npy, fps=4.0)
    after = datetime.now(UTC).timestamp()
    assert before - 1 <= played.stamps[0] / 1e9 <= after + 1
    assert set(np.diff(played.stamps)) == {250_000_000}
    assert (played.info.fps, played.info.utc_timestamps) == (4.0, True)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_a_replay_at_a_pace_is_as_live_as_a_camera_of_that_rate(
    tmp_path: Path, stage: Stage, speed: float
) -> None:
    video = stage.write_video(tmp_path / "a.avi", stage.frames(20, 32, 48), rate=50)
    played = stage.play_all(video, None, speed=speed)
    assert (played.info.fps, played.info.utc_timestamps) == (50.0 * speed, False)
    np.testing.assert_allclose(np.diff(played.stamps), 20_000_000 / speed, atol=1)


def test_a_rate_asked_of_the_stream_is_that_of_the_replay_where_the_recording_knows_none(
    npy: Path, stage: Stage
) -> None:
    played = stage.play_all(npy, fps=500.0, speed=10.0)
    assert played.info.fps == 500.0
    np.testing.assert_allclose(np.diff(played.stamps), 2_000_000, atol=1)


def test_a_replay_at_a_pace_pauses_where_the_recording_did(run: Path, stage: Stage) -> None:
    played = stage.play_all(run, None, speed=50.0, first=18, last=21)
    np.testing.assert_allclose(np.diff(played.stamps), [2_000_000, 102_000_000, 2_000_000], atol=1)


def test_times_that_step_back_where_chunks_met_are_kept_in_utc_and_even_on_a_live_clock(
    tmp_path: Path, stage: Stage
) -> None:
    times = [stage.began_ms + time_ms for time_ms in (0, 100, 95, 195)]
    run = stage.write_run(tmp_path / "a.zarr", stage.frames(4), times)
    assert [step for step in np.diff(stage.play_all(run, None, keep_timestamps=True).stamps) if step < 0]
    live = stage.play_all(run, None, speed=50.0).stamps
    assert all(later >= earlier for earlier, later in pairwise(live))


def test_a_rate_that_is_given_wins_over_what_the_recording_says(run: Path, stage: Stage) -> None:
    chosen = ReplaySettings(path=run, fps=20.0, speed=0.0, keep_timestamps=True)
    ended = threading.Event()
    stamps: list[int] = []
    with open_camera(chosen, CaptureRequest()) as camera:
        assert camera.info.fps == 20.0
        camera.start(lambda frame: stamps.append(frame.timestamp_ns or 0), lambda error: ended.set())
        assert ended.wait(30)
    assert stamps[0] == round(stage.began_ms) * 1_000_000
    assert set(np.diff(stamps)) == {50_000_000}


def test_a_replay_starts_anew_with_its_first_frame(npy: Path, stage: Stage) -> None:
    ended = threading.Event()
    ids: list[int | None] = []
    with open_camera(ReplaySettings(path=npy, speed=0.0), CaptureRequest(10.0)) as camera:
        for _ in range(2):
            ids.clear()
            ended.clear()
            camera.start(lambda frame: ids.append(frame.id), lambda error: ended.set())
            assert ended.wait(30)
            camera.stop()
            assert ids == list(range(20))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("replay")]


def test_a_camera_is_closed_in_the_middle_of_a_recording(npy: Path, stage: Stage) -> None:
    seen = threading.Event()
    camera = open_camera(ReplaySettings(path=npy, fps=1.0), CaptureRequest())
    camera.start(lambda frame: seen.set(), lambda error: None)
    assert seen.wait(30)
    camera.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("replay")]


def test_no_more_is_read_ahead_than_memory_is_meant_for() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[Block]:
        while True:
            drawn.append(len(drawn))
            yield Block([drawn[-1]], np.zeros((1, 100), np.uint8))

    blocks = endless()
    ahead = ReadAhead(blocks, CameraEndedError("over"), limit_bytes=1000)
    try:
        for taken in range(50):
            block = ahead.take(30)
            assert block is not None
            assert block.numbers == [taken]
            assert len(drawn) <= taken + 1 + 11
    finally:
        ahead.close()
    with pytest.raises(StopIteration):
        next(blocks)  # closed by the thread that drew from it


def test_a_recording_is_listed_where_it_is_there(npy: Path) -> None:
    (device,) = discover(ReplaySettings(path=npy))
    assert str(npy) in str(device)
    assert not discover(ReplaySettings())
    assert not discover(ReplaySettings(path=npy.with_name("other.npy")))


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValidationError, match="comes before"):
        ReplaySettings(first=5, last=4)


@settings(max_examples=300)
@given(st.integers(0, 2**42))
def test_whole_milliseconds_are_exact_in_nanoseconds_and_back(time_ms: int) -> None:
    assert ns(float(time_ms)) == time_ms * 1_000_000
    assert ns(float(time_ms)) / 1_000_000 == time_ms
