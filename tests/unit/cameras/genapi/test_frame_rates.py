"""The frame rate of free-running cameras, as the node maps of several vendors tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.cameras.genapi.conftest import Description

from rheed_acquire import CameraSettings, CaptureRequest
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate import FrameRate, expected_rate
from rheed_acquire.cameras.genapi.values import number_in

Configure = Callable[..., FeatureWriter]
RESULTS = "<ImposedAccessMode>RO</ImposedAccessMode>"


@pytest.fixture
def rate(configure: Configure) -> Callable[..., FrameRate]:
    def told(device: Description, fps: float | None = None, **settings: Any) -> FrameRate:
        writer = configure(device, fps=fps, **settings)
        assert writer.problems == []
        return expected_rate(writer, CameraSettings(**settings), CaptureRequest(fps=fps))

    return told


@pytest.mark.parametrize(
    "name",
    [
        "ResultingFrameRateAbs",
        "ResultingFrameRate",
        "BslResultingAcquisitionFrameRate",
        "AcquisitionResultingFrameRate",
        "mvResultingFrameRate",
        "CurrentAcquisitionFrameRate",
        "DeviceEffectiveFrameRate",  # of no vendor known here
        "Std_Frame_Rate_Actual",
    ],
)
def test_the_resulting_rate_is_found_under_every_vendors_name(
    device: Description, rate: Callable[..., FrameRate], name: str
) -> None:
    device.boolean("AcquisitionFrameRateEnable")
    device.float("AcquisitionFrameRate", 30.0)
    device.float("ExposureTime", 200.0)
    device.float("AcquisitionFrameRateMax", 5000.0)
    device.float("ResultingFrameRateMin", 1.0)
    device.float("LineTransferFrameRateActual", 1e5)
    device.float(name, 60.0, extra=RESULTS)
    assert rate(device).fps == 60.0


def test_a_bound_is_no_rate(device: Description, rate: Callable[..., FrameRate]) -> None:
    device.boolean("AcquisitionFrameRateEnable")
    device.float("AcquisitionFrameRate", 30.0)
    device.float("ExposureTime", 200.0)
    device.float("AcquisitionFrameRateMax", 5000.0)
    told = rate(device)
    assert told == FrameRate(None, "the exposure time of 200 us", 5000.0)


def test_a_camera_that_tells_nothing_at_all_has_no_rate(
    device: Description, rate: Callable[..., FrameRate]
) -> None:
    device.integer("Width", 64)
    assert rate(device) == FrameRate(None, None)
    assert rate(device, fps=60.0) == FrameRate(None, None)  # with no feature to set it by, --fps declares it


def switch(device: Description, name: str, *entries: str) -> None:
    if entries:
        device.choice(name, *entries)
        device.formula("Held", "S = 0", S=name)
    else:
        device.boolean(name)
        device.formula("Held", "S = 0", S=f"{name}Value")
    device.float("AcquisitionFrameRate", 30.0, extra="<pIsLocked>Held</pIsLocked>")


@pytest.mark.parametrize(
    "named",
    [
        ("AcquisitionFrameRateEnable",),
        ("AcquisitionFrameRateEnabled",),
        ("AcquisitionFrameRateMode", "Off", "On"),
        ("AcquisitionFrameRateMode", "Off", "Basic"),
        ("acquisitionFrameRateControlMode", "MaximumSpeed", "Programmable"),
        ("mvAcquisitionFrameRateEnable", "Off", "On"),
        ("AcquisitionFrameRateAuto", "Continuous", "Off"),
    ],
)
def test_every_vendors_switch_is_put_on_for_fps_and_heeded_without(
    device: Description, rate: Callable[..., FrameRate], named: tuple[str, ...]
) -> None:
    switch(device, *named)
    assert rate(device).fps is None
    assert rate(device, fps=60.0).fps == 60.0


def test_a_rate_that_a_switch_of_unknown_name_holds_is_not_believed_until_the_user_switches_it(
    device: Description, rate: Callable[..., FrameRate], configure: Configure
) -> None:
    switch(device, "LimitFramesPerSecond")
    assert rate(device).fps is None
    (problem,) = configure(device, fps=60.0).problems
    assert "--fps 60.0: AcquisitionFrameRate cannot be set in the camera's present state" in problem
    assert rate(device, fps=60.0, features={"LimitFramesPerSecond": True}).fps == 60.0


def test_a_switch_that_the_user_holds_off_is_named_where_fps_needs_it(
    device: Description, configure: Configure
) -> None:
    switch(device, "AcquisitionFrameRateEnabled")
    (problem,) = configure(device, fps=60.0, features={"AcquisitionFrameRateEnabled": False}).problems
    assert "--genicam.features.AcquisitionFrameRateEnabled asks for False" in problem


def test_a_target_is_set_and_the_rate_beside_it_believed(
    device: Description, rate: Callable[..., FrameRate]
) -> None:
    device.boolean("AcquisitionFrameRateTargetEnable")
    device.float("AcquisitionFrameRateTarget", 30.0)
    device.float("AcquisitionFrameRate", 58.0, extra=RESULTS)
    told = rate(device, fps=60.0)
    assert told.fps == 58.0


def test_a_rate_in_the_names_of_an_enumeration_is_read_and_set(
    device: Description, rate: Callable[..., FrameRate], configure: Configure
) -> None:
    device.choice("AcquisitionFrameRate", "FrameRate15", "FrameRate30", "FrameRate60")
    assert rate(device).fps == 15.0
    assert rate(device, fps=60.0).fps == 60.0
    (readback,) = configure(device, fps=50.0).readbacks()
    assert (readback.asked, readback.actual, readback.differs) == (50.0, 60.0, True)


def test_a_rate_that_paces_only_as_a_trigger_source_is_not_believed_otherwise(
    device: Description, rate: Callable[..., FrameRate]
) -> None:
    device.choice("TriggerMode", "Off", "On")
    device.choice("TriggerSource", "Freerun", "Line1", "FixedRate")
    device.float("AcquisitionFrameRateAbs", 30.0)
    assert rate(device).fps is None
    paced = {"TriggerMode": "On", "TriggerSource": "FixedRate"}
    assert rate(device, features=paced).fps == 30.0
    assert rate(device, fps=50.0, features=paced).fps == 50.0


def test_a_trigger_that_a_feature_switches_on_is_not_held_back_by_the_rate_that_fps_declares(
    device: Description, rate: Callable[..., FrameRate]
) -> None:
    device.choice("TriggerSelector", "FrameStart", "AcquisitionEnd", selects="TriggerMode")
    device.choice("TriggerMode", "Off", "On")
    device.choice("TriggerSource", "Line1")
    switch(device, "AcquisitionFrameRateEnable")
    told = rate(device, fps=60.0, features={"TriggerMode[FrameStart]": "On"})
    assert told == FrameRate(None, "the trigger from Line1")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("Fps30", 30.0),
        ("Rate_59_94", 59.94),
        ("12p5Hz", 12.5),
        ("Off", None),
        ("Mode2At30", None),
        ("7", 7.0),
    ],
)
def test_the_number_in_a_name_is_read_where_there_is_one(name: str, number: float | None) -> None:
    assert number_in(name) == number
