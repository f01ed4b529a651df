"""Choosing and configuring Basler cameras, on the real pypylon and pylon's camera emulation."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from rheed_acquire import (
    AmbiguousCameraError,
    Camera,
    CameraNotFoundError,
    CameraSettingError,
    CaptureRequest,
    SettingReadback,
    Trigger,
)

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

from rheed_acquire.cameras.genapi.configure import apply_settings
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire_basler import BaslerSettings, discover, open_camera
from rheed_acquire_basler.camera import BaslerCamera
from rheed_acquire_basler.pylon_nodes import PylonNodeMap

FIRST, SECOND = "0815-0000", "0815-0001"


def basler(request: CaptureRequest | None = None, **settings: Any) -> Camera:
    """Open the first emulated camera, small and quick unless told otherwise."""
    chosen: dict[str, Any] = {"serial": FIRST, "width": 64, "height": 48, "exposure_us": 1000.0} | settings
    return open_camera(BaslerSettings(**chosen), request or CaptureRequest(fps=200))


def readback(camera: Camera, name: str) -> SettingReadback:
    return next(setting for setting in camera.info.settings if setting.name == name)


def refusal(**settings: Any) -> str:
    with pytest.raises(CameraSettingError) as raised:
        basler(**settings)
    return str(raised.value)


# Finding and choosing


def test_importing_the_plugin_does_not_import_its_sdk() -> None:
    program = "import sys, rheed_acquire_basler; assert not {'pypylon', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_both_emulated_cameras_are_discovered() -> None:
    devices = discover(BaslerSettings())
    assert [device.serial for device in devices] == [FIRST, SECOND]
    assert {(device.backend, device.model, device.vendor) for device in devices} == {
        ("basler", "Emulation", "Basler")
    }


def test_several_cameras_and_no_choice_are_listed_with_the_flags_that_choose() -> None:
    with pytest.raises(AmbiguousCameraError) as raised:
        open_camera(BaslerSettings(), CaptureRequest())
    for part in (FIRST, SECOND, "--basler.serial", "--basler.user-id", "--basler.ip", "--basler.index"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"serial": "42"}, "--basler.serial 42"),
        ({"user_id": "gun 1"}, "--basler.user-id gun 1"),
        ({"ip": "10.0.0.9"}, "--basler.ip 10.0.0.9"),
        ({"serial": FIRST, "ip": "10.0.0.9"}, f"--basler.serial {FIRST} --basler.ip 10.0.0.9"),
    ],
)
def test_a_chosen_camera_that_is_absent_is_named_with_those_found(
    settings: dict[str, str], named: str
) -> None:
    with pytest.raises(CameraNotFoundError) as raised:
        open_camera(BaslerSettings(**settings), CaptureRequest())
    assert named in str(raised.value)
    assert FIRST in str(raised.value)


def test_a_camera_is_chosen_by_its_place_in_the_list() -> None:
    with open_camera(BaslerSettings(index=1), CaptureRequest()) as camera:
        assert camera.info.device.serial == SECOND
    with pytest.raises(CameraNotFoundError, match=r"--basler\.index 2: there are 2 Basler cameras"):
        open_camera(BaslerSettings(index=2), CaptureRequest())


def _in_a_process(emulated: str, program: str) -> str:
    environment = os.environ | {"PYLON_CAMEMU": emulated}
    finished = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return finished.stdout


OPEN = """
from rheed_acquire import CaptureRequest, RheedAcquireError
from rheed_acquire_basler import BaslerSettings, open_camera
try:
    with open_camera(BaslerSettings(), CaptureRequest()) as camera:
        print(camera.info.device.serial)
except RheedAcquireError as error:
    print(type(error).__name__, error)
"""


def test_the_only_camera_needs_no_choice() -> None:
    assert _in_a_process("1", OPEN).strip() == FIRST


def test_without_any_camera_the_error_says_what_to_look_for() -> None:
    said = _in_a_process("0", OPEN)
    assert said.startswith("CameraNotFoundError no Basler camera found")
    assert "PYLON_CAMEMU=1" in said


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exposure_us", 2500.0),
        ("gain", 12.0),
        ("pixel_format", "Mono12"),
        ("width", 500),
        ("height", 300),
        ("offset_x", 40),
        ("offset_y", 30),
        ("binning_horizontal", 2),
        ("binning_vertical", 4),
        ("buffers", 33),
    ],
)
def test_each_setting_is_set_and_read_back(name: str, value: Any) -> None:
    with basler(**{name: value}) as camera:
        setting = readback(camera, name)
    assert setting.asked == value
    if name == "gain":  # the camera holds it in steps of its own, and says so
        assert setting.actual == pytest.approx(value, abs=0.01)
        assert setting.differs
    else:
        assert setting.actual == value
        assert not setting.differs


def test_a_setting_left_out_is_not_reported() -> None:
    with open_camera(BaslerSettings(serial=FIRST), CaptureRequest()) as camera:
        assert camera.info.settings == ()
        assert (camera.info.width, camera.info.height, camera.info.pixel_format) == (1024, 1040, "Mono8")
        assert camera.info.firmware == "1.1"


def set_again(camera: Camera, request: CaptureRequest | None = None, **settings: Any) -> FeatureWriter:
    """Configure an open camera as a program does that finds it as another has left it."""
    assert isinstance(camera, BaslerCamera)
    writer = FeatureWriter(PylonNodeMap(camera._camera.GetNodeMap()))
    apply_settings(writer, "basler", BaslerSettings(**settings), request or CaptureRequest())
    assert writer.problems == []
    return writer


def test_a_region_can_be_moved_and_grown_from_any_region_before() -> None:
    region = ("Width", "OffsetX", "Height", "OffsetY")
    with basler(width=100, offset_x=3996, height=100, offset_y=3996) as camera:
        writer = set_again(camera, width=4000, height=4000, offset_y=90)
        assert [writer.value(name) for name in region] == [4000, 96, 4000, 90]
        writer = set_again(camera, width=200, offset_x=3896, height=300)
        assert [writer.value(name) for name in region] == [200, 3896, 300, 90]


def test_a_refused_value_is_named_with_what_the_camera_allows() -> None:
    said = refusal(exposure_us=1e12)
    assert "--basler.exposure-us 1000000000000.0" in said
    assert "ExposureTimeAbs can be 100 to 3000000" in said


def test_all_refused_values_are_named_at_once() -> None:
    said = refusal(gain=100.0, width=5000, pixel_format="Mono13", features={"Nonsense": 1})
    for part in (
        "refuses 4 settings",
        "Gain can be 0 to 48",
        "Width can be 1 to 4096",
        "Mono8, Mono10",
        "Nonsense",
    ):
        assert part in said


def test_an_unknown_feature_is_named_with_the_nearest_known_ones() -> None:
    said = refusal(features={"TestImageSelect": "Off"})
    assert "--basler.features.TestImageSelect" in said
    assert "TestImageSelector" in said


def test_a_rate_that_the_camera_cannot_reach_becomes_its_highest_and_is_explained() -> None:
    with basler(CaptureRequest(fps=9000), exposure_us=100.0) as camera:
        assert camera.info.fps == pytest.approx(5000)
        assert "highest frame rate that the camera allows" in str(camera.info.fps_limited_by)
        assert readback(camera, "fps").differs


def test_a_long_exposure_limits_the_rate_and_is_not_changed() -> None:
    with basler(CaptureRequest(fps=120), exposure_us=None) as camera:
        assert camera.info.fps == pytest.approx(100)
        assert camera.info.fps_limited_by == "the exposure time of 10000 us"


def test_the_rate_asked_for_is_the_rate_reported() -> None:
    with basler(CaptureRequest(fps=60)) as camera:
        assert camera.info.fps == pytest.approx(60)
        assert camera.info.fps_limited_by == "its frame rate setting of 60 fps"
        assert not readback(camera, "fps").differs


@pytest.mark.parametrize(
    ("name", "given", "actual"),
    [
        ("DigitalShift", "2", 2),
        ("DigitalShift", 2.0, 2),
        ("digitalshift", 0x3, 3),
        ("Gamma", "0.5", 0.5),
        ("ReverseX", "true", True),
        ("ReverseY", True, True),
        ("TestImageSelector", "testimage1", "Testimage1"),
        ("DeviceUserID", "gun 2", "gun 2"),
        ("DeviceUserID", 7, "7"),
    ],
)
def test_any_feature_is_set_by_name_from_text_or_value(name: str, given: Any, actual: Any) -> None:
    with basler(features={name: given}) as camera:
        setting = readback(camera, f"features.{name}")
    assert setting.actual == actual
    assert not setting.differs


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("DigitalShift", "two", "takes a whole number"),
        ("DigitalShift", 1.5, "takes a whole number"),
        ("DigitalShift", 5, "DigitalShift can be 0 to 4"),
        ("Gamma", "high", "takes a number"),
        ("Gamma", float("nan"), "takes a finite number"),
        ("ReverseX", "perhaps", "takes true or false"),
        ("TestImageSelector", "Cat", "can be Off, Testimage1, Testimage2"),
        ("SensorWidth", 5, "SensorWidth is read-only"),
    ],
)
def test_a_feature_that_cannot_take_a_value_says_what_it_takes(name: str, given: Any, said: str) -> None:
    assert said in refusal(features={name: given})


def test_features_are_set_in_the_order_given() -> None:
    features = {"LineSelector": "Line2", "LineMode": "Output", "LineSource": "ExposureActive"}
    with basler(features=features) as camera:
        assert [setting.name for setting in camera.info.settings[-3:]] == [f"features.{n}" for n in features]
        assert readback(camera, "features.LineSource").actual == "ExposureActive"


def test_a_software_trigger_needs_a_rate() -> None:
    with pytest.raises(CameraSettingError, match="--fps"):
        basler(CaptureRequest(), trigger=Trigger.SOFTWARE)


def test_a_software_trigger_faster_than_the_exposure_is_limited_by_it() -> None:
    with basler(CaptureRequest(fps=120), trigger=Trigger.SOFTWARE, exposure_us=20000.0) as camera:
        assert camera.info.fps == pytest.approx(50)
        assert "exposure time of 20000 us" in str(camera.info.fps_limited_by)


def test_an_unknown_trigger_line_is_refused_with_those_there_are() -> None:
    said = refusal(trigger=Trigger.LINE, trigger_line="Line9")
    assert "--basler.trigger-line Line9" in said
    assert "Line1, Line2, Line3" in said


def test_a_trigger_switched_on_by_its_feature_leaves_no_known_rate() -> None:
    with basler(features={"TriggerMode": "On"}) as camera:
        assert camera.info.fps is None


# Temperature


def test_a_camera_that_has_no_temperature_tells_none_open_or_closed() -> None:
    camera = basler()
    assert camera.temperature_c() is None
    camera.close()
    assert camera.temperature_c() is None


# Exposure and gain while it runs


def test_exposure_and_gain_are_changed_within_the_cameras_bounds_and_the_frames_time() -> None:
    camera = basler()
    assert camera.adjust({"exposure_us": 2000.0}) == {"exposure_us": 2000.0}
    with pytest.raises(CameraSettingError, match=r"exposure_us 6000: at 200 frames/s it is at most 5000"):
        camera.adjust({"exposure_us": 6000.0})
    with pytest.raises(CameraSettingError, match=r"gain 1000000000\.0: Gain can be 0 to 48"):
        camera.adjust({"exposure_us": 3000.0, "gain": 1e9})
    assert FeatureWriter(PylonNodeMap(nodes_of(camera))).number("ExposureTimeAbs", "ExposureTime") == 2000.0
    assert camera.adjustable() == {"exposure_us": 2000.0, "gain": 0.0}
    camera.close()


def nodes_of(camera: Camera) -> Any:
    assert isinstance(camera, BaslerCamera)
    return camera._camera.GetNodeMap()
