"""How a session begins, goes on and ends where nothing fails, and who may watch."""

from __future__ import annotations

import functools
import json
import sys
import time
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.cameras.camera import CaptureRequest, Frame, SettingReadback
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.hookspecs import PROJECT, hookimpl
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.recording.growth_notes import decode_growth
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.growth_watch import RegionGrowth
from rheed_acquire.run.progress import Progress
from rheed_acquire.run.report import DELIVERED, FAILED, FRAMES_LOST, RunInfo, RunReport

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage


def test_a_run_of_so_many_frames_delivers_exactly_those_and_exits_with_0(stage: Stage) -> None:
    camera, streamer = stage.camera(range(100)), stage.streamer()
    report = stage.session(camera, streamer, frames=11, ring_chunks=20).run()
    assert streamer.frames == list(range(11))
    assert [(index, len(frames)) for index, frames, _ in streamer.pushed] == [(0, 8), (1, 3)]
    assert (report.frames_received, report.frames_pushed, report.chunks_pushed) == (11, 11, 2)
    assert (report.problems, report.exit_code) == ([], DELIVERED)
    assert report.fps_measured == pytest.approx(4.0)
    stage.assert_ended_once(streamer, camera)


def test_a_run_of_so_many_seconds_ends_by_itself(stage: Stage) -> None:
    camera, streamer = stage.camera(range(5)), stage.streamer()
    report = stage.session(camera, streamer, duration=0.2).run()
    assert streamer.frames == list(range(5))
    assert (report.problems, report.exit_code) == ([], DELIVERED)
    stage.assert_ended_once(streamer, camera)


def test_a_stopped_run_pushes_the_chunk_begun_and_is_flawless(stage: Stage) -> None:
    camera, streamer = stage.camera(range(12)), stage.streamer()
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    session.acquisition.stop()
    session.acquisition.stop()
    report = session.result()
    assert streamer.frames == list(range(12))
    assert report.exit_code == DELIVERED
    stage.assert_ended_once(streamer, camera)


def test_a_run_that_is_stopped_before_its_first_frame_says_so_and_fails(stage: Stage) -> None:
    camera, streamer = stage.camera([lambda: session.acquisition.stop()]), stage.streamer()
    session = stage.session(camera, streamer)
    report = session.run()
    assert ([problem.code for problem in report.problems], report.exit_code) == (["no-frame"], FAILED)
    stage.assert_ended_once(streamer, camera)


def test_frames_that_are_dated_when_they_are_handed_over_are_not_lost_where_a_thread_had_to_wait(
    stage: Stage,
) -> None:
    begun_s = time.perf_counter()

    def hand_over(frame: Frame, number: int) -> None:
        held_up = 0.3 <= number / 100 < 0.8
        time.sleep(max(0.0, begun_s + (0.8 if held_up else number / 100) - time.perf_counter()))
        frame.timestamp_ns = time.perf_counter_ns()

    script: list[Any] = []
    for number in range(200):
        frame = stage.frame_of(number)
        script += [functools.partial(hand_over, frame, number), frame]
    camera = stage.camera(script, info=replace(stage.camera([]).info, fps=100.0))
    report = stage.session(camera, stage.streamer(), frames=200, chunk_size=200).run()
    assert (report.pauses, report.problems, report.exit_code) == ((), [], DELIVERED)


def test_camera_and_stream_get_what_the_user_asked_for(stage: Stage) -> None:
    camera, streamer = stage.camera(range(9)), stage.streamer()
    session = stage.session(
        camera,
        streamer,
        frames=1,
        fps=4.02,
        chunk_size=9,
        rotations_per_min=12.0,
        stream_name="GaN",
        tags=("a", "b"),
    )
    report = session.run()
    assert session.requests == [CaptureRequest(4.02, 12.0)]
    assert streamer.stream == {
        "fps": 4.02,
        "rotations_per_min": 12.0,
        "chunk_size": 9,
        "stream_name": "GaN",
        "physical_sample": None,
        "project_id": None,
        "tags": ["a", "b"],
        "azimuth": None,
    }
    assert report.info.fps == 4.02


def test_each_chunk_is_dated_and_the_dates_are_as_far_apart_as_the_cameras_clock_says(stage: Stage) -> None:
    camera, streamer = stage.camera(range(24)), stage.streamer()
    stage.session(camera, streamer, frames=24, ring_chunks=4).run()
    starts = [start for _, _, start in streamer.pushed if start is not None]
    assert len(starts) == 3
    # All frames come at once, so later ones waited ever less by the camera's clock: starts only draw nearer.
    assert starts == sorted(starts)


def test_a_setting_that_the_camera_rounded_is_a_warning_and_no_problem(stage: Stage) -> None:
    info = replace(stage.camera([]).info, settings=(SettingReadback("gain", 3.3, 3.0),))
    report = stage.session(stage.camera(range(9), info), stage.streamer(), frames=3).run()
    assert [warning.text for warning in report.warnings] == ["gain is 3.0, not 3.3 as asked for"]
    assert report.exit_code == DELIVERED


def test_the_report_is_plain_json_with_the_figures_that_scripts_rely_on(stage: Stage) -> None:
    report = stage.session(stage.camera([0, 1, 5]), stage.streamer(), frames=3).run()
    told = json.loads(json.dumps(report.as_json(), allow_nan=False))
    promised = (
        "data_id camera frames_received frames_pushed frames_dropped_by_camera frames_overrun "
        "frames_rejected chunks_pushed chunks_uploaded chunks_not_uploaded fps_measured "
        "started_utc ended_utc output"
    )
    assert set(promised.split()) <= set(told)
    assert (told["data_id"], told["camera"], told["frames_received"]) == ("data-1", "scripted", 3)
    assert told["gaps"] == [{"before_frame": 2, "first_missing_id": 2, "missing": 3}]
    assert told["exit_code"] == FRAMES_LOST


def test_progress_can_be_asked_for_before_during_and_after_the_run(stage: Stage) -> None:
    seen: list[Progress] = []
    camera = stage.camera([*range(9), lambda: seen.append(session.acquisition.progress()), 9])
    session = stage.session(camera, stage.streamer(), frames=10)
    before = session.acquisition.progress()
    session.run()
    after = session.acquisition.progress()
    assert (before.phase, before.info) == ("opening the camera", None)
    assert (seen[0].phase, seen[0].frames_received) == ("capturing", 9)
    assert (after.phase, after.frames_received, after.delivery.chunks_uploaded) == ("finished", 10, 2)


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> tuple[PluginHost, list[str]]:
    """A host with an observer that notes each call and then fails, and a good one that is called after it."""
    calls: list[str] = []
    points = []
    for name in ("bad", "good"):
        module = ModuleType(f"acquisition_test_{name}")

        def note(text: str, fails: bool = name == "bad", name: str = name) -> None:
            calls.append(f"{name} {text}")
            if fails:
                raise RuntimeError("the observer is broken")

        def started(run: RunInfo, note: Any = note) -> None:
            note(f"started {run.data_id}")

        def completed(run: RunInfo, chunk: Chunk, note: Any = note) -> None:
            note(f"chunk {chunk.index} of {len(chunk)}")

        def finished(run: RunInfo, report: RunReport, note: Any = note) -> None:
            note(f"finished {report.frames_pushed}")

        module.rheed_run_started = hookimpl(started)  # type: ignore[attr-defined]
        module.rheed_chunk_completed = hookimpl(completed)  # type: ignore[attr-defined]
        module.rheed_run_finished = hookimpl(finished)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points.append(EntryPoint(name, module.__name__, PROJECT))
    return PluginHost(sources=points), calls


def test_observers_that_fail_are_passed_over_and_the_run_is_flawless(
    stage: Stage, observed: tuple[PluginHost, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    host, calls = observed
    assert host.failures == []
    camera, streamer = stage.camera(range(11)), stage.streamer()
    report = stage.session(camera, streamer, observers=host.observers(), frames=11).run()
    told = ["started data-1", "chunk 0 of 8", "chunk 1 of 3", "finished 11"]
    for name in ("bad", "good"):
        assert [call.removeprefix(f"{name} ") for call in calls if call.startswith(name)] == told
    assert streamer.frames == list(range(11))
    assert (report.problems, report.exit_code) == ([], DELIVERED)
    assert sum("bad" in record.getMessage() for record in caplog.records if record.levelname == "ERROR") == 4


@pytest.mark.parametrize(("stream_every", "chunk_size"), [(1, 8), (2, 4)])
def test_chunks_bring_the_streamer_what_regions_newly_say_of_the_growth(
    stage: Stage, stream_every: int, chunk_size: int
) -> None:
    growth = (RegionGrowth(region="spot", period_s=5.0, uncertainty_s=0.1),)
    news = iter([None, growth, ()])
    tap, watch = FrameTap(), SimpleNamespace(start=lambda: None, stop=lambda: None, take=lambda: next(news))
    tap.growth = watch  # type: ignore[assignment]
    heard: list[Any] = []
    streamer = stage.streamer(push=lambda chunk: heard.append(chunk.growth))
    how: dict[str, Any] = {"stream_every": stream_every, "chunk_size": chunk_size, "ring_chunks": 20}
    report = stage.session(stage.camera(range(24)), streamer, tap=tap, frames=24, **how).run()
    assert report.exit_code == DELIVERED
    assert [text if text is None else decode_growth(text) for text in heard] == [None, growth, ()]
