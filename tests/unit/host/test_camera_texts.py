"""What a camera says of itself is usable whatever it is, or refused in one sentence that names the plugin."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import BaseModel

from rheed_acquire.cameras.camera import (
    Camera,
    CameraError,
    CameraInfo,
    CaptureRequest,
    DeviceInfo,
    SettingReadback,
)
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.camera import guard_camera_backend
from rheed_acquire.host.guard.camera_texts import plain_texts

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import OnFault, OnFrame

GOOD = CameraInfo(DeviceInfo("one"), 48, 32, "Mono8", 50.0)


class Mute:
    """Fails when it is asked whether it is true, and for its text."""

    def __bool__(self) -> bool:
        raise OSError("no")

    def __str__(self) -> str:
        raise OSError("no")

    def __repr__(self) -> str:
        return "Mute()"


class Told(Camera):
    """Tells what it is told to."""

    def __init__(self, told: Any) -> None:
        self._told = told

    @property
    def info(self) -> CameraInfo:
        told: CameraInfo = self._told
        return told

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """Deliver nothing."""

    def stop(self) -> None:
        """End nothing."""

    def close(self) -> None:
        """Give nothing back."""


def guarded(told: CameraInfo) -> CameraInfo:
    """The info of a camera as a run has it."""
    backend = CameraBackend("one", "", BaseModel, lambda settings: [], lambda settings, request: Told(told))
    opened: Any = guard_camera_backend(backend, "a test 1.0", Patience()).open(None, CaptureRequest())
    try:
        info: CameraInfo = opened.info
        return info
    finally:
        opened.close()


def used(info: CameraInfo) -> None:
    """Do with an info what a run does with it."""
    assert type(info.width) is type(info.height) is int
    for fps in (info.fps, info.fps_at_most):
        assert fps is None or 0 < 1e9 / fps < 2**63
    for count in (info.frame_id_cycle, info.timestamp_wraps_ns, info.frames):
        assert count is None or count >= 0
    for moment in (info.captured_unix_ns, info.ended_unix_ns):
        assert moment is None or type(np.int64(moment)) is np.int64
    assert {type(one) for one in (info.recorded, info.waits, info.can_wait)} == {bool}
    assert {type(one) for one in (info.ptp_synchronized, info.utc_timestamps)} == {bool}
    texts = [
        info.pixel_format,
        info.firmware,
        *info.warnings,
        *(text for note in info.notes for text in note),
    ]
    texts += [] if info.fps_limited_by is None else [info.fps_limited_by]
    assert all(type(text) is str for text in texts)
    assert all(len(note) == 2 for note in info.notes)
    assert isinstance(str(info.device), str)
    assert [type(setting.differs) for setting in info.settings] == [bool] * len(info.settings)
    shown = [str(one) for setting in info.settings for one in (setting.name, setting.asked, setting.actual)]
    assert len(shown) == 3 * len(info.settings)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3)
odd = st.sampled_from(
    [object(), Mute(), np.arange(3), np.float32(5), np.int8(-1), np.bool_(True), {"a": 1}, {1, 2}, 1j]
)
junk = st.recursive(
    plain | odd, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.lists(inner, max_size=3)
)
FIELDS = [one.name for one in dataclasses.fields(CameraInfo)]


def assert_usable_or_refused(told: CameraInfo) -> None:
    refusal = ""
    try:
        used(guarded(told))
    except CameraError as error:
        refusal = str(error)
    event("refused" if refusal else "used")
    assert not refusal or refusal.startswith("camera one (a test 1.0) failed in info: ")


@given(st.dictionaries(st.sampled_from(FIELDS), junk, min_size=1, max_size=3))
def test_junk_in_any_field_is_made_usable_or_refused_by_the_plugins_name(changes: dict[str, Any]) -> None:
    assert_usable_or_refused(dataclasses.replace(GOOD, **changes))


@given(st.dictionaries(st.sampled_from([one.name for one in dataclasses.fields(DeviceInfo)]), junk))
def test_junk_of_a_device_is_made_text_or_refused(changes: dict[str, Any]) -> None:
    device = dataclasses.replace(GOOD.device, **changes)
    assert_usable_or_refused(dataclasses.replace(GOOD, device=device))


@given(junk, junk, junk)
def test_junk_of_a_setting_is_made_text_or_refused(name: Any, asked: Any, actual: Any) -> None:
    assert_usable_or_refused(dataclasses.replace(GOOD, settings=(SettingReadback(name, asked, actual),)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notes", ("rate", "20 by x")),
        ("notes", "rate: 20"),
        ("notes", (("rate", "20", "by x"),)),
        ("notes", None),
        ("warnings", "the shutter is closed"),
        ("warnings", None),
        ("recorded", "no"),
        ("waits", []),
    ],
)
def test_what_is_no_such_thing_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^CameraInfo\.{name} is .*, and must be "):
        plain_texts(dataclasses.replace(GOOD, **{name: value}))


def test_texts_of_any_kind_become_pythons_own() -> None:
    told: dict[str, Any] = {"notes": [["rate", 20]], "warnings": [OSError("dark")], "firmware": None}
    told["recorded"] = np.bool_(True)
    info = plain_texts(dataclasses.replace(GOOD, **told))
    assert (info.notes, info.warnings, info.firmware) == ((("rate", "20"),), ("dark",), "")
    assert info.recorded is True


class Format(str, Enum):  # noqa: UP042 - as many have it still
    MONO8 = "Mono8"


def test_an_enumeration_of_texts_is_its_value() -> None:
    told: dict[str, Any] = {"pixel_format": Format.MONO8, "warnings": (Format.MONO8,)}
    info = plain_texts(dataclasses.replace(GOOD, **told))
    assert (info.pixel_format, info.warnings) == ("Mono8", ("Mono8",))
    assert type(info.pixel_format) is str
