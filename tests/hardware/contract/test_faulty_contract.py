"""The camera that fails on demand under the contract, as long as it is not asked to fail."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.testing import CameraContract, TakenFrame

MODULE = "hardware_mocks.faulty_camera.rheed_acquire_faulty"
FAULTS = (
    "gap_every gap_length duplicate_every backward_every backward_by id_cycle timestamp_wrap_bits jitter_ms "
    "burst shape_change_at raise_at raise_again die_at stall_at stall_s vanish_at vanish_s vanish_every "
    "silent hang_s"
)


@pytest.mark.usefixtures("new_faulty_camera")
class TestFaulty(CameraContract):
    backend = "faulty"
    settings = {"width": 64, "height": 48, "seed": 3}
    fps = 500.0
    serials = ("F-1",)
    changes = {"width": 128, "height": 32}
    unread = {
        **dict.fromkeys(FAULTS.split(), "it is a fault: see tests/faults"),
        **dict.fromkeys(("seed", "speed", "witness"), "it is for tests/faults"),
    }
    gap_settings = {"gap_every": 10, "gap_length": 3}
    fault_settings = {"vanish_at": 20, "vanish_s": 0.3}

    @classmethod
    def entry_points(cls) -> Iterable[EntryPoint]:
        """Add the mock's to those that are installed."""
        return [*super().entry_points(), EntryPoint("faulty", MODULE, "rheed_acquire")]

    def lose_frames(self, camera: Camera) -> int:
        """Wait for what its settings make happen."""
        return 3

    def lose_device(self, camera: Camera) -> None:
        """Wait for what its settings make happen."""

    def expected_pixels(self, settings: Any, info: CameraInfo, taken: TakenFrame) -> Any:
        """Draw the picture of the stamp in the first pixels."""
        from hardware_mocks.faulty_camera.rheed_acquire_faulty.pattern import expected_frame

        stamp = int.from_bytes(taken.pixels.reshape(-1)[:8].tobytes(), "little")
        return expected_frame(stamp, info.height, info.width, settings.seed)
