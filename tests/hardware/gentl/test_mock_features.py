"""Discovery and features of the mock camera, as harvesters and GenApi see them."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OpenCamera = Callable[..., Any]


def refused(camera: Any, name: str, value: Any) -> bool:
    from genicam.genapi import GenericException

    try:
        getattr(camera.remote_device.node_map, name).value = value
    except GenericException:
        return True
    return False


def test_devices_are_listed_with_what_identifies_them(harvester: Any) -> None:
    found = [info.property_dict for info in harvester.device_info_list]
    assert [d["serial_number"] for d in found] == ["MOCK-0001", "MOCK-0002"]
    assert {d["vendor"] for d in found} == {"RheedAcquire"}
    assert {d["access_status"] for d in found} == {1}


def test_a_device_is_found_by_its_serial_number(harvester: Any) -> None:
    camera = harvester.create({"serial_number": "MOCK-0002"})
    assert camera.remote_device.node_map.DeviceSerialNumber.value == "MOCK-0002"
    camera.destroy()


def test_an_opened_device_cannot_be_opened_again(open_camera: OpenCamera) -> None:
    from genicam.gentl import GenericException

    open_camera(0)
    with pytest.raises(GenericException):
        open_camera(0)


def test_every_feature_of_the_camera_can_be_read(camera: Any) -> None:
    from genicam.genapi import EAccessMode

    nodes = camera.remote_device.node_map
    readable = (EAccessMode.RO, EAccessMode.RW)
    features = [n for n in nodes.nodes if n.node.get_access_mode() in readable and hasattr(n, "value")]
    assert len(features) > 80
    for feature in features:
        if "Chunk" not in feature.node.name or feature.node.name.startswith("ChunkSel"):
            assert feature.value is not None, feature.node.name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ExposureTime", 12345.0),
        ("AcquisitionFrameRate", 33.25),
        ("Gain", 11.5),
        ("BlackLevel", 16.0),
        ("Gamma", 0.5),
        ("PixelFormat", "Mono12p"),
        ("TestPattern", "White"),
        ("TriggerMode", "On"),
        ("TriggerSource", "Line1"),
        ("TriggerActivation", "FallingEdge"),
        ("TriggerDelay", 250.0),
        ("AcquisitionMode", "SingleFrame"),
        ("Width", 320),
        ("Height", 201),
        ("BinningHorizontal", 2),
        ("BinningVertical", 4),
        ("DeviceUserID", "growth chamber 2"),
        ("ChunkModeActive", True),
        ("FrameStampEnable", False),
        ("LineGeneratorFrequency", 75.0),
        ("FaultDropEvery", 7),
        ("FaultPeriodFactor", 1.5),
    ],
)
def test_a_feature_keeps_what_is_written(camera: Any, name: str, value: object) -> None:
    node = getattr(camera.remote_device.node_map, name)
    assert node.value != value
    node.value = value
    assert node.value == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Width", 642),
        ("Width", 644),
        ("Width", 12),
        ("Height", 481),
        ("Height", 0),
        ("OffsetX", 4),
        ("ExposureTime", 9.0),
        ("ExposureTime", 1e8),
        ("AcquisitionFrameRate", 10001.0),
        ("AcquisitionFrameRate", 0.0),
        ("Gain", -1.0),
        ("PixelFormat", "BayerBG8"),
        ("BinningHorizontal", 5),
        ("SensorWidth", 100),
        ("PayloadSize", 1),
    ],
)
def test_a_value_outside_the_limits_is_refused(camera: Any, name: str, value: object) -> None:
    before = getattr(camera.remote_device.node_map, name).value
    assert refused(camera, name, value)
    assert getattr(camera.remote_device.node_map, name).value == before


def test_the_region_stays_on_the_sensor(camera: Any) -> None:
    nodes = camera.remote_device.node_map
    nodes.Width.value = 100
    nodes.Height.value = 100
    assert (nodes.OffsetX.max, nodes.OffsetY.max) == (540, 380)
    nodes.OffsetX.value = 540
    assert nodes.Width.max == 100
    assert refused(camera, "Width", 104)
    nodes.BinningHorizontal.value = 2
    assert (nodes.WidthMax.value, nodes.Width.value, nodes.OffsetX.value) == (320, 320, 0)


@pytest.mark.parametrize(
    ("pixel_format", "size"),
    [("Mono8", 30000), ("Mono10", 60000), ("Mono12", 60000), ("Mono12p", 45000), ("Mono16", 60000)],
)
def test_the_payload_size_follows_the_format(camera: Any, pixel_format: str, size: int) -> None:
    nodes = camera.remote_device.node_map
    nodes.Width.value = 200
    nodes.Height.value = 150
    nodes.PixelFormat.value = pixel_format
    assert nodes.PayloadSize.value == size


def test_the_resulting_frame_rate_says_what_limits_it(camera: Any) -> None:
    nodes = camera.remote_device.node_map
    nodes.AcquisitionFrameRate.value = 500.0
    assert math.isclose(nodes.AcquisitionResultingFrameRate.value, 500.0)
    nodes.ExposureTime.value = 4000.0
    assert math.isclose(nodes.AcquisitionResultingFrameRate.value, 250.0)
    nodes.DeviceLinkThroughputLimitMode.value = "On"
    nodes.DeviceLinkThroughputLimit.value = 640 * 480 * 30
    assert math.isclose(nodes.AcquisitionResultingFrameRate.value, 30.0)
    nodes.DeviceLinkThroughputLimitMode.value = "Off"
    nodes.ExposureTime.value = 100.0
    nodes.AcquisitionFrameRateEnable.value = False
    assert math.isclose(nodes.AcquisitionResultingFrameRate.value, 10000.0)
    assert refused(camera, "AcquisitionFrameRate", 10.0)


def test_automatic_exposure_locks_the_exposure_time(camera: Any) -> None:
    nodes = camera.remote_device.node_map
    nodes.ExposureAuto.value = "Continuous"
    assert refused(camera, "ExposureTime", 500.0)
    nodes.ExposureAuto.value = "Once"
    assert nodes.ExposureAuto.value == "Off"
    assert not refused(camera, "ExposureTime", 500.0)


def test_the_image_format_is_locked_while_streaming(camera: Any) -> None:
    camera.start()
    for name, value in [("Width", 64), ("PixelFormat", "Mono16"), ("ChunkModeActive", True)]:
        assert refused(camera, name, value)
    assert not refused(camera, "ExposureTime", 300.0)
    camera.stop()
    assert not refused(camera, "Width", 64)


def test_user_sets_keep_settings_and_the_default_set_is_the_factorys(camera: Any) -> None:
    nodes = camera.remote_device.node_map
    nodes.ExposureTime.value = 777.0
    nodes.Width.value = 320
    nodes.UserSetSelector.value = "UserSet1"
    nodes.UserSetSave.execute()
    nodes.UserSetSelector.value = "Default"
    nodes.UserSetLoad.execute()
    assert (nodes.ExposureTime.value, nodes.Width.value) == (1000.0, 640)
    nodes.UserSetSelector.value = "UserSet1"
    nodes.UserSetLoad.execute()
    assert (nodes.ExposureTime.value, nodes.Width.value) == (777.0, 320)


def test_the_clock_is_latched_and_reset(camera: Any) -> None:
    nodes = camera.remote_device.node_map
    nodes.TimestampLatch.execute()
    first = nodes.TimestampLatchValue.value
    nodes.TimestampLatch.execute()
    assert nodes.TimestampLatchValue.value > first
    nodes.FaultTimestampJump.value = 10**15
    nodes.TimestampLatch.execute()
    assert nodes.TimestampLatchValue.value > 10**15
    nodes.TimestampReset.execute()
    nodes.TimestampLatch.execute()
    assert nodes.TimestampLatchValue.value < 10**12


def test_the_producers_own_modules_have_features(open_camera: OpenCamera, cti: Path) -> None:
    camera = open_camera(1)
    assert camera.system.node_map.TLPath.value == str(cti)
    interface = camera.interface.node_map
    assert interface.DeviceSelector.max == 1
    interface.DeviceSelector.value = 1
    assert interface.DeviceSerialNumber.value == "MOCK-0002"
    assert camera.device.node_map.DeviceSerialNumber.value == "MOCK-0002"
    assert camera.data_streams[0].node_map.StreamIsGrabbing.value == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts come from /proc")
def test_fifty_opens_and_closes_leave_nothing_behind(harvester: Any) -> None:
    # Not memory: genicam 1.6.0 itself keeps the node map of each camera that harvesters ever opened.
    # The producer's own memory is the business of test_mock_api.py and of valgrind.
    def held() -> tuple[int, int]:
        threads = int(Path("/proc/self/status").read_text().split("Threads:")[1].split()[0])
        return len(list(Path("/proc/self/fd").iterdir())), threads

    def cycle() -> None:
        camera = harvester.create(0)
        camera.start()
        camera.fetch(timeout=20).queue()
        camera.stop()
        camera.destroy()

    cycle()
    descriptors, threads = held()
    for _ in range(50):
        cycle()
    deadline = time.monotonic() + 10  # /proc counts a joined thread for a moment longer
    while held() > (descriptors, threads) and time.monotonic() < deadline:
        time.sleep(0.01)
    after = held()
    assert after[0] <= descriptors
    assert after[1] <= threads
