"""Which devices of an SDK's list are one, and which is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rheed_acquire import AmbiguousCameraError, CameraNotFoundError, CameraSettings, DeviceInfo
from rheed_acquire.cameras.genapi.choosing import choose_one, each_once

ONE = DeviceInfo("genicam", serial="1", model="Eye", vendor="Lab", user_id="gun", address="10.0.0.2")


@dataclass(frozen=True)
class Listed:
    info: DeviceInfo


def choose(found: list[DeviceInfo], index: int | None = None, **asked: str) -> DeviceInfo:
    devices = [Listed(info) for info in found]
    by = {"serial": "serial", "user_id": "user_id"}
    settings = CameraSettings(**asked)
    return choose_one(devices, settings, index, backend="genicam", kind="eye", by=by).info


@pytest.mark.parametrize(
    ("other", "devices"),
    [
        (ONE, 1),
        (replace(ONE, user_id=""), 1),  # another driver tells less
        (replace(ONE, address=""), 1),
        (replace(ONE, serial="2"), 2),
        (replace(ONE, model="Ear"), 2),
        (replace(ONE, user_id="load lock"), 2),  # clones with one serial number, told apart by the user
        (replace(ONE, address="10.0.0.3"), 2),
    ],
)
def test_devices_are_one_where_nothing_tells_them_apart(other: DeviceInfo, devices: int) -> None:
    assert len(each_once([Listed(ONE), Listed(other), Listed(ONE)])) == devices


def test_devices_without_a_serial_number_are_never_taken_for_one() -> None:
    nameless = replace(ONE, serial="")
    assert len(each_once([Listed(nameless), Listed(nameless)])) == 2
    assert choose([nameless, nameless], index=1) == nameless


def test_the_index_counts_those_that_fit_otherwise() -> None:
    found = [ONE, replace(ONE, serial="2"), replace(ONE, serial="3", user_id="x")]
    assert choose(found, index=1, user_id="gun").serial == "2"
    with pytest.raises(CameraNotFoundError, match=r"--genicam\.index 2: there are 2 eyes that fit"):
        choose(found, index=2, user_id="gun")
    with pytest.raises(AmbiguousCameraError, match=r"choose one with --genicam\.serial, .*--genicam\.index"):
        choose(found)
