"""Frames of Basler cameras, on the real pypylon and pylon's camera emulation."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheed_acquire import Camera, CameraSettingError, CaptureRequest, Frame, SettingReadback, Trigger

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

from tests.hardware.emulated_basler import PATIENCE_S, Recorder, basler, record  # noqa: E402 - needs pypylon

from rheed_acquire.cameras.genapi.configure import apply_settings  # noqa: E402
from rheed_acquire.cameras.genapi.features import FeatureWriter  # noqa: E402
from rheed_acquire_basler import BaslerSettings  # noqa: E402
from rheed_acquire_basler.camera import BaslerCamera  # noqa: E402
from rheed_acquire_basler.pylon_nodes import PylonNodeMap  # noqa: E402

REAL_FRAMES = Path(__file__).parents[3] / "shared" / "data" / "rheed-deposition"


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
