"""A camera that fails in every way cameras fail, on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire import CameraBackend, DeviceInfo, hookimpl

from .device import DEVICE
from .settings import FaultySettings

if TYPE_CHECKING:
    from rheed_acquire import CaptureRequest

    from .camera import FaultyCamera

__all__ = ["DEVICE", "FaultySettings", "discover", "open_camera", "rheed_register_cameras"]


def discover(settings: FaultySettings) -> Sequence[DeviceInfo]:  # noqa: ARG001
    """List the one faulty camera."""
    return [DEVICE]


def open_camera(settings: FaultySettings, request: CaptureRequest) -> FaultyCamera:
    """Open the camera.

    Raises
    ------
    CameraLostError
        It has vanished and not come back yet.
    CameraSettingError
        A setting is out of its range.
    """
    from .camera import FaultyCamera

    return FaultyCamera(settings, request)


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``faulty``."""
    register(
        CameraBackend(
            name="faulty",
            description="a camera that fails on demand, for tests",
            settings=FaultySettings,
            discover=discover,
            open=open_camera,
        )
    )
