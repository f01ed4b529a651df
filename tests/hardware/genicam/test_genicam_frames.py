"""Frames of GenICam cameras against the rules that every camera keeps, on the mock GenTL producer."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rheed_mock_gentl import expected_frame, expected_payload

from rheed_acquire import CameraError, Frame
from rheed_acquire.frames.pixels import make_converter

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam, Recorder

BITS = {"Mono8": 8, "Mono10": 10, "Mono12": 12, "Mono12p": 12, "Mono16": 16}
COLOURED = ["BayerRG8", "BayerRG12", "BayerRG12p", "RGB8", "BGR8", "RGB12"]


def check(recorder: Recorder, pixel_format: str = "Mono8", **region: Any) -> None:
    """Compare the frames with what the mock says, and as 8-bit gray with the upper bits of that."""
    shape = (region.pop("height", 48), region.pop("width", 64))
    convert = make_converter(pixel_format, *shape)
    for number, pixels in zip(recorder.ids, recorder.pixels, strict=False):
        expected = expected_frame(number, shape[1], shape[0], pixel_format, **region)
        if pixel_format.endswith("p"):
            payload = expected_payload(number, shape[1], shape[0], pixel_format, **region)
            assert pixels.tobytes() == bytes(payload)
        else:
            assert pixels.dtype == expected.dtype
            assert np.array_equal(pixels, expected)
        if pixel_format in COLOURED:
            continue
        gray = np.empty(shape, np.uint8)
        convert(pixels, gray)
        assert np.array_equal(gray, (expected >> (BITS[pixel_format] - 8)).astype(np.uint8))


@pytest.mark.parametrize("pixel_format", [*BITS, *COLOURED])
@pytest.mark.parametrize("chunk_timestamps", [False, True])
def test_every_pixel_format_arrives_bit_for_bit(
    genicam: Genicam, pixel_format: str, chunk_timestamps: bool
) -> None:
    camera = genicam.open(pixel_format=pixel_format, chunk_timestamps=chunk_timestamps)
    assert camera.info.pixel_format == pixel_format
    check(genicam.record(camera, 16), pixel_format)


def test_a_region_with_binning_arrives_bit_for_bit(genicam: Genicam) -> None:
    camera = genicam.open(
        binning_horizontal=2, binning_vertical=2, offset_x=32, offset_y=10, width=128, height=60
    )
    recorder = genicam.record(camera, 16)
    region: dict[str, Any] = {"offset_x": 32, "offset_y": 10, "binning_horizontal": 2, "binning_vertical": 2}
    check(recorder, width=128, height=60, **region)


@pytest.mark.parametrize("tl_type", ["Custom", "U3V", "GEV"])
@pytest.mark.parametrize("chunk_timestamps", [False, True])
def test_ids_count_up_and_stamps_are_the_cameras_own(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch, tl_type: str, chunk_timestamps: bool
) -> None:
    monkeypatch.setenv("MOCK_GENTL_TL_TYPE", tl_type)
    recorder = genicam.record(genicam.open(fps=400.0, chunk_timestamps=chunk_timestamps), 60)
    assert recorder.ids == list(range(len(recorder.ids)))
    steps = np.diff(recorder.stamps)
    assert (abs(steps - 2_500_000) <= 1).all()


def test_incomplete_buffers_are_counted_and_left_out(
    genicam: Genicam, caplog: pytest.LogCaptureFixture
) -> None:
    camera = genicam.open(features={"FaultIncompleteEvery": 5})
    recorder = genicam.record(camera, 40)
    check(recorder)
    last = recorder.ids[-1]
    assert recorder.ids == [number for number in range(last + 1) if (number + 1) % 5]
    counted = camera.statistics()
    assert counted["incomplete_buffers"] >= last // 5
    assert counted["frames_lost"] == counted["incomplete_buffers"] + counted["buffer_underruns"]
    # One line for each of the first few, not for each.
    assert len([record for record in caplog.records if "incomplete buffer" in record.getMessage()]) == 3


def test_a_camera_whose_every_buffer_is_incomplete_is_a_fault(genicam: Genicam) -> None:
    camera, recorder = genicam.open(features={"FaultIncompleteEvery": 1}), genicam.recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    assert "was incomplete" in str(recorder.wait_for_fault())
    camera.stop()
    assert not recorder.ids


def test_frames_that_the_camera_drops_show_as_jumps_of_the_id(genicam: Genicam) -> None:
    recorder = genicam.record(genicam.open(features={"FaultDropEvery": 7}), 40)
    assert recorder.ids == [number for number in range(recorder.ids[-1] + 1) if (number + 1) % 7]
    check(recorder)


def test_frames_that_find_no_buffer_are_counted_by_the_producer(genicam: Genicam) -> None:
    camera, recorder = genicam.open(fps=1000.0, buffers=3), genicam.recorder()
    recorder.also = lambda: time.sleep(0.5)
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(1)
    recorder.also = lambda: None
    recorder.wait_for_frames(20)
    camera.stop()
    jumped = recorder.ids[-1] + 1 - len(recorder.ids)
    assert jumped > 0
    assert camera.statistics()["buffer_underruns"] >= jumped


def test_a_stall_ends_and_the_frames_go_on(genicam: Genicam) -> None:
    recorder = genicam.record(genicam.open(fps=200.0, features={"FaultStall": 1500}), 20)
    assert recorder.ids == sorted(set(recorder.ids))


# Starting and stopping


def test_a_camera_starts_and_stops_many_times(genicam: Genicam) -> None:
    camera = genicam.open(fps=2000.0)
    threads = threading.active_count()
    for _ in range(20):
        assert genicam.record(camera, 5).ids[:5] == [0, 1, 2, 3, 4]
    assert threading.active_count() == threads


def test_no_callback_comes_after_stop(genicam: Genicam) -> None:
    camera, late = genicam.open(fps=5000.0), []
    stopped = threading.Event()

    def on_frame(frame: Frame) -> None:
        if stopped.is_set():
            late.append(frame.id)

    for _ in range(10):
        stopped.clear()
        camera.start(on_frame, lambda error: None)
        threading.Event().wait(0.02)
        camera.stop()
        stopped.set()
    threading.Event().wait(0.05)
    assert not late


def test_stop_from_within_a_callback_ends_the_frames_and_the_camera_starts_again(genicam: Genicam) -> None:
    camera, recorder = genicam.open(), genicam.recorder()
    recorder.also = camera.stop
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(1)
    camera.stop()
    assert recorder.ids == [0]
    assert genicam.record(camera, 5).ids[0] == 0


def test_a_second_start_is_refused_and_a_second_stop_or_close_does_nothing(genicam: Genicam) -> None:
    camera, recorder = genicam.open(), genicam.recorder()
    camera.stop()
    camera.start(recorder.on_frame, recorder.on_fault)
    with pytest.raises(CameraError, match="already started"):
        camera.start(recorder.on_frame, recorder.on_fault)
    camera.stop()
    camera.stop()
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.start(recorder.on_frame, recorder.on_fault)


def test_closing_while_it_streams_gives_the_camera_back(genicam: Genicam) -> None:
    for _ in range(5):
        camera, recorder = genicam.open(fps=5000.0), genicam.recorder()
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for_frames(10)
        camera.close()
        assert not recorder.faults


def test_a_callback_that_raises_is_a_fault(genicam: Genicam) -> None:
    camera, recorder = genicam.open(), genicam.recorder()

    def fail() -> None:
        raise RuntimeError("disk is full")

    recorder.also = fail
    camera.start(recorder.on_frame, recorder.on_fault)
    assert "RuntimeError: disk is full" in str(recorder.wait_for_fault())
    camera.stop()
    assert len(recorder.ids) == 1


def test_two_cameras_stream_at_once(genicam: Genicam) -> None:
    cameras = [genicam.open(serial=serial) for serial in ("MOCK-0001", "MOCK-0002")]
    recorders = [genicam.recorder() for _ in cameras]
    for camera, recorder in zip(cameras, recorders, strict=True):
        camera.start(recorder.on_frame, recorder.on_fault)
    for recorder in recorders:
        recorder.wait_for_frames(50)
    cameras[0].close()  # the other goes on
    recorders[1].wait_for_frames(len(recorders[1].ids) + 50)
    cameras[1].close()
    for recorder in recorders:
        assert recorder.ids == list(range(len(recorder.ids)))
        check(recorder)


def test_a_camera_that_was_closed_leaves_nothing_behind(genicam: Genicam) -> None:
    def kept() -> int:
        from genicam.genapi import NodeMap
        from harvesters.core import ImageAcquirer

        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other objects that the look at them wakes
            return sum(isinstance(thing, ImageAcquirer | NodeMap) for thing in gc.get_objects())

    genicam.open().close()
    before = kept()
    for _ in range(10):
        camera: Any = genicam.open()
        camera.close()
    genicam._opened.clear()
    del camera
    assert kept() <= before
