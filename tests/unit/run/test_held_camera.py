"""One camera for a preview and many runs: no frame between them is lost, and none is in two of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import (
    Camera,
    CameraError,
    CameraInfo,
    CameraLostError,
    CameraSettingError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    OnFault,
    OnFrame,
)
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.run.acquisition import Acquisition
from rheed_acquire.run.held_camera import HeldCamera
from rheed_acquire.run.lent_camera import CameraTurn, RunStart
from rheed_acquire.run.report import RunReport
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer
from rheed_acquire.view.preview import PreviewStreamer, preview_settings

FPS, LIMIT_S = 400.0, 30.0
SETTINGS = RunSettings(fps=FPS)


class Beam:
    """Where the cameras of a test look: numbers of frames go on over all of them."""

    def __init__(self, cycle: int | None = None) -> None:
        self.cycle = cycle
        self.opened: list[LiveCamera] = []
        self.refusals: list[Exception] = []
        self.seen: dict[int, int] = {}
        """When each frame was given, by its number."""

    def open(self, request: CaptureRequest) -> Camera:
        if self.refusals:
            raise self.refusals.pop()
        self.opened.append(LiveCamera(self))
        return self.opened[-1]


class LiveCamera(Camera):
    """Gives frames at its pace that bear their number in their pixels."""

    def __init__(self, beam: Beam) -> None:
        self._beam = beam
        self._halt, self._rest = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._on_fault: OnFault | None = None
        self.starts = self.closed = 0

    @property
    def info(self) -> CameraInfo:
        return CameraInfo(DeviceInfo("live"), 4, 2, "Mono8", FPS, frame_id_cycle=self._beam.cycle)

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        self.starts += 1
        self._halt.clear()
        self._on_fault = on_fault
        self._thread = threading.Thread(target=self._play, args=(on_frame,), name="live camera")
        self._thread.start()

    def _play(self, on_frame: OnFrame) -> None:
        begun, frame = time.perf_counter(), Frame(np.zeros((2, 4), np.uint8), None, None)
        first = number = len(self._beam.seen)
        while not self._halt.wait(max(0.0, begun + (number - first) / FPS - time.perf_counter())):
            if self._rest.is_set():
                continue
            frame.pixels.reshape(-1)[:] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
            frame.id = number if self._beam.cycle is None else number % self._beam.cycle
            frame.timestamp_ns = round(number * 1e9 / FPS)
            self._beam.seen[number] = time.perf_counter_ns()
            on_frame(frame)
            number += 1

    def rest(self) -> None:
        self._rest.set()

    def lose(self) -> None:
        assert self._on_fault is not None
        self._halt.set()
        self._on_fault(CameraLostError("it was unplugged"))

    def stop(self) -> None:
        self._halt.set()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        self.stop()
        self.closed += 1


class KeepingStreamer(Streamer):
    """Keeps the numbers that the frames bear, and their ids."""

    def __init__(self, prepares: Callable[[], None] = lambda: None) -> None:
        self._prepares = prepares
        self.numbers: list[int] = []
        self.ids: list[int] = []

    def initialize(self, *declared: Any, **named: Any) -> str:
        self._prepares()
        return "data-1"

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        pixels: NDArray[Any] = chunk.pixels.reshape(len(chunk), 8)
        self.numbers += pixels.copy().view("<u8")[:, 0].tolist()
        self.ids += chunk.frame_ids.tolist()
        chunk.release()

    def status(self, data_id: str) -> DeliveryStatus:
        return DeliveryStatus()

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        return {}


class Under:
    """An acquisition under way."""

    def __init__(self, acquisition: Acquisition) -> None:
        self.acquisition = acquisition
        self.report: RunReport | None = None
        self.error: RheedAcquireError | None = None
        self._thread = threading.Thread(target=self._run, name="acquisition")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.report = self.acquisition.run()
        except RheedAcquireError as error:
            self.error = error

    def until(self, phase: str) -> None:
        wait_until(lambda: self.acquisition.progress().phase == phase)

    def end(self) -> RunReport:
        self.acquisition.stop()
        self._thread.join(LIMIT_S)
        assert self.report is not None, self.acquisition.progress()
        return self.report


class Bench:
    """A held camera, its preview, and what makes runs of it."""

    def __init__(self, kept_s: float = 15.0, cycle: int | None = None) -> None:
        self.beam = Beam(cycle)
        self.held = HeldCamera(self.beam.open)
        self.begun: list[Under] = []
        turn = CameraTurn(self.held)
        self.preview = self._begin(
            Acquisition(
                preview_settings(SETTINGS.model_copy(update={"stall_timeout": 5.0})),
                turn.open,
                lambda given_up: PreviewStreamer(kept_s, given_up),
                turn=turn,
            )
        )
        wait_until(lambda: self.held.is_well and len(self.beam.seen) > 1)

    def run(
        self,
        pre_roll_s: float = 0.0,
        streamer: Streamer | None = None,
        waits_s: float = LIMIT_S,
        **settings: Any,
    ) -> tuple[Under, KeepingStreamer, RunStart]:
        start = RunStart(time.perf_counter_ns(), pre_roll_s, waits_s)
        turn = CameraTurn(self.held, start)
        kept = KeepingStreamer() if streamer is None else streamer
        asked = SETTINGS.model_copy(update=settings)
        under = self._begin(Acquisition(asked, turn.open, lambda given_up: kept, turn=turn))
        return under, kept, start  # type: ignore[return-value]

    def _begin(self, acquisition: Acquisition) -> Under:
        self.begun.append(Under(acquisition))
        return self.begun[-1]

    def wait_after(self, number: int, seconds: float) -> None:
        """Wait until this frame came longer ago than so many seconds."""
        wait_until(lambda: number in self.beam.seen)
        wait_until(lambda: time.perf_counter_ns() - self.beam.seen[number] > seconds * 1e9)

    def previewed(self) -> int:
        return self.preview.acquisition.progress().frames_received

    def end(self) -> None:
        for under in reversed(self.begun):
            under.acquisition.stop()
        for under in self.begun:
            under._thread.join(LIMIT_S)
            assert not under._thread.is_alive()
        assert all(camera.closed == 1 for camera in self.beam.opened)


def wait_until(fits: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def first_since(beam: Beam, since_ns: int) -> int:
    """The first frame that was given at this time or later."""
    return min(number for number, given_ns in beam.seen.items() if given_ns >= since_ns)


def assert_unbroken(numbers: list[int]) -> None:
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


@pytest.mark.parametrize("pre_roll_s", [0.0, 0.6])
def test_runs_in_a_row_begin_with_the_frame_that_was_asked_for_and_lose_none(
    bench: Bench, pre_roll_s: float
) -> None:
    ends = 0
    for _ in range(4):
        bench.wait_after(ends, pre_roll_s)
        under, kept, start = bench.run(pre_roll_s)
        under.until("capturing")
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
    under.until("capturing")
    under.end()
    under, second, _ = bench.run(pre_roll_s=60.0)
    under.until("capturing")
    report = under.end()
    assert_unbroken([*first.numbers, *second.numbers])
    assert [warning.code for warning in report.warnings] == [FindingCode.SHORT_PRE_ROLL]


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
    given_ns = bench.beam.seen[kept.numbers[-1]]
    assert given_ns - start.asked_ns > 0.8e9  # not before there was a place for them


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


def test_a_camera_lost_in_a_run_is_opened_again_for_it_and_for_the_preview(bench: Bench) -> None:
    under, kept, _ = bench.run()
    under.until("capturing")
    before = bench.previewed()
    bench.beam.refusals.append(CameraError("not yet"))
    bench.beam.opened[0].lose()
    wait_until(lambda: len(bench.beam.opened) == 2 and under.acquisition.progress().absence is None)
    report = under.end()
    assert [problem.code for problem in report.problems] == [FindingCode.CAMERA_AWAY]
    assert sorted(set(kept.numbers)) == kept.numbers
    wait_until(lambda: bench.previewed() > before)
    under, kept, _ = bench.run()
    under.until("capturing")
    assert under.end().problems == []
    assert bench.beam.opened[1].starts == 1


def test_a_camera_lost_in_the_preview_is_opened_again_until_it_is_there(bench: Bench) -> None:
    bench.beam.refusals = [CameraError("not yet"), CameraError("not yet either")]
    bench.beam.opened[0].lose()
    wait_until(lambda: bench.preview.acquisition.progress().absence is not None)
    wait_until(lambda: bench.preview.acquisition.progress().absence is None)
    under, kept, _ = bench.run()
    under.until("capturing")
    assert under.end().problems == []
    assert_unbroken(kept.numbers)


def test_a_camera_lost_while_a_run_is_prepared_is_there_for_it_again(bench: Bench) -> None:
    def lose() -> None:
        bench.beam.opened[0].lose()
        wait_until(lambda: bench.preview.acquisition.progress().absence is not None)

    under, kept, _ = bench.run(pre_roll_s=10.0, streamer=KeepingStreamer(lose))
    under.until("capturing")
    wait_until(lambda: under.acquisition.progress().frames_received > 10)
    under.end()
    assert_unbroken(kept.numbers)
    assert len(bench.beam.opened) == 2
    wait_until(lambda: bench.preview.acquisition.progress().absence is None)


def lose(bench: Bench, *refusals: Exception) -> None:
    """Have the camera go, and be away for as many tries to open it."""
    bench.beam.refusals = list(refusals)
    bench.beam.opened[-1].lose()
    wait_until(lambda: bench.preview.acquisition.progress().absence is not None)


def test_a_run_that_is_asked_for_while_its_camera_is_away_waits_for_it(bench: Bench) -> None:
    lose(bench, *(CameraError(f"not yet {number}") for number in range(4)))
    under, kept, start = bench.run(pre_roll_s=1.0, duration=0.5)
    wait_until(lambda: "not yet" in (under.acquisition.progress().camera_trouble or ""))
    under._thread.join(LIMIT_S)
    report = under.report
    assert report is not None
    assert [problem.code for problem in report.problems] == [FindingCode.LATE_START]
    assert "not yet" in str(report.problems[0])
    assert report.warnings == []
    assert_unbroken(kept.numbers)
    # It has the whole of its duration from its first frame on, whoever has opened the camera.
    given_ns = [bench.beam.seen[number] for number in (kept.numbers[0], kept.numbers[-1])]
    assert given_ns[0] > start.asked_ns
    assert given_ns[1] - given_ns[0] > 0.3e9


def test_a_run_waits_for_a_camera_that_goes_while_its_stream_is_opened(bench: Bench) -> None:
    refusals = [CameraError(f"not yet {number}") for number in range(3)]
    streamer = KeepingStreamer(lambda: lose(bench, *refusals))
    under, kept, _ = bench.run(streamer=streamer)
    under.until("capturing")
    wait_until(lambda: under.acquisition.progress().frames_received > 10)
    report = under.end()
    assert FindingCode.CAMERA_REFUSED not in [problem.code for problem in report.problems]
    assert_unbroken(kept.numbers)


def test_a_run_does_not_wait_for_ever_and_not_for_what_no_waiting_mends(bench: Bench) -> None:
    lose(bench, *(CameraError("it is unplugged") for _ in range(100)))
    under, _, _ = bench.run(waits_s=0.2)
    under._thread.join(LIMIT_S)
    assert "it is unplugged (it was waited for" in str(under.error)
    bench.beam.refusals = [CameraSettingError("no such exposure") for _ in range(100)]
    under, _, _ = bench.run()
    under._thread.join(LIMIT_S)
    assert str(under.error) == "no such exposure"
    bench.beam.refusals = []


def test_a_run_that_waits_for_its_camera_is_stopped_at_once(bench: Bench) -> None:
    lose(bench, *(CameraError("it is unplugged") for _ in range(100)))
    under, _, _ = bench.run()
    wait_until(lambda: under.acquisition.progress().state == "camera lost")
    under.acquisition.stop()
    under._thread.join(LIMIT_S)
    assert "it is unplugged" in str(under.error)
    bench.beam.refusals = []


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
