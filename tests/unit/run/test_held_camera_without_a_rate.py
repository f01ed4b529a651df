"""A held camera that does not tell its rate: what was measured holds while it is open and set as it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from tests.unit.run.held_camera_bench import LIMIT_S, KeepingStreamer, Under, wait_until

from rheed_acquire import GrabLoopCamera
from rheed_acquire.cameras.camera import (
    CameraInfo,
    CameraLostError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    OnFault,
    OnFrame,
)
from rheed_acquire.run.acquisition import Acquisition
from rheed_acquire.run.held_camera import HeldCamera
from rheed_acquire.run.lent_camera import CameraTurn, RunStart
from rheed_acquire.run.report import RunReport
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.preview import PreviewStreamer, preview_settings

ROOM = 0.98
"""Of the time from frame to frame, what the exposure takes."""


class Unrated(GrabLoopCamera):
    """Gives frames as fast as its exposure lets it, and tells no more than that bound."""

    def __init__(self, exposure_us: float) -> None:
        self.exposure_us = exposure_us
        self.starts, self.lost = 0, threading.Event()
        self._begin_ns = self._since = self._number = 0

    @property
    def info(self) -> CameraInfo:
        bound = 1e6 / self.exposure_us
        return CameraInfo(DeviceInfo("unrated"), 4, 2, "Mono8", None, f"{self.exposure_us} us", bound)

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        self.starts += 1
        super().start(on_frame, on_fault)

    def begin_grabbing(self) -> None:
        self._begin_ns, self._since, self._number = time.perf_counter_ns(), 0, 0

    def grab(self, timeout_s: float) -> Frame | None:
        if self.lost.is_set():
            raise CameraLostError("it was unplugged")
        due_ns = self._begin_ns + round((self._number - self._since) * 1e3 * self.exposure_us / ROOM)
        wait_s = (due_ns - time.perf_counter_ns()) / 1e9
        if wait_s > 0:
            time.sleep(min(wait_s, timeout_s))
            return None
        self._number += 1
        return Frame(np.zeros((2, 4), np.uint8), self._number, due_ns)

    def write_adjustment(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        self._begin_ns, self._since = time.perf_counter_ns(), self._number
        self.exposure_us = changes["exposure_us"]
        return changes


class Station:
    """A held camera that is opened with an exposure of now, and its preview."""

    def __init__(self) -> None:
        self.exposure_us = 10_000.0
        self.opened: list[Unrated] = []
        self.held = HeldCamera(self._open)
        self.begun: list[Under] = []

    def _open(self, request: CaptureRequest) -> Unrated:
        self.opened.append(Unrated(self.exposure_us))
        return self.opened[-1]

    def begin_preview_soon(self) -> Under:
        turn, settings = CameraTurn(self.held), preview_settings(RunSettings())
        acquisition = Acquisition(
            settings, turn.open, lambda given_up: PreviewStreamer(5.0, given_up), turn=turn
        )
        self.begun.append(Under(acquisition))
        return self.begun[-1]

    def begin_preview(self) -> Under:
        preview = self.begin_preview_soon()
        wait_until(lambda: self.held.is_well and preview.acquisition.progress().frames_received > 0)
        return preview

    def report_of_run(self) -> RunReport:
        turn = CameraTurn(self.held, RunStart(time.perf_counter_ns()))
        streamer: Any = KeepingStreamer()
        self.begun.append(Under(Acquisition(RunSettings(), turn.open, lambda given_up: streamer, turn=turn)))
        under = self.begun[-1]
        wait_until(lambda: under.error is not None or under.acquisition.progress().frames_received > 0)
        assert under.error is None
        return under.end()

    def end(self) -> None:
        for under in self.begun:
            under.acquisition.stop()
            under._thread.join(LIMIT_S)
            assert not under._thread.is_alive()


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.end()


def declared_at(exposure_us: float) -> Any:
    return pytest.approx(ROOM * 1e6 / exposure_us, rel=0.2)


def test_much_faster_frames_than_the_preview_has_room_for_are_counted_all_the_same(station: Station) -> None:
    """Its ring was made for the rate before."""
    station.exposure_us = 80_000.0
    preview = station.begin_preview()
    preview.acquisition.adjust({"exposure_us": 5_000.0})
    assert station.report_of_run().info.fps == declared_at(5_000.0)


def test_a_run_that_is_asked_for_while_the_preview_measures_waits_for_that(station: Station) -> None:
    station.exposure_us = 400_000.0
    station.begin_preview_soon()
    wait_until(lambda: bool(station.opened) and station.opened[0].starts > 0)
    assert station.report_of_run().info.fps == declared_at(400_000.0)


@pytest.mark.parametrize("exposure_us", [50_000.0, 4_000.0])
def test_a_run_declares_the_rate_that_another_exposure_has_made(station: Station, exposure_us: float) -> None:
    preview = station.begin_preview()
    assert station.report_of_run().info.fps == declared_at(10_000.0)
    preview.acquisition.adjust({"exposure_us": exposure_us})
    assert station.report_of_run().info.fps == declared_at(exposure_us)
    assert station.report_of_run().info.fps == declared_at(exposure_us)
    # To be measured, and for the preview, which has gone on.
    assert [camera.starts for camera in station.opened] == [2]
    assert preview.end().problems == []


@pytest.mark.parametrize("exposure_us", [50_000.0, 4_000.0])
def test_a_camera_that_is_opened_anew_is_measured_anew(station: Station, exposure_us: float) -> None:
    """Another program may have set it, as one whose images are followed does."""
    station.begin_preview().end()
    station.exposure_us = exposure_us
    assert station.report_of_run().info.fps == declared_at(exposure_us)
    assert len(station.opened) == 2


def test_one_that_the_preview_has_opened_anew_is_measured_by_its_frames(station: Station) -> None:
    preview = station.begin_preview()
    station.exposure_us = 4_000.0
    station.opened[0].lost.set()
    wait_until(lambda: preview.acquisition.progress().absence is not None)
    wait_until(lambda: preview.acquisition.progress().absence is None)
    assert station.report_of_run().info.fps == declared_at(4_000.0)
    assert [camera.starts for camera in station.opened] == [2, 1]
