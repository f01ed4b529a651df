"""Cameras that Aravis reaches under the contract: its fake GigE camera, and the fake one in the library."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from tests.hardware.aravis.fake_gige import ADDRESS, SERIAL, FakeGige, expected_mono8, need_aravis
from tests.hardware.contract.sfnc_changes import SELECTS, SFNC_CHANGES

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.testing import CameraContract, Change, TakenFrame


@pytest.fixture(autouse=True, scope="module")
def fake_gige() -> Iterator[None]:
    need_aravis()
    with FakeGige() as camera:
        TestAravis.plugged = camera
        yield


class TestAravis(CameraContract):
    plugged: ClassVar[FakeGige]

    backend = "aravis"
    # The fake camera keeps what the test before has set.
    settings = {
        "fake": True,
        "address": ADDRESS,
        "width": 64,
        "height": 48,
        "pixel_format": "Mono8",
        "exposure_us": 5000.0,
        "gain": 0.0,
    }
    fps = 200.0
    serials = (SERIAL, "1")
    second = {"address": None, "serial": "1"}
    absent = {"address": None, "serial": "no such camera"}
    ambiguous = {"address": None}
    changes = {
        **SFNC_CHANGES,
        "gain": 3.0,
        "pixel_format": "Mono16",
        "binning_horizontal": 2,
        "binning_vertical": 4,
        "trigger_line": Change("Line0", beside={"trigger": "line"}),
        "trigger_edge": Change(
            "rising", beside={"trigger": "line", "trigger_line": "Line0"}, spelt="RisingEdge"
        ),
        "features": {"TestBoolean": True, "GainAuto": "Continuous"},
        "user_id": "growth chamber",
        "vendor": "Aravis",
        "model": "Fake",
        "index": 1,
        "library": "/opt/libaravis-0.8.so.0",
        "packet_size": 1000,
        "packet_delay_ns": 0,
        "packet_resend": False,
        "packet_socket": False,
    }
    unread = {
        **dict.fromkeys(("serial", "user_id", "address", "vendor", "model", "index", "fake"), SELECTS),
        "library": "it names what is loaded: see test_library",
        "packet_resend": "it is the driver's to hold, which does not tell",
        "packet_socket": "it is the driver's to hold, which does not tell",
    }

    def lose_device(self, camera: Camera) -> None:
        """Pull its plug and put it in again."""
        self.plugged.unplug()
        self.plugged.plug_in()

    def expected_pixels(self, settings: Any, info: CameraInfo, taken: TakenFrame) -> Any:
        """Compute the moving ramp of the frame's id."""
        assert taken.id is not None
        return expected_mono8(taken.id, info.width, info.height, settings.exposure_us)
