"""Finding a camera, choosing it, and setting it: what holds before the first frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.hardware.contract.checks import check_delivery
from tests.hardware.contract.rules import Rule, broken, told

from rheed_acquire import AmbiguousCameraError, Camera, CameraNotFoundError, CameraSettingError

if TYPE_CHECKING:
    from tests.hardware.contract.conftest import Bench
    from tests.hardware.contract.subjects import Change


def test_every_device_is_discovered_with_what_tells_it_from_its_neighbours(bench: Bench) -> None:
    devices = bench.discover()
    names = [str(device) for device in devices]
    if not devices or {device.backend for device in devices} != {bench.backend.name}:
        broken(Rule.DISCOVER, f"discovered: {devices}")
    if len(set(names)) != len(names):
        broken(Rule.DISCOVER, f"two devices bear one name: {names}")
    for serial in bench.subject.serials:
        if [device.serial for device in devices].count(serial) != 1:
            broken(Rule.DISCOVER, f"the camera with serial {serial} is not there once: {names}")


def test_the_device_that_was_chosen_is_the_one_that_is_opened(bench: Bench) -> None:
    listed = bench.discover()
    choices: list[dict[str, Any]] = [{}, *([dict(bench.subject.second)] if bench.subject.second else [])]
    for choice in choices:
        with bench.open(**choice) as camera:
            device = camera.info.device
            asked = bench.chosen(choice).get("serial")
        if device not in listed:
            broken(Rule.OPEN, f"{device} was opened, which is none of those discovered")
        if asked is not None and device.serial != asked:
            broken(Rule.OPEN, f"serial {asked} was asked for, and {device} was opened")


def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(bench: Bench) -> None:
    if bench.subject.absent is None:
        pytest.skip("nothing to choose by: give --serial" if bench.subject.real else "there is one device")
    with pytest.raises(CameraNotFoundError) as raised:
        bench.open(**bench.subject.absent)
    for serial in bench.subject.serials:
        assert serial in str(raised.value), told(Rule.OPEN, f"the message does not name {serial}")


def test_no_choice_among_several_is_an_error_that_lists_them(bench: Bench) -> None:
    if bench.subject.ambiguous is None:
        pytest.skip("there are not several devices to choose from, or they are not known")
    with pytest.raises(AmbiguousCameraError) as raised:
        bench.open(**bench.subject.ambiguous)
    for part in (*bench.subject.serials, f"--{bench.backend.name}.serial"):
        assert part in str(raised.value), told(Rule.OPEN, f"the message does not name {part}")


def _held(camera: Camera, name: str) -> list[tuple[str, Any]]:
    """Read a setting back: from the list of settings, or from what the frames will look like."""
    info = camera.info
    read = [(one.name, one.actual) for one in info.settings if one.name.split(".")[0] == name]
    if not read and name in ("width", "height", "pixel_format"):
        read = [(name, getattr(info, name))]
    return read


def test_a_setting_is_set_and_read_back(bench: Bench, change: Change) -> None:
    wanted = {change.name: change.value, **change.beside}
    if bench.subject.real and change.name not in bench.backend.settings.model_fields:
        pytest.skip(f"the backend {bench.backend.name} has no setting {change.name}")
    try:
        camera = bench.open(**wanted)
    except CameraSettingError as error:
        if bench.subject.real:
            pytest.skip(f"the camera refuses it, and says so: {error}")
        raise
    with camera:
        read = _held(camera, change.name)
        if not read:
            broken(Rule.SETTINGS, f"{change} was asked for and is not read back")
        for name, actual in read:
            value = change.value[name.partition(".")[2]] if "." in name else change.value
            expected = change.spelt or value
            if isinstance(expected, float):
                expected = pytest.approx(expected, rel=1e-3)  # a device has steps
            if actual != expected and not bench.subject.real:
                broken(Rule.SETTINGS, f"{change} was asked for, and {name} is {actual!r}")
        for name in ("width", "height", "pixel_format"):
            for _, actual in _held(camera, name):
                if actual != getattr(camera.info, name):
                    broken(Rule.SETTINGS, f"{name} is read back as {actual}, but info says otherwise")


def test_frames_have_the_size_that_was_set(bench: Bench) -> None:
    """Each frame is compared with `CameraInfo`, which the tests above compare with the settings."""
    fields = bench.backend.settings.model_fields
    sizes = {name: value for name, value in (("width", 128), ("height", 32)) if name in fields}
    check_delivery(lambda: bench.open(**({} if bench.subject.real else sizes)), frames=3)


def test_every_setting_of_the_backend_is_read_back_or_says_why_not(bench: Bench) -> None:
    if bench.subject.real:
        pytest.skip("the list is that of the mocks")
    if bench.subject.backend == "faulty":
        pytest.skip("but for its size, its settings are faults: they are tested in tests/faults")
    known = {change.name for change in bench.subject.changes} | set(bench.subject.unread)
    assert set(bench.backend.settings.model_fields) == known
