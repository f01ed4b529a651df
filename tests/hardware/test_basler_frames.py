"""Frames of Basler cameras, on the real pypylon and pylon's camera emulation."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire import (
    Camera,
    CameraError,
    CameraLostError,
    CameraSettingError,
    CaptureRequest,
    Frame,
    SettingReadback,
    Trigger,
)

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

from rheed_acquire.cameras.genapi.configure import apply_settings  # noqa: E402
from rheed_acquire.cameras.genapi.features import FeatureWriter  # noqa: E402
from rheed_acquire_basler import BaslerSettings, open_camera  # noqa: E402 - needs pypylon
from rheed_acquire_basler.camera import BaslerCamera  # noqa: E402
from rheed_acquire_basler.pylon_nodes import PylonNodeMap  # noqa: E402

FIRST, SECOND = "0815-0000", "0815-0001"
REAL_FRAMES = Path(__file__).parents[3] / "shared" / "data" / "rheed-deposition"
PATIENCE_S = 20.0


class Recorder:
    """Takes copies of frames as a run would, and waits for a number of them."""

    def __init__(self, act: Callable[[int], None] | None = None) -> None:
        self.ids: list[int | None] = []
        self.stamps: list[int | None] = []
        self.pixels: list[NDArray[Any]] = []
        self.objects: set[int] = set()
        self.threads: set[int] = set()
        self.faults: list[CameraError] = []
        self._act = act
        self._changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        with self._changed:
            self.ids.append(frame.id)
            self.stamps.append(frame.timestamp_ns)
            self.pixels.append(frame.pixels.copy())
            self.objects.add(id(frame))
            self.threads.add(threading.get_ident())
            self._changed.notify_all()
        if self._act is not None:
            self._act(len(self.ids))

    def on_fault(self, error: CameraError) -> None:
        with self._changed:
            self.faults.append(error)
            self._changed.notify_all()

    def wait_for(self, frames: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self.ids) >= frames or self.faults, PATIENCE_S)
        assert not self.faults
        assert len(self.ids) >= frames

    def wait_for_fault(self) -> CameraError:
        with self._changed:
            assert self._changed.wait_for(lambda: self.faults, PATIENCE_S)
        return self.faults[0]


def basler(request: CaptureRequest | None = None, **settings: Any) -> Camera:
    """Open the first emulated camera, small and quick unless told otherwise."""
    chosen: dict[str, Any] = {"serial": FIRST, "width": 64, "height": 48, "exposure_us": 1000.0} | settings
    return open_camera(BaslerSettings(**chosen), request or CaptureRequest(fps=200))


def record(camera: Camera, frames: int) -> Recorder:
    recorder = Recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for(frames)
    camera.stop()
    return recorder


def readback(camera: Camera, name: str) -> SettingReadback:
    return next(setting for setting in camera.info.settings if setting.name == name)


# Frames


def test_frames_come_in_order_from_one_thread_in_one_object() -> None:
    with basler() as camera:
        recorder = record(camera, 50)
    assert recorder.ids == list(range(len(recorder.ids)))
    assert len(recorder.objects) == 1
    assert len(recorder.threads) == 1
    assert threading.get_ident() not in recorder.threads
    assert set(recorder.stamps) == {None}, "the emulation has no clock, and none is made up"


def test_the_emulated_counter_never_wraps() -> None:
    with basler() as camera:
        assert camera.info.frame_id_cycle is None


@pytest.mark.parametrize(
    ("given", "named", "shape", "dtype"),
    [
        ("Mono8", "Mono8", (48, 64), np.uint8),
        ("Mono10", "Mono10", (48, 64), np.uint16),
        ("Mono12", "Mono12", (48, 64), np.uint16),
        ("Mono16", "Mono16", (48, 64), np.uint16),
        ("BayerRG8", "BayerRG8", (48, 64), np.uint8),
        ("RGB8", "RGB8", (48, 64, 3), np.uint8),
        ("BGR8Packed", "BGR8", (48, 64, 3), np.uint8),
        ("BayerGB12", "BayerGB12", (48, 64), np.uint16),
        ("RGB16Packed", "RGB16", (48, 64, 3), np.uint16),
    ],
)
def test_each_pixel_format_has_the_layout_that_a_frame_promises(
    given: str, named: str, shape: tuple[int, ...], dtype: type
) -> None:
    with basler(pixel_format=given) as camera:
        frame = record(camera, 1).pixels[0]
        assert camera.info.pixel_format == named
    assert frame.shape == shape
    assert frame.dtype == dtype


def test_a_pixel_format_that_cannot_be_streamed_is_answered_with_those_that_can() -> None:
    with pytest.raises(CameraSettingError) as raised:
        basler(pixel_format="BGRA8Packed")
    said = str(raised.value)
    assert "is set to the pixel format BGRa8, which cannot be turned into 8-bit gray" in said
    assert "choose one that can with --basler.pixel-format: Mono8, Mono10, Mono12, Mono16, BGR8, RGB8" in said


def test_pixels_are_lent_without_a_copy_and_taken_back() -> None:
    lent: list[tuple[bool, Frame]] = []
    arrived = threading.Event()

    def on_frame(frame: Frame) -> None:
        lent.append((bool(frame.pixels.flags.owndata), frame))
        arrived.set()

    with basler() as camera:
        camera.start(on_frame, lambda error: None)
        assert arrived.wait(PATIENCE_S)
        camera.stop()
    owns, kept = lent[0]
    assert not owns
    assert kept.pixels.size == 0


def play(images: Path, **settings: Any) -> Camera:
    features = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(images)}
    return basler(features=features, **settings)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_image_files_are_delivered_bit_exact_in_order_and_in_a_loop(tmp_path: Path, suffix: str) -> None:
    random = np.random.default_rng(3)
    images = [random.integers(0, 256, (37, 53), dtype=np.uint8) for _ in range(5)]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"frame{number}.{suffix}")
    with play(tmp_path, width=53, height=37) as camera:
        recorder = record(camera, 12)
    for number, pixels in enumerate(recorder.pixels):
        assert np.array_equal(pixels, images[number % 5]), number


@pytest.mark.skipif(not REAL_FRAMES.is_dir(), reason=f"no real RHEED frames at {REAL_FRAMES}")
def test_real_rheed_images_are_delivered_bit_exact(tmp_path: Path) -> None:
    files = sorted(REAL_FRAMES.glob("*.bmp"))
    for file in files:  # a folder of images only: what is not an image comes as a failed grab
        try:
            os.link(file, tmp_path / file.name)
        except OSError:
            shutil.copy(file, tmp_path / file.name)
    images = [np.asarray(Image.open(file)) for file in files]
    with play(tmp_path, width=1388, height=1038) as camera:
        recorder = record(camera, len(images) + 2)
        assert camera.statistics()["failed_grabs"] == 0
    for number, pixels in enumerate(recorder.pixels):
        assert np.array_equal(pixels, images[number % len(images)]), number


def test_image_files_of_another_size_are_a_fault_that_tells_both_sizes(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(tmp_path / "a.png")
    recorder = Recorder()
    with play(tmp_path) as camera:
        camera.start(recorder.on_frame, recorder.on_fault)
        said = str(recorder.wait_for_fault())
    assert "40 x 30" in said
    assert "64 x 48" in said
    assert recorder.ids == []


def test_a_camera_whose_grabs_all_fail_is_a_fault_with_the_cameras_reason(tmp_path: Path) -> None:
    recorder = Recorder()
    with play(tmp_path / "absent") as camera:
        camera.start(recorder.on_frame, recorder.on_fault)
        assert "Failed to load image file" in str(recorder.wait_for_fault())
    assert len(recorder.faults) == 1


def test_failed_grabs_are_counted_and_leave_a_jump_in_the_ids(caplog: pytest.LogCaptureFixture) -> None:
    features = {"ForceFailedBufferCount": 7, "ForceFailedBuffer": True}
    with basler(features=features) as camera:
        recorder = record(camera, 10)
        statistics = camera.statistics()
    assert recorder.ids[:10] == list(range(7, 17))
    assert statistics["failed_grabs"] == 7
    assert statistics["frames_lost"] == 7
    assert statistics["failed_buffers"] == 7
    assert len([line for line in caplog.messages if line.startswith("grab ")]) == 3


def test_each_start_counts_anew() -> None:
    features = {"ForceFailedBufferCount": 2, "ForceFailedBuffer": True}
    with basler(features=features) as camera:
        record(camera, 3)
        again = record(camera, 3)
        assert again.ids[:3] == [0, 1, 2]
        statistics = camera.statistics()
    assert statistics["failed_grabs"] == 0
    assert statistics["failed_buffers"] == 0
    assert 3 <= statistics["total_buffers"] <= len(again.ids) + 1


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


# Triggers


def test_a_software_trigger_paces_the_camera_at_the_rate_asked_for() -> None:
    with basler(CaptureRequest(fps=100), trigger=Trigger.SOFTWARE) as camera:
        assert camera.info.fps == pytest.approx(100)
        assert readback(camera, "trigger").actual == "Software"
        recorder = record(camera, 20)
        assert camera.statistics()["triggers_missed"] >= 0
        record(camera, 5)
    assert recorder.ids == list(range(len(recorder.ids)))


def test_a_line_trigger_brings_no_frame_without_an_edge_and_knows_no_rate() -> None:
    recorder = Recorder()
    with basler(trigger=Trigger.LINE, trigger_line="Line2", trigger_edge="falling") as camera:
        assert readback(camera, "trigger_line").actual == "Line2"
        assert readback(camera, "trigger_edge").actual == "FallingEdge"
        assert camera.info.fps is None
        camera.start(recorder.on_frame, recorder.on_fault)
        threading.Event().wait(0.1)
        camera.stop()
    assert recorder.ids == []


def test_a_trigger_left_on_by_another_program_is_switched_off() -> None:
    with basler(trigger=Trigger.LINE) as camera:
        assert isinstance(camera, BaslerCamera)
        writer = FeatureWriter(PylonNodeMap(camera._camera.GetNodeMap()))
        apply_settings(writer, "basler", BaslerSettings(), CaptureRequest())
        assert writer.problems == []
        record(camera, 3)


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
