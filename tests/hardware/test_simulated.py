"""The simulated camera against the rules that every camera keeps."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from rheed_acquire import (
    Camera,
    CameraBackend,
    CameraError,
    CameraSettingError,
    CaptureRequest,
    Frame,
)
from rheed_acquire.frames.pixels import make_converter
from rheed_acquire_simulated import SimulatedSettings, discover, open_camera, rheed_register_cameras

SMALL: dict[str, Any] = {"width": 64, "height": 48}
DEADLINE_S = 30.0


@dataclass
class Recorder:
    """Keeps what a camera delivers, and lets a test wait for it."""

    ids: list[int | None] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    pixels: list[NDArray[Any]] = field(default_factory=list)
    faults: list[CameraError] = field(default_factory=list)
    also: Callable[[int], None] = lambda number: None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def on_frame(self, frame: Frame) -> None:
        with self.changed:
            assert frame.timestamp_ns is not None
            self.ids.append(frame.id)
            self.stamps.append(frame.timestamp_ns)
            if len(self.pixels) < 32:
                self.pixels.append(frame.pixels.copy())
            self.changed.notify_all()
        self.also(len(self.ids) - 1)

    def on_fault(self, error: CameraError) -> None:
        with self.changed:
            self.faults.append(error)
            self.changed.notify_all()

    def wait_for_frames(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.ids) >= count, DEADLINE_S), "too few frames came"

    def wait_for_fault(self) -> CameraError:
        with self.changed:
            assert self.changed.wait_for(lambda: self.faults, DEADLINE_S), "no fault was reported"
        return self.faults[0]


def opened(fps: float | None = 2000.0, rotations_per_min: float = 0.0, **chosen: Any) -> Camera:
    return open_camera(SimulatedSettings(**(SMALL | chosen)), CaptureRequest(fps, rotations_per_min))


def record(camera: Camera, count: int) -> Recorder:
    recorder = Recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(count)
    camera.stop()
    assert not recorder.faults
    return recorder


@pytest.fixture
def camera() -> Iterator[Camera]:
    with opened() as camera:
        yield camera


# The plugin


def test_importing_the_plugin_imports_neither_numpy_nor_an_image_library() -> None:
    program = (
        "import sys, rheed_acquire_simulated; assert not {'numpy', 'PIL', 'tifffile'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_plugin_registers_the_backend_simulated_with_one_device() -> None:
    registered: list[CameraBackend] = []
    rheed_register_cameras(register=registered.append)
    (backend,) = registered
    assert backend.name == "simulated"
    (device,) = backend.discover(backend.settings())
    assert (device.backend, str(device)) == ("simulated", "simulated RHEED")
    with backend.open(backend.settings(), CaptureRequest()) as camera:
        assert camera.info.device == device


def test_a_camera_with_default_settings_gives_500_x_300_mono8_at_120_fps() -> None:
    with open_camera(SimulatedSettings(), CaptureRequest()) as camera:
        info = camera.info
        assert (info.width, info.height, info.pixel_format, info.fps) == (500, 300, "Mono8", 120.0)
        (first, *_) = record(camera, 1).pixels
    assert first.shape == (300, 500)
    assert first.dtype == np.uint8


def test_every_setting_has_a_default_and_a_description_and_an_unknown_one_is_refused() -> None:
    assert all(not known.is_required() for known in SimulatedSettings.model_fields.values())
    assert all(known.description for known in SimulatedSettings.model_fields.values())
    with pytest.raises(ValidationError, match="exposure"):
        SimulatedSettings(exposure=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_frame_rate_that_is_no_positive_number_is_refused(fps: float) -> None:
    with pytest.raises(CameraSettingError, match="--fps"):
        opened(fps)


@pytest.mark.parametrize("turns", [-1.0, float("nan")])
def test_a_negative_rotation_is_refused(turns: float) -> None:
    with pytest.raises(CameraSettingError, match="--rotations-per-min"):
        opened(rotations_per_min=turns)


# Delivery


def test_frames_are_numbered_from_0_and_stamped_with_the_exact_time_at_which_each_was_due() -> None:
    fps = 1999.9
    before = time.perf_counter_ns()
    with opened(fps) as camera:
        recorder = record(camera, 1000)
    assert recorder.ids == list(range(len(recorder.ids)))
    assert recorder.stamps[0] >= before
    assert recorder.stamps[-1] <= time.perf_counter_ns()
    numerator, denominator = fps.as_integer_ratio()
    due = [
        recorder.stamps[0] + number * denominator * 10**9 // numerator for number in recorder.ids if number
    ]
    assert max(abs(stamp - exact) for stamp, exact in zip(recorder.stamps[1:], due, strict=True)) <= 1


def test_no_frame_is_delivered_before_it_is_due() -> None:
    early: list[int] = []
    with opened(300.0) as camera:
        recorder = Recorder()
        recorder.also = lambda number: (
            early.append(number) if time.perf_counter_ns() < recorder.stamps[number] else None
        )
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for_frames(60)
        camera.stop()
    assert not early


def test_after_a_slow_callback_every_overdue_frame_still_comes_in_order_with_its_own_time() -> None:
    with opened(1000.0) as camera:
        recorder = Recorder(also=lambda number: time.sleep(0.25) if number == 10 else None)
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for_frames(400)
        camera.stop()
    assert recorder.ids == list(range(len(recorder.ids)))
    assert {later - earlier for earlier, later in pairwise(recorder.stamps)} == {1_000_000}


def test_all_calls_come_from_one_thread_that_is_not_the_callers(camera: Camera) -> None:
    threads: set[int] = set()
    recorder = Recorder(also=lambda number: threads.add(threading.get_ident()))
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(50)
    camera.stop()
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_no_callback_runs_after_stop_has_returned(camera: Camera) -> None:
    for _ in range(20):
        recorder = Recorder()
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for_frames(3)
        camera.stop()
        count = len(recorder.ids)
        time.sleep(0.003)
        assert len(recorder.ids) == count


def test_stop_waits_for_the_callback_that_is_running(camera: Camera) -> None:
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def on_frame(frame: Frame) -> None:
        entered.set()
        assert leave.wait(DEADLINE_S)
        left.set()

    camera.start(on_frame, lambda error: None)
    assert entered.wait(DEADLINE_S)
    stopper = threading.Thread(target=camera.stop)
    stopper.start()
    stopper.join(0.05)
    assert stopper.is_alive()
    leave.set()
    stopper.join(DEADLINE_S)
    assert not stopper.is_alive()
    assert left.is_set()


def test_stop_from_within_the_callback_makes_that_call_the_last(camera: Camera) -> None:
    recorder = Recorder(also=lambda number: camera.stop() if number == 5 else None)
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(6)
    camera.stop()
    assert recorder.ids == list(range(6))


def test_stop_returns_though_the_next_frame_is_hours_away() -> None:
    with opened(0.0001) as camera:
        assert record(camera, 1).ids == [0]


def test_a_stopped_camera_starts_again_with_frame_0_and_the_same_pictures(camera: Camera) -> None:
    first, second = record(camera, 20), record(camera, 20)
    assert second.ids[:20] == first.ids[:20] == list(range(20))
    np.testing.assert_array_equal(second.pixels[:20], first.pixels[:20])


def test_starting_twice_or_after_close_is_an_error_and_stopping_or_closing_twice_is_none() -> None:
    camera = opened()
    camera.stop()
    recorder = Recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    with pytest.raises(CameraError, match="already"):
        camera.start(recorder.on_frame, recorder.on_fault)
    camera.stop()
    camera.stop()
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.start(recorder.on_frame, recorder.on_fault)
    assert camera.info.width == 64


def test_close_stops_a_camera_that_delivers() -> None:
    recorder = Recorder()
    with opened() as camera:
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for_frames(1)
    count = len(recorder.ids)
    time.sleep(0.005)
    assert len(recorder.ids) == count
    assert not [thread for thread in threading.enumerate() if thread.name == "simulated-camera"]


def test_two_cameras_with_the_same_settings_deliver_the_same_frames() -> None:
    chosen = {"seed": 11, "rotations_per_min": 30.0, "oscillation_period_s": 0.1}
    with opened(**chosen) as one, opened(**chosen) as other:
        np.testing.assert_array_equal(record(one, 20).pixels[:20], record(other, 20).pixels[:20])


# Stamps


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono16"])
@pytest.mark.parametrize("rotations_per_min", [0.0, 30.0])
def test_a_stamped_frame_carries_its_number_also_once_it_is_8_bit_gray(
    pixel_format: str, rotations_per_min: float
) -> None:
    numbers: list[int] = []
    with opened(3000.0, rotations_per_min, stamp=True, pixel_format=pixel_format) as camera:
        convert = make_converter(pixel_format, 48, 64)
        gray = np.zeros((48, 64), np.uint8)

        def on_frame(frame: Frame) -> None:
            convert(frame.pixels, gray)
            numbers.append(int.from_bytes(gray.reshape(-1)[:8].tobytes(), "little"))
            if len(numbers) == 600:
                done.set()

        done = threading.Event()
        camera.start(on_frame, lambda error: None)
        assert done.wait(DEADLINE_S)
        camera.stop()
    assert numbers == list(range(len(numbers)))


def test_a_stamp_changes_nothing_but_the_first_8_pixels() -> None:
    with opened(stamp=True) as stamped, opened() as plain:
        for one, other in zip(record(stamped, 20).pixels, record(plain, 20).pixels, strict=False):
            np.testing.assert_array_equal(one.reshape(-1)[8:], other.reshape(-1)[8:])


def test_discovery_names_the_folder_of_images(tmp_path: Any) -> None:
    (device,) = discover(SimulatedSettings(images=tmp_path))
    assert str(tmp_path) in str(device)


def test_the_pictures_become_as_bright_as_exposure_and_gain_make_them() -> None:
    camera = open_camera(SimulatedSettings(**SMALL, noise=0), CaptureRequest(fps=100))
    recorder = Recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(3)
    assert camera.adjust({"exposure_us": 2500.0}) == {"exposure_us": 2500.0}
    recorder.wait_for_frames(len(recorder.ids) + 3)
    camera.stop()
    for changes in ({"exposure_us": 10_001.0}, {"gain": 25.0}, {"gain": -1.0}, {"gain": float("nan")}):
        with pytest.raises(CameraSettingError, match="must be 0 to"):
            camera.adjust(changes)
    camera.close()
    bright = open_camera(SimulatedSettings(**SMALL, noise=0), CaptureRequest(fps=100))
    whole = Recorder()
    bright.start(whole.on_frame, whole.on_fault)
    whole.wait_for_frames(len(recorder.ids))
    bright.close()
    last = len(recorder.ids) - 1
    assert np.array_equal(recorder.pixels[last][1:], (whole.pixels[last][1:] / 4).astype(np.uint8))
    assert np.array_equal(recorder.pixels[0], whole.pixels[0])
