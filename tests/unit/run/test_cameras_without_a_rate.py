"""A camera that does not tell its rate: it is measured before the stream, which has to declare it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.errors import SettingsError
from rheed_acquire.run import measured_rate
from rheed_acquire.run.report import DELIVERED

if TYPE_CHECKING:
    from tests.unit.run.conftest import ScriptedCamera, Stage

SECOND = 1_000_000_000


class Paced:
    """Runs a scripted camera without a rate: frames at a pace, whose clock shows the pace exactly.

    Ids begin anew with each start, as many a camera's do; so does the clock, where it ``restarts``.
    """

    def __init__(self, stage: Stage, fps: float, *, has_clock: bool = True, loses: int = 0) -> None:
        info = replace(stage.camera([]).info, fps=None, fps_at_most=5000.0, fps_limited_by="its exposure")
        self.camera: ScriptedCamera = stage.camera([], info)
        self.starts = 0
        self.began = threading.Event()
        self._fps, self._has_clock, self._loses = fps, has_clock, loses
        self._pixels = stage.frame_of(0).pixels
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._clock_ns = 10**15
        hooks: Any = self.camera
        hooks.start, hooks.stop = self._start, self._stop

    def _start(self, on_frame: Any, on_fault: Any) -> None:
        self.starts += 1
        self._halt.clear()
        self._thread = threading.Thread(target=self._play, args=(on_frame,), name="paced camera")
        self._thread.start()

    def _play(self, on_frame: Any) -> None:
        begun_s = time.perf_counter()
        begun_ns = self._clock_ns
        for number in range(10**6):
            if self._halt.wait(max(0.0, begun_s + number / self._fps - time.perf_counter())):
                return
            if self._loses and number % self._loses == self._loses - 1:
                continue
            self._clock_ns = begun_ns + round(number * SECOND / self._fps)
            on_frame(Frame(self._pixels, number, self._clock_ns if self._has_clock else None))
            self.began.set()

    def _stop(self) -> None:
        self._halt.set()
        if self._thread is not None:
            self._thread.join()


@pytest.mark.parametrize(
    ("fps", "kinds"),
    [(60.0, {}), (400.0, {}), (60.0, {"has_clock": False}), (60.0, {"loses": 5})],
    ids=["slow", "fast", "without a clock", "losing frames"],
)
def test_the_stream_declares_what_a_camera_without_a_rate_gives(
    stage: Stage, fps: float, kinds: dict[str, Any]
) -> None:
    paced, streamer = Paced(stage, fps, **kinds), stage.streamer()
    frames = round(3 * fps)
    report = stage.session(paced.camera, streamer, chunk_size=None, ring_chunks=4, frames=frames).run()
    # By the clock it is exact; arrivals are as even as this computer is idle.
    assert streamer.stream["fps"] == pytest.approx(fps, rel=1e-6 if kinds.get("has_clock", True) else 0.5)
    assert streamer.stream["chunk_size"] >= 2 * streamer.stream["fps"]
    (event,) = [event.text for event in report.events if "measured" in event.text]
    assert "does not say its frame rate" in event
    assert (paced.starts, report.frames_received, report.frames_pushed) == (2, frames, frames)
    assert "frame-ids" not in [warning.code for warning in report.warnings]
    if not kinds:
        assert (report.exit_code, report.problems, report.warnings) == (DELIVERED, [], [])


def test_a_camera_that_is_measured_a_little_faster_than_it_can_be_is_not_refused(stage: Stage) -> None:
    """A first frame that is held up does that, where no clock tells of it."""
    info = replace(stage.camera([]).info, fps=None, fps_at_most=50.0, fps_limited_by="its exposure")
    paced, streamer = Paced(stage, 60.0), stage.streamer()
    paced.camera._info = info
    stage.session(paced.camera, streamer, chunk_size=None, frames=60).run()
    assert streamer.stream["fps"] == 50.0


def test_a_rate_that_is_asked_for_is_not_measured(stage: Stage) -> None:
    paced, streamer = Paced(stage, 60.0), stage.streamer()
    stage.session(paced.camera, streamer, fps=60.0, chunk_size=None, frames=60).run()
    assert (paced.starts, streamer.stream["fps"]) == (1, 60.0)


def test_a_run_that_is_ended_while_its_rate_is_measured_opens_no_stream(
    stage: Stage,
) -> None:
    paced = Paced(stage, 1.0)  # which would be measured for seconds
    session = stage.session(paced.camera, stage.streamer()).start()
    stage.wait_for(paced.began)
    assert session.acquisition.progress().phase == "measuring the camera's frame rate"
    session.acquisition.stop()
    with pytest.raises(CameraError, match=r"the run was ended while the frame rate of .* was measured"):
        session.result()
    assert (paced.starts, session.streamers_opened, paced.camera.closed) == (1, 0, 1)


@pytest.mark.parametrize("script", [[], [0], [0, 1]], ids=["none", "one", "two"])
def test_a_camera_that_shows_no_rate_asks_for_it(
    stage: Stage, script: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured_rate, "LONGEST_S", 0.5)
    monkeypatch.setattr(measured_rate, "SILENT_S", 0.5)
    info = replace(stage.camera([]).info, fps=None, fps_at_most=5000.0, fps_limited_by="its exposure")
    camera = stage.camera(script, info)
    session = stage.session(camera, stage.streamer())
    with pytest.raises(SettingsError, match=r"cannot tell its frame rate .*its exposure.*: give --fps"):
        session.run()
    assert (session.streamers_opened, camera.closed) == (0, 1)


def test_a_camera_that_is_lost_while_it_is_measured_says_why(stage: Stage) -> None:
    info = replace(stage.camera([]).info, fps=None)
    camera = stage.camera([0, 1, lambda: camera.fault(CameraError("the cable is out"))], info)
    session = stage.session(camera, stage.streamer())
    with pytest.raises(CameraError, match="the cable is out"):
        session.run()
    assert (session.streamers_opened, camera.closed) == (0, 1)
