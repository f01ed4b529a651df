"""Basler cameras are started, stopped, closed and lost, on the real pypylon and pylon's camera emulation."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rheed_acquire import CameraError, CameraLostError, CameraSettingError, Frame

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

from tests.hardware.emulated_basler import FIRST, PATIENCE_S, SECOND, Recorder, basler, record

from rheed_acquire_basler.camera import BaslerCamera

# Starting, stopping, closing


def test_a_camera_starts_and_stops_many_times_and_is_silent_between() -> None:
    with basler() as camera:
        for _ in range(20):
            recorder = record(camera, 3)
            seen = len(recorder.ids)
            # Frames of a grab still running would arrive in this time: at 200 fps, some ten.
            threading.Event().wait(0.05)
            assert len(recorder.ids) == seen


def test_stop_waits_for_the_callback_that_is_running() -> None:
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def on_frame(frame: Frame) -> None:
        entered.set()
        leave.wait(PATIENCE_S)
        left.set()

    with basler() as camera:
        camera.start(on_frame, lambda error: None)
        assert entered.wait(PATIENCE_S)
        threading.Timer(0.2, leave.set).start()
        camera.stop()
        assert left.is_set()


def test_stop_from_within_a_callback_ends_delivery() -> None:
    opened = basler()
    recorder = Recorder(act=lambda count: opened.stop() if count == 5 else None)
    with opened as camera:
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for(5)
        camera.stop()
        assert len(recorder.ids) == 5
        record(camera, 2)


def test_stop_and_close_may_be_repeated_and_a_closed_camera_does_not_start() -> None:
    camera = basler()
    camera.stop()
    record(camera, 1)
    camera.stop()
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.start(lambda frame: None, lambda error: None)


def test_a_started_camera_is_not_started_again() -> None:
    with basler() as camera:
        recorder = Recorder()
        camera.start(recorder.on_frame, recorder.on_fault)
        with pytest.raises(CameraError, match="already started"):
            camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for(3)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts file descriptors in /proc")
def test_opening_and_closing_leaks_neither_descriptors_nor_threads() -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    def cycle() -> None:
        with basler() as camera:
            record(camera, 1)

    for _ in range(3):
        cycle()
    before = held()
    for _ in range(20):
        cycle()
    after = held()
    assert after[0] <= before[0]
    assert after[1] <= before[1]


def test_two_cameras_deliver_at_once() -> None:
    with basler() as first, basler(serial=SECOND, width=32) as second:
        recorders = [Recorder(), Recorder()]
        for camera, recorder in zip((first, second), recorders, strict=True):
            camera.start(recorder.on_frame, recorder.on_fault)
        for recorder in recorders:
            recorder.wait_for(20)
        first.stop()
        second.stop()
    assert [recorder.pixels[0].shape for recorder in recorders] == [(48, 64), (48, 32)]
    assert all(recorder.ids == list(range(len(recorder.ids))) for recorder in recorders)


def test_a_camera_whose_settings_were_refused_can_be_opened_again() -> None:
    with pytest.raises(CameraSettingError):
        basler(gain=100.0)
    with basler() as camera:
        record(camera, 1)


# Failure


def test_a_callback_that_raises_is_one_fault_and_no_more_frames() -> None:
    calls: list[int] = []
    recorder = Recorder()

    def on_frame(frame: Frame) -> None:
        calls.append(1)
        raise RuntimeError("broken")

    with basler() as camera:
        camera.start(on_frame, recorder.on_fault)
        assert "RuntimeError: broken" in str(recorder.wait_for_fault())
        threading.Event().wait(0.05)
    assert len(calls) == 1
    assert len(recorder.faults) == 1


def test_a_removed_camera_is_reported_as_lost_once() -> None:
    recorder = Recorder()
    with basler() as camera:
        assert isinstance(camera, BaslerCamera)
        camera.start(recorder.on_frame, recorder.on_fault)
        for _ in range(2):  # what pylon calls; the emulation has no way to make it do so
            camera._failures.OnCameraDeviceRemoved(camera._camera)
        fault = recorder.wait_for_fault()
    assert isinstance(fault, CameraLostError)
    assert FIRST in str(fault)
    assert len(recorder.faults) == 1
