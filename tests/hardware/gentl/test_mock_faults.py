"""Triggers, and everything that goes wrong on command."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rheed_mock_gentl import expected_payload

OpenCamera = Callable[..., Any]


def ids(camera: Any, count: int) -> list[int]:
    taken = []
    for _ in range(count):
        with camera.fetch(timeout=20) as buffer:
            taken.append(buffer.module.frame_id)
    return taken


def fast(camera: Any, count: int = 0) -> Any:
    """200 small frames a second, in a run of `count` where it is given; returns the nodes."""
    nodes = camera.remote_device.node_map
    nodes.AcquisitionFrameRate.value = 200.0
    nodes.ExposureTime.value = 100.0
    nodes.Height.value = 16
    if count:
        nodes.AcquisitionMode.value = "MultiFrame"
        nodes.AcquisitionFrameCount.value = count
    return nodes


def nothing_comes(camera: Any, seconds: float = 0.1) -> bool:
    return camera.try_fetch(timeout=seconds) is None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_software_trigger_gives_one_frame(camera: Any) -> None:
    nodes = fast(camera)
    nodes.TriggerMode.value = "On"
    nodes.AcquisitionStatusSelector.value = "FrameTriggerWait"
    camera.start()
    assert nothing_comes(camera)
    for number in range(3):
        wait_for(lambda: bool(nodes.AcquisitionStatus.value))
        nodes.TriggerSoftware.execute()
        assert ids(camera, 1) == [number]
    assert nothing_comes(camera)
    camera.stop()


def test_a_line_generator_triggers_at_its_own_rate(camera: Any) -> None:
    nodes = fast(camera)
    nodes.TriggerMode.value = "On"
    nodes.TriggerSource.value = "Line1"
    nodes.LineGeneratorFrequency.value = 250.0
    camera.start()
    stamps: list[tuple[int, int]] = []
    while len(stamps) < 10:
        with camera.fetch(timeout=20) as buffer:
            stamps.append((buffer.module.frame_id, buffer.timestamp_ns))
    camera.stop()
    for (first, begin), (then, end) in itertools.pairwise(stamps):
        assert abs((end - begin) - (then - first) * 4_000_000) <= 1  # to the rounding of a nanosecond


def test_a_line_pulse_is_a_trigger(camera: Any) -> None:
    nodes = fast(camera)
    nodes.TriggerMode.value = "On"
    nodes.TriggerSource.value = "Line1"
    camera.start()
    assert nothing_comes(camera)
    nodes.LinePulse.execute()
    assert ids(camera, 1) == [0]
    camera.stop()


def test_single_frame_mode_sends_one(camera: Any) -> None:
    nodes = fast(camera)
    nodes.AcquisitionMode.value = "SingleFrame"
    camera.start()
    assert ids(camera, 1) == [0]
    assert nothing_comes(camera)
    assert nodes.AcquisitionStatus.value is False
    camera.stop()


def test_dropped_frames_are_missing_ids_and_no_underruns(camera: Any) -> None:
    nodes = fast(camera, 10)
    nodes.FaultDropNext.value = 2
    nodes.FaultDropEvery.value = 5
    camera.start()
    assert ids(camera, 6) == [2, 3, 5, 6, 7, 8]
    wait_for(lambda: bool(nodes.FaultFramesGenerated.value == 10))
    assert nodes.FaultFramesDropped.value == 4
    assert camera.data_streams[0].num_underrun == 0
    camera.stop()


def test_incomplete_frames_say_so_and_hold_only_what_arrived(camera: Any) -> None:
    nodes = fast(camera, 4)
    nodes.FaultIncompleteEvery.value = 2
    nodes.FaultIncompletePercent.value = 25
    camera.start()
    monitor = next(iter(camera._new_buffer_event_monitor_dict.values()))
    for number in range(4):
        wait_for(lambda: arrived(monitor))
        buffer = monitor.buffer
        assert buffer.frame_id == number
        assert buffer.is_complete() == (number % 2 == 0)
        expected = expected_payload(number, 640, 16)
        filled = len(expected) // (4 if number % 2 else 1)
        assert buffer.size_filled == filled
        got = np.frombuffer(buffer.raw_buffer, np.uint8)
        np.testing.assert_array_equal(got[:filled], expected[:filled])
        assert not got[filled:].any()
        camera.data_streams[0].queue_buffer(buffer)
    camera.stop()


def arrived(monitor: Any) -> bool:
    from genicam.gentl import TimeoutException

    try:
        monitor.update_event_data(100)
    except TimeoutException:
        return False
    return True


def test_a_stall_loses_the_frames_of_its_time(camera: Any) -> None:
    nodes = fast(camera)
    camera.start()
    before = ids(camera, 1)[0]
    nodes.FaultStall.value = 200
    wait_for(lambda: bool(nodes.FaultStall.value == 0))
    rest = ids(camera, 12)
    camera.stop()
    assert rest[-1] - before > 12
    assert nodes.FaultFramesDropped.value >= 20


def test_a_delay_loses_nothing(camera: Any) -> None:
    nodes = fast(camera, 5)
    nodes.FaultDelay.value = 150
    camera.start()
    began = time.monotonic()
    assert ids(camera, 5) == [0, 1, 2, 3, 4]
    assert time.monotonic() - began >= 0.1
    camera.stop()


def test_a_camera_slower_than_it_says_shows_it_only_in_its_timestamps(camera: Any) -> None:
    nodes = fast(camera, 3)
    nodes.FaultPeriodFactor.value = 2.0
    assert nodes.AcquisitionResultingFrameRate.value == 200.0
    camera.start()
    stamps = []
    for _ in range(3):
        with camera.fetch(timeout=20) as buffer:
            stamps.append(buffer.timestamp_ns)
    camera.stop()
    assert np.diff(stamps).tolist() == [10_000_000, 10_000_000]


def test_the_clock_jumps_on_command(camera: Any) -> None:
    nodes = fast(camera)
    camera.start()
    with camera.fetch(timeout=20) as buffer:
        before = buffer.timestamp_ns
    nodes.FaultTimestampJump.value = -(10**15)
    wait_for(lambda: stamp(camera) > before + 10**15)  # unsigned: it wraps, as a bad clock does
    camera.stop()


def stamp(camera: Any) -> int:
    with camera.fetch(timeout=20) as buffer:
        return int(buffer.timestamp_ns)


def test_a_lost_device_answers_with_errors_can_be_closed_and_comes_back(harvester: Any) -> None:
    from genicam.gentl import IoException

    camera = harvester.create(0)
    nodes = fast(camera)
    nodes.FaultReturnAfter.value = 0
    camera.start()
    ids(camera, 3)
    nodes.FaultLoseDevice.execute()
    with pytest.raises(IoException):
        _ = nodes.Width.value
    while not nothing_comes(camera):  # what had arrived before
        pass
    assert camera.device.node_map.DeviceIsLost.value == 1
    interface = camera.interface.node_map
    interface.DeviceUpdateList.execute()
    assert interface.DeviceSerialNumber.value == "MOCK-0002"
    interface.FaultReturnDevices.execute()
    interface.DeviceUpdateList.execute()
    assert interface.DeviceSerialNumber.value == "MOCK-0001"
    with pytest.raises(IoException):  # back, but not under the old handle
        _ = nodes.Width.value
    with pytest.raises(IoException):  # harvesters tells the camera to stop and does not expect this
        camera.stop()
    camera.destroy()
    again = harvester.create(0)
    assert again.remote_device.node_map.Height.value == 480  # it was without power
    again.start()
    assert ids(again, 1) == [0]
    again.stop()
    again.destroy()


def test_a_reset_device_is_back_by_itself(harvester: Any) -> None:
    camera = harvester.create(0)
    nodes = camera.remote_device.node_map
    nodes.FaultReturnAfter.value = 150
    nodes.DeviceReset.execute()
    harvester.update()  # closes the camera as well
    assert [d.property_dict["serial_number"] for d in harvester.device_info_list] in (
        ["MOCK-0002"],
        ["MOCK-0001", "MOCK-0002"],
    )

    def back() -> bool:
        harvester.update()
        return len(harvester.device_info_list) == 2

    wait_for(back)


def test_an_exposure_of_seconds_is_waited_for(camera: Any) -> None:
    nodes = fast(camera)
    nodes.ExposureTime.value = 2_000_000.0
    camera.start()
    assert ids(camera, 2) == [0, 1]
    camera.stop()
    assert nodes.FaultFramesDropped.value == 0


def test_stamps_that_are_wrong_now_and_then_are_so_in_every_kth_frame(camera: Any) -> None:
    nodes = fast(camera, 6)
    nodes.FaultTimestamp.value = "SecondBack"
    nodes.FaultTimestampEvery.value = 3
    nodes.TimestampReset.execute()
    nodes.FaultTimestampJump.value = 10**12
    camera.start()
    stamps = []
    for _ in range(6):
        with camera.fetch(timeout=20) as buffer:
            stamps.append(buffer.timestamp_ns)
    camera.stop()
    period, second = 5_000_000, 1_000_000_000
    expected = [period, period - second, period + second] * 2
    assert np.diff(stamps).tolist() == expected[: len(stamps) - 1]


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono12p"])
def test_padded_lines_hold_the_same_pixels(camera: Any, pixel_format: str) -> None:
    nodes = fast(camera, 1)
    nodes.PixelFormat.value = pixel_format
    nodes.LinePadding.value = 7
    camera.start()
    monitor = next(iter(camera._new_buffer_event_monitor_dict.values()))
    wait_for(lambda: arrived(monitor))
    buffer = monitor.buffer
    lines = np.frombuffer(buffer.raw_buffer, np.uint8).reshape(16, nodes.LinePitch.value)
    assert buffer.padding_x == 7
    assert (lines[:, -7:] == 165).all()
    expected = expected_payload(buffer.frame_id, 640, 16, pixel_format)
    np.testing.assert_array_equal(lines[:, :-7].reshape(-1), expected)
    camera.data_streams[0].queue_buffer(buffer)
    camera.stop()
