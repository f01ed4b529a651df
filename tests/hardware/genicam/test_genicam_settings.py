"""Setting a GenICam camera's features, reading them back, and refusals, on the mock GenTL producer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire import Camera, CameraSettingError, SettingReadback

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam


def readback(camera: Camera, name: str) -> SettingReadback:
    return next(setting for setting in camera.info.settings if setting.name == name)


def refusal(genicam: Genicam, **settings: Any) -> str:
    with pytest.raises(CameraSettingError) as raised:
        genicam.open(**settings)
    assert genicam.open().info.width == 64  # the refusal has given the camera back
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("exposure_us", 1234.0),
        ("gain", 6.0),
        ("pixel_format", "Mono12"),
        ("width", 128),
        ("height", 32),
        ("offset_x", 16),
        ("offset_y", 8),
        ("binning_horizontal", 2),
        ("binning_vertical", 4),
        ("buffers", 17),
    ],
)
def test_each_setting_is_set_and_read_back(genicam: Genicam, name: str, asked: Any) -> None:
    camera = genicam.open(fps=100.0, **{name: asked})
    assert readback(camera, name) == SettingReadback(name, asked, asked)
    assert not readback(camera, "fps").differs


def test_any_other_feature_is_set_by_its_name_in_any_case(genicam: Genicam) -> None:
    features = {"testpattern": "White", "BlackLevel": "3", "FrameStampEnable": "false"}
    camera = genicam.open(features=features)
    assert readback(camera, "features.testpattern").actual == "White"
    assert readback(camera, "features.BlackLevel").actual == 3.0
    recorder = genicam.record(camera, 3)
    assert (recorder.pixels[0] == 255).all()


def test_the_whole_sensor_is_what_comes_without_a_region(genicam: Genicam) -> None:
    info = genicam.open(width=None, height=None).info
    assert (info.width, info.height, info.pixel_format, info.fps) == (640, 480, "Mono8", 500.0)


def test_a_width_between_two_steps_becomes_the_lower_one_and_is_reported(genicam: Genicam) -> None:
    camera = genicam.open(width=67)
    assert camera.info.width == 64
    assert readback(camera, "width").differs


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"width": 4}, ("--genicam.width 4", "Width can be 16 to 640", "in steps of 4")),
        ({"exposure_us": 1.0}, ("--genicam.exposure-us 1.0", "ExposureTime can be 10 to", "us")),
        (
            {"pixel_format": "RGB16"},
            ("--genicam.pixel-format RGB16", "Mono8, Mono10, Mono12, Mono12p, Mono16"),
        ),
        ({"features": {"ExposureTim": 5}}, ("--genicam.features.ExposureTim 5", "ExposureTime")),
        ({"features": {"Width": "wide"}}, ("--genicam.features.Width wide", "takes a whole number")),
        ({"features": {"PayloadSize": 5}}, ("PayloadSize is read-only",)),
        ({"trigger": "line", "trigger_line": "Line9"}, ("--genicam.trigger-line Line9", "Line1")),
        ({"gain": 1e9, "height": 10**6}, ("refuses 2 settings", "Gain can be", "Height can be")),
    ],
)
def test_a_refused_value_is_an_error_that_says_what_the_camera_allows(
    genicam: Genicam, settings: dict[str, Any], parts: tuple[str, ...]
) -> None:
    message = refusal(genicam, **settings)
    for part in (*parts, "MOCK-0001"):
        assert part in message


def test_a_value_for_each_choice_of_a_selector_is_set_and_read_back(genicam: Genicam) -> None:
    asked = {"ChunkEnable[Gain]": False, "ChunkEnable[Timestamp]": True, "ChunkEnable[FrameID]": False}
    camera = genicam.open(features={"ChunkModeActive": True, "ChunkSelector": "ExposureTime"} | asked)
    for name, value in asked.items():
        assert readback(camera, f"features.{name}").actual is value
    assert readback(camera, "features.ChunkSelector").actual == "ExposureTime"
    genicam.record(camera, 3)


def test_a_region_that_a_binning_resets_is_set_again(genicam: Genicam) -> None:
    features = {"Width": 128, "Height": 64, "OffsetX": 16}
    camera = genicam.open(width=None, height=None, binning_horizontal=2, features=features)
    assert (camera.info.width, camera.info.height) == (128, 64)
    assert readback(camera, "features.OffsetX").actual == 16


def test_a_limit_of_the_link_that_a_feature_lifts_limits_no_rate(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = "DeviceLinkThroughputLimitMode=1 DeviceLinkThroughputLimit=1000000"
    monkeypatch.setenv("MOCK_GENTL_INITIAL", limited)
    small = {"width": 256, "height": 200, "exposure_us": 100.0}
    camera = genicam.open(fps=60.0, **small)
    assert camera.info.fps == pytest.approx(1e6 / 256 / 200)
    assert "highest frame rate that the camera allows" in str(camera.info.fps_limited_by)
    camera.close()
    lifted = genicam.open(fps=60.0, features={"DeviceLinkThroughputLimitMode": "Off"}, **small)
    assert lifted.info.fps == 60.0


def test_an_exposure_that_another_mode_hides_is_set(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_GENTL_INITIAL", "ExposureMode=1")
    camera = genicam.open(exposure_us=300.0)
    assert readback(camera, "exposure_us").actual == 300.0
    camera.close()
    message = refusal(genicam, exposure_us=300.0, features={"ExposureMode": "TriggerWidth"})
    assert "ExposureTime is not available in the camera's present state" in message
    assert "--genicam.features.ExposureMode asks for TriggerWidth" in message


def test_a_user_set_is_loaded_before_everything_else(genicam: Genicam) -> None:
    genicam.open(serial="MOCK-0002")  # the producer keeps user sets while it is open
    saved = {"UserSetSave": True, "UserSetSelector": "UserSet1", "Gamma": 2.5}
    genicam.open(width=320, gain=3.0, features=saved).close()
    loaded = {"BlackLevel": 7.0, "UserSetLoad": True, "UserSetSelector": "UserSet1"}
    camera = genicam.open(width=None, gain=9.0, fps=100.0, features=loaded)
    assert camera.info.width == 320  # of the set
    for name, value in (("gain", 9.0), ("fps", 100.0), ("features.BlackLevel", 7.0)):
        assert readback(camera, name).actual == value


@pytest.mark.parametrize(
    ("rename", "fps"),
    [
        ("AcquisitionFrameRateEnable=AcquisitionFrameRateEnabled", 60.0),
        ("AcquisitionResultingFrameRate=mvResultingFrameRate", 60.0),
        ("AcquisitionResultingFrameRate=CurrentAcquisitionFrameRate", 60.0),
        ("AcquisitionResultingFrameRate=Speed", None),
        ("AcquisitionResultingFrameRate=Speed AcquisitionFrameRateEnable=Hold", None),
        ("AcquisitionResultingFrameRate=Speed AcquisitionFrameRate=Pace", None),
    ],
)
def test_a_camera_of_another_vendor_tells_its_rate_or_none(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch, rename: str, fps: float | None
) -> None:
    monkeypatch.setenv("MOCK_GENTL_RENAME", rename)
    monkeypatch.setenv("MOCK_GENTL_INITIAL", "AcquisitionFrameRateEnable=0")
    monkeypatch.setenv("MOCK_GENTL_MAX_FPS", "60")
    info = genicam.open(fps=None, exposure_us=200.0).info
    assert info.fps == fps
    if fps is None:
        assert (info.fps_at_most, info.fps_limited_by) == (5000.0, "the exposure time of 200 us")


def test_the_rate_is_what_the_camera_will_give_and_why_is_said(genicam: Genicam) -> None:
    info = genicam.open(fps=500.0, exposure_us=10_000.0).info
    assert info.fps == pytest.approx(100.0, rel=0.02)
    assert "exposure time" in (info.fps_limited_by or "")


def test_a_trigger_left_on_by_a_program_before_is_switched_off(genicam: Genicam) -> None:
    genicam.open(features={"TriggerMode": "On"}).close()
    genicam.record(genicam.open(), 5)


def test_a_software_trigger_paces_the_frames(genicam: Genicam) -> None:
    camera = genicam.open(fps=100.0, trigger="software")
    assert camera.info.fps == 100.0
    recorder = genicam.record(camera, 20)
    assert recorder.ids == list(range(len(recorder.ids)))
    assert camera.statistics()["triggers_missed"] >= 0
    with pytest.raises(CameraSettingError, match="give --fps"):
        genicam.open(fps=None, trigger="software", serial="MOCK-0002")


def test_a_line_trigger_takes_its_frames_from_the_line(genicam: Genicam) -> None:
    camera = genicam.open(trigger="line", trigger_edge="falling", features={"LineGeneratorFrequency": 200})
    assert camera.info.fps is None
    assert camera.info.fps_limited_by == "the trigger on Line1"
    genicam.record(camera, 10)


def test_firmware_and_clock_are_told(genicam: Genicam) -> None:
    info = genicam.open().info
    assert "mock" in info.firmware
    assert (info.frame_id_cycle, info.timestamp_wraps_ns, info.ptp_synchronized) == (None, None, False)
