"""GenICam cameras under the contract, as the mock producer has them."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

from typing import Any

import pytest
from tests.hardware.contract.sfnc_changes import SELECTS, SFNC_CHANGES

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.testing import CameraContract, TakenFrame


@pytest.mark.usefixtures("mock_producer")
class TestGenicam(CameraContract):
    backend = "genicam"
    settings = {"serial": "MOCK-0001", "width": 64, "height": 48, "exposure_us": 50.0}
    fps = 500.0
    serials = ("MOCK-0001", "MOCK-0002")
    second = {"serial": "MOCK-0002"}
    absent = {"serial": "MOCK-4711"}
    ambiguous = {"serial": None}
    changes = {
        **SFNC_CHANGES,
        "gain": 6.0,
        "binning_horizontal": 2,
        "binning_vertical": 4,
        "features": {"TestPattern": "White", "ChunkEnable[Gain]": False},
        "user_id": "growth chamber",
        "cti": ("/opt/one.cti", "/opt/two.cti"),
        "vendor": "Lab",
        "model": "Eye",
        "index": 1,
        "chunk_timestamps": True,
    }
    unread = {
        **dict.fromkeys(("serial", "user_id", "cti", "vendor", "model", "index"), SELECTS),
        "chunk_timestamps": "it chooses what the plugin reads, not what the camera holds",
    }
    fault_settings = {"features": {"FaultReturnAfter": 300}}
    leak_why = "harvesters and genicam kept 30 kB of each of 1,000 openings"

    def lose_frames(self, camera: Camera) -> int:
        """Command a fault of the mock; the public API sets no feature of a camera that streams."""
        _node(camera, "FaultDropNext").value = 3
        return 3

    def lose_device(self, camera: Camera) -> None:
        """Command a fault of the mock."""
        _node(camera, "FaultLoseDevice").execute()

    def expected_pixels(self, settings: Any, info: CameraInfo, taken: TakenFrame) -> Any:
        """Compute the moving ramp and stamp of the frame's id."""
        from rheed_mock_gentl import expected_frame

        assert taken.id is not None
        return expected_frame(taken.id, info.width, info.height, info.pixel_format)


def _node(camera: Camera, feature: str) -> Any:
    return camera._connection.node_map.get_node(feature)  # type: ignore[attr-defined]
