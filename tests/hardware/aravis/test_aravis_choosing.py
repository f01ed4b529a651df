"""Which camera is meant, and what is said where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.hardware.aravis.fake_gige import ADDRESS, SERIAL, FakeGige

from rheed_acquire import CameraNotFoundError, CameraSettingError
from rheed_acquire_aravis import AravisSettings, discover

if TYPE_CHECKING:
    from tests.hardware.aravis.conftest import Cameras


def test_cameras_are_listed_and_the_fake_one_of_the_library_where_it_is_asked_for(gige: FakeGige) -> None:
    for fake in (True, False):
        found = {device.serial: device for device in discover(AravisSettings(fake=fake))}
        assert ("1" in found) is fake
        assert str(found[SERIAL]) == f"Aravis Fake (serial {SERIAL}, address {ADDRESS})"


@pytest.mark.parametrize(
    "choice",
    [
        {"serial": SERIAL},
        {"serial": SERIAL, "address": ADDRESS, "vendor": "Aravis", "model": "Fake"},
        {"address": ADDRESS},
    ],
)
def test_a_camera_is_chosen_by_what_tells_it_apart(
    gige: FakeGige, cameras: Cameras, choice: dict[str, Any]
) -> None:
    camera = cameras.open(**({"address": None, "fake": True} | choice))
    device = camera.info.device
    assert (device.serial, device.model, device.address) == (SERIAL, "Fake", ADDRESS)


@pytest.mark.parametrize("choice", [{"address": "127.0.0.77"}, {"address": None, "user_id": "no-such-name"}])
def test_an_address_or_name_that_nobody_answers_to_is_an_error(
    cameras: Cameras, choice: dict[str, Any]
) -> None:
    with pytest.raises(
        CameraNotFoundError, match=f"no camera answers to {next(filter(None, choice.values()))}"
    ):
        cameras.open(**choice)


def test_what_only_gige_cameras_have_is_refused_of_others_by_flag(cameras: Cameras) -> None:
    with pytest.raises(CameraSettingError) as raised:
        cameras.open(address=None, fake=True, serial="1", packet_size=1500, packet_delay_ns=9)
    assert "--aravis.packet-size 1500: it is no GigE camera" in str(raised.value)
    assert "--aravis.packet-delay-ns 9: it is no GigE camera" in str(raised.value)


def test_a_feature_that_is_not_there_is_refused_with_the_nearest(gige: FakeGige, cameras: Cameras) -> None:
    with pytest.raises(CameraSettingError, match=r"no feature ExposureTimeAb; the nearest .*ExposureTimeAbs"):
        cameras.open(features={"ExposureTimeAb": 5})
    with pytest.raises(CameraSettingError, match=r"--aravis\.width 5000: Width can be 1 to 2048"):
        cameras.open(width=5000)


def test_the_size_of_packets_is_told_and_set(gige: FakeGige, cameras: Cameras) -> None:
    assert dict(cameras.open().info.notes)["packets"].endswith(" bytes each")
    cameras.close()
    camera = cameras.open(packet_size=1000, width=200, height=100)
    assert dict(camera.info.notes)["packets"] == "1000 bytes each"
    taken = cameras.start(camera)
    taken.wait_for_frames(3)
    camera.stop()
    # 20,000 bytes in packets of 1,000, headers included, with leader and trailer
    assert camera.statistics()["received_packets"] >= 3 * 22
