"""What a station tells of its camera: as the camera says itself, after each change and each return."""

from __future__ import annotations

from typing import Any

import pytest

from rheed_acquire.cameras.camera import CameraInfo, DeviceInfo, SettingReadback
from rheed_acquire.view import camera_figures
from rheed_acquire.view.camera_figures import CameraFigures
from rheed_acquire.view.interface import Adjustable

SETTINGS = (
    SettingReadback("exposure_us", 5000.0, 4998.5),
    SettingReadback("gain", "low", "low"),
    SettingReadback("trigger", True, True),
)
INFO = CameraInfo(DeviceInfo("one"), 32, 24, "Mono8", 50.0, settings=SETTINGS)


class Camera:
    """What is asked of the acquisition."""

    def __init__(self) -> None:
        self.held: dict[str, float] = {"exposure_us": 4998.5, "gain": 2.0}
        self.asked = 0

    def temperature_c(self) -> float | None:
        self.asked += 1
        return 41.5

    def adjustable(self) -> dict[str, float]:
        return dict(self.held)


def look(figures: CameraFigures, camera: Any, is_there: bool | None = True) -> None:
    figures.look(camera, is_there=is_there)


def test_what_was_asked_for_stands_beside_what_the_camera_has() -> None:
    figures, camera = CameraFigures(), Camera()
    assert figures.adjustable("gain", INFO, {}) is None
    look(figures, camera)
    assert figures.temperature_c == 41.5
    assert figures.adjustable("exposure_us", INFO, {}) == Adjustable(asked=5000.0, actual=4998.5)
    assert figures.adjustable("exposure_us", INFO, {"exposure_us": 1.0}) == Adjustable(
        asked=1.0, actual=4998.5
    )
    assert figures.adjustable("gain", INFO, {}) == Adjustable(asked=None, actual=2.0)
    assert figures.adjustable("gain", None, {}) == Adjustable(asked=None, actual=2.0)
    assert figures.adjustable("trigger", INFO, {}) is None


def test_the_camera_is_asked_now_and_then_and_at_once_after_a_change_and_a_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera_figures, "INTERVAL_S", 1e6)
    figures, camera = CameraFigures(), Camera()
    for _ in range(3):
        look(figures, camera)
    assert camera.asked == 1
    camera.held["gain"] = 3.0
    figures.look_again()
    look(figures, camera, None)  # a run is being begun: what was told stands
    assert figures.adjustable("gain", INFO, {}) == Adjustable(asked=None, actual=2.0)
    look(figures, camera)
    assert figures.adjustable("gain", INFO, {}) == Adjustable(asked=None, actual=3.0)
    look(figures, camera, False)
    assert (figures.temperature_c, figures.adjustable("gain", INFO, {})) == (None, None)
    camera.held = {"gain": 0.0}
    look(figures, camera)
    assert camera.asked == 3
    assert figures.adjustable("gain", INFO, {}) == Adjustable(asked=None, actual=0.0)
    assert figures.adjustable("exposure_us", INFO, {}) is None
