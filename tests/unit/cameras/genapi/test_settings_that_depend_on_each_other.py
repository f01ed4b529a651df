"""Features and settings that depend on each other, whatever order they are given in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.cameras.genapi.conftest import Description
from tests.unit.cameras.genapi.recorded_nodes import RecordedNodes

from rheed_acquire import CameraSettingError, CameraSettings, CaptureRequest
from rheed_acquire.cameras.genapi.configure import apply_settings
from rheed_acquire.cameras.genapi.features import FeatureWriter

Configure = Callable[..., FeatureWriter]


def actual(writer: FeatureWriter) -> dict[str, Any]:
    return {readback.name: readback.actual for readback in writer.readbacks()}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), kind=st.sampled_from(("pIsAvailable", "pIsLocked")))
def test_a_chain_of_features_is_set_in_any_order(configure: Configure, order: list[int], kind: str) -> None:
    pytest.importorskip("genicam.genapi", reason="genicam is not installed")
    device = Description()
    device.boolean("Link0")
    for number in range(1, 6):
        device.formula(
            f"Gate{number}", "V" if kind == "pIsAvailable" else "V = 0", V=f"Link{number - 1}Value"
        )
        device.boolean(f"Link{number}", extra=f"<{kind}>Gate{number}</{kind}>")
    writer = configure(device, features={f"Link{number}": True for number in order})
    assert writer.problems == []
    assert actual(writer) == {f"features.Link{number}": True for number in order}


def test_a_feature_that_waits_for_a_setting_is_set_after_it(
    device: Description, configure: Configure
) -> None:
    device.float("ExposureTime", 100)
    device.choice("ExposureAuto", "Off", "Continuous", value=1)
    device.formula("IsAuto", "A", A="ExposureAuto")
    device.float("ExposureDelay", 1, extra="<pIsLocked>IsAuto</pIsLocked>")
    writer = configure(device, features={"ExposureDelay": 7.0}, exposure_us=500.0)
    assert writer.problems == []  # the setting has switched off what locked the feature before it
    assert actual(writer) == {"exposure_us": 500.0, "features.ExposureDelay": 7.0}


def test_a_setting_that_needs_a_feature_finds_it_set(device: Description, configure: Configure) -> None:
    device.choice("ExposureMode", "TriggerWidth", "Timed")
    device.formula("IsTimed", "M = 1", M="ExposureMode")
    device.float("ExposureTime", 100, extra="<pIsAvailable>IsTimed</pIsAvailable>")
    writer = configure(device, exposure_us=5000.0, features={"ExposureMode": "Timed"})
    assert writer.problems == []
    assert actual(writer)["exposure_us"] == 5000.0
    assert configure(device, exposure_us=5000.0).problems == []  # the setting itself asks for Timed


def test_a_feature_of_the_users_own_is_not_overridden_on_the_way_and_the_conflict_is_told(
    device: Description, configure: Configure
) -> None:
    device.choice("ExposureMode", "TriggerWidth", "Timed", value=1)
    device.formula("IsTimed", "M = 1", M="ExposureMode")
    device.float("ExposureTime", 100, extra="<pIsAvailable>IsTimed</pIsAvailable>")
    writer = configure(device, exposure_us=5000.0, features={"ExposureMode": "TriggerWidth"})
    assert writer.value("ExposureMode") == "TriggerWidth"
    (problem,) = writer.problems
    assert "--genicam.exposure-us 5000.0: ExposureTime is not available" in problem
    assert "--genicam.features.ExposureMode asks for TriggerWidth" in problem


def test_a_setting_and_a_feature_that_contradict_each_other_are_both_named(
    device: Description, configure: Configure
) -> None:
    device.float("ExposureTime", 100)
    writer = configure(device, exposure_us=5000.0, features={"ExposureTime": 3000})
    with pytest.raises(CameraSettingError) as raised:
        writer.raise_problems("it")
    for part in ("--genicam.exposure-us 5000.0", "3000", "--genicam.features.ExposureTime", "leave one"):
        assert part in str(raised.value)
    assert configure(device, exposure_us=5000.0, features={"exposuretime": "5e3"}).problems == []


def test_of_settings_that_undo_each_other_the_feature_wins_and_the_other_is_reported(
    device: Description, configure: Configure
) -> None:
    device.inner("Integer", "Amplifier", "<Value>0</Value>")
    device.alias("Gain", "Amplifier")
    device.alias("GainRaw2", "Amplifier")
    writer = configure(device, gain=5, features={"GainRaw2": 7})
    gain, feature = writer.readbacks()
    assert writer.problems == []
    assert (gain.asked, gain.actual, gain.differs) == (5, 7, True)
    assert (feature.actual, feature.differs) == (7, False)


def test_a_trigger_that_a_feature_holds_off_is_refused_with_both_named(
    device: Description, configure: Configure
) -> None:
    device.choice("TriggerMode", "Off", "On")
    device.choice("TriggerSource", "Line1")
    (problem,) = configure(device, trigger="line", features={"TriggerMode": "Off"}).problems
    assert problem == (
        "--genicam.trigger line: TriggerMode cannot be set to On; TriggerMode On is needed for that, and "
        "--genicam.features.TriggerMode asks for Off"
    )


def test_a_rate_beyond_a_limit_that_a_feature_lifts_is_reached(
    device: Description, configure: Configure
) -> None:
    device.choice("DeviceLinkThroughputLimitMode", "Off", "On", value=1)
    device.inner(
        "SwissKnife",
        "HighestRate",
        '<pVariable Name="M">DeviceLinkThroughputLimitMode</pVariable><Formula>M ? 40 : 100</Formula>',
    )
    device.float("AcquisitionFrameRate", 20, high="HighestRate")
    assert actual(configure(device, fps=60.0))["fps"] == 40.0
    writer = configure(device, fps=60.0, features={"DeviceLinkThroughputLimitMode": "Off"})
    assert actual(writer)["fps"] == 60.0


def test_what_is_still_refused_at_the_end_is_told_once(device: Description, configure: Configure) -> None:
    device.integer("Low", 0, 0, 3)
    device.integer("Fixed", 1, extra="<ImposedAccessMode>RO</ImposedAccessMode>")
    device.formula("Never", "1", A="Low")
    device.integer("Locked", 1, extra="<pIsLocked>Never</pIsLocked>")
    device.formula("NotThere", "0", A="Low")
    device.integer("Absent", 1, extra="<pIsAvailable>NotThere</pIsAvailable>")
    device.integer("Missing", 1, extra="<pIsImplemented>NotThere</pIsImplemented>")
    asked = {"Low": 9, "Fixed": 2, "Locked": 2, "Absent": 2, "Missing": 2, "Wide[": 1}
    problems = configure(device, features=asked).problems
    assert len(problems) == len(asked)
    said = dict(zip(("Wide[", "Low", "Fixed", "Locked", "Absent", "Missing"), problems, strict=True))
    assert "Low can be 0 to 3" in said["Low"]
    assert "Fixed is read-only" in said["Fixed"]
    assert "Locked cannot be set in the camera's present state" in said["Locked"]
    assert "Absent is not available in the camera's present state" in said["Absent"]
    assert "it has no feature Missing" in said["Missing"]
    assert "is spelled NAME, or NAME[VALUE]" in said["Wide["]


def test_a_value_that_a_read_only_feature_has_already_is_no_problem(
    device: Description, configure: Configure
) -> None:
    device.integer("Fixed", 1, extra="<ImposedAccessMode>RO</ImposedAccessMode>")
    assert configure(device, features={"Fixed": 1}).problems == []


# Selectors


@pytest.fixture
def chunks(device: Description) -> Description:
    device.choice("ChunkSelector", "Gain", "Timestamp", "FrameID", selects="ChunkEnable", value=2)
    device.selected("ChunkEnable", "ChunkSelector", {0: 1, 1: 0, 2: 0})
    return device


def test_one_feature_is_set_for_several_values_of_its_selector(
    chunks: Description, configure: Configure
) -> None:
    asked = {"ChunkEnable[Gain]": 0, "ChunkEnable[timestamp]": 1, "chunkenable[ChunkSelector:FrameID]": 5}
    writer = configure(chunks, features=asked)
    assert writer.problems == []
    assert actual(writer) == {f"features.{name}": value for name, value in asked.items()}
    assert writer.value("ChunkSelector") == "FrameID"  # where it was
    for choice, value in (("Gain", 0), ("Timestamp", 1), ("FrameID", 5)):
        with writer.at((("ChunkSelector", choice),)):
            assert writer.value("ChunkEnable") == value


def test_a_feature_behind_a_selector_is_read_back_where_it_was_set(
    chunks: Description, configure: Configure
) -> None:
    writer = configure(
        chunks, features={"ChunkSelector": "Timestamp", "ChunkEnable": 1, "ChunkEnable[Gain]": 0}
    )
    assert actual(writer) == {
        "features.ChunkSelector": "Timestamp",
        "features.ChunkEnable": 1,
        "features.ChunkEnable[Gain]": 0,
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ChunkEnable[Colour]", "ChunkSelector can be Gain, Timestamp, FrameID"),
        ("ChunkEnable[LineSelector:Gain]", "has no [LineSelector:Gain]"),
        ("ChunkSelector[Gain]", "has no selector"),
    ],
)
def test_a_selection_that_means_nothing_is_told_with_what_there_is(
    chunks: Description, configure: Configure, name: str, said: str
) -> None:
    (problem,) = configure(chunks, features={name: 1}).problems
    assert said in problem


def test_of_two_selectors_the_one_that_fits_is_meant_and_where_both_fit_the_user_says_which(
    device: Description, configure: Configure
) -> None:
    device.choice("SetSelector", "A", "B", selects="Source")
    device.choice("PathSelector", "B", "C", selects="Source")
    device.selected("Source", "SetSelector", {0: 0, 1: 0})
    assert configure(device, features={"Source[C]": 1}).problems == []
    (problem,) = configure(device, features={"Source[B]": 1}).problems
    assert "[SetSelector:B], [PathSelector:B]" in problem
    assert configure(device, features={"Source[SetSelector:B][PathSelector:C]": 1}).problems == []


# User sets


def test_a_user_set_is_loaded_before_anything_else_and_saved_after_everything() -> None:
    nodes = RecordedNodes(
        selectors={"UserSetLoad": ("UserSetSelector",), "UserSetSave": ("UserSetSelector",)}
    )
    writer = FeatureWriter(nodes)
    features = {"UserSetSave": True, "Gamma": 2, "UserSetSelector": 1, "UserSetLoad": True}
    apply_settings(writer, "genicam", CameraSettings(gain=3.0, features=features), CaptureRequest())
    done = [name for name in nodes.done if name in (*features, "Gain")]
    assert done == ["UserSetSelector", "UserSetLoad", "Gamma", "Gain", "UserSetSave"]
