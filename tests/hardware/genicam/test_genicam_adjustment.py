"""Exposure and gain of a GenICam camera while it streams, on the mock GenTL producer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rheed_acquire import CameraError, CameraSettingError

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam


def test_exposure_and_gain_are_changed_while_frames_come_and_none_is_lost(genicam: Genicam) -> None:
    camera, recorder = genicam.open(exposure_us=1000.0), genicam.recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(20)
    assert camera.adjust({"exposure_us": 1500.0, "gain": 6.0}) == {"exposure_us": 1500.0, "gain": 6.0}
    assert camera.adjust({"exposure_us": 1250.0}) == {"exposure_us": 1250.0}
    assert camera.adjustable() == {"exposure_us": 1250.0, "gain": 6.0}
    recorder.wait_for_frames(len(recorder.ids) + 20)
    camera.stop()
    assert recorder.ids == list(range(recorder.ids[0], recorder.ids[0] + len(recorder.ids)))
    assert not recorder.faults
    camera.close()
    assert camera.adjustable() == {}
    with pytest.raises(CameraError, match="closed"):
        camera.adjust({"gain": 1.0})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exposure_us": 1200.0, "gain": 400.0}, r"gain 400\.0: Gain .*0 to 48"),
        ({"exposure_us": 0.01, "gain": 3.0}, r"exposure_us 0\.01: ExposureTime .* to "),
        ({"exposure_us": 1e6}, r"exposure_us 1e\+06: at .* frames/s it is at most"),
    ],
)
def test_what_the_camera_refuses_or_gives_fewer_frames_for_leaves_all_as_it_was(
    genicam: Genicam, changes: dict[str, float], said: str
) -> None:
    camera = genicam.open(exposure_us=1000.0, gain=2.0)
    with pytest.raises(CameraSettingError, match=said):
        camera.adjust(changes)
    assert camera.adjust({"gain": 2.0}) == {"gain": 2.0}
    held = camera.adjust({"exposure_us": 1000.0})
    assert held == {"exposure_us": 1000.0}
    camera.close()
