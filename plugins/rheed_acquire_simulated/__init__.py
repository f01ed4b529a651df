"""A camera that is not there: a computed RHEED pattern, or image files played in a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire import CameraBackend, DeviceInfo, hookimpl
from rheed_acquire_simulated.settings import SimulatedSettings

if TYPE_CHECKING:
    from rheed_acquire import CaptureRequest
    from rheed_acquire_simulated.camera import SimulatedCamera

__all__ = ["SimulatedSettings", "discover", "open_camera", "rheed_register_cameras"]


def discover(settings: SimulatedSettings) -> Sequence[DeviceInfo]:
    """List the one simulated camera, which is always there."""
    return [describe(settings)]


def describe(settings: SimulatedSettings) -> DeviceInfo:
    """Name the simulated camera, with its folder where it plays image files."""
    if settings.images is None:
        return DeviceInfo(backend="simulated", model="simulated RHEED")
    return DeviceInfo(backend="simulated", model="image files", address=str(settings.images))


def open_camera(settings: SimulatedSettings, request: CaptureRequest) -> SimulatedCamera:
    """Open the simulated camera.

    Raises
    ------
    CameraError
        The folder of images cannot be played.
    CameraSettingError
        The frame rate or the rotation of ``request`` is not a usable number.
    """
    # numpy is imported here and not with the plugin, so that help and listings stay fast.
    from rheed_acquire_simulated.camera import SimulatedCamera

    return SimulatedCamera(settings, request, describe(settings))


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``simulated``."""
    register(
        CameraBackend(
            name="simulated",
            description="a computed RHEED pattern, or image files in a loop",
            settings=SimulatedSettings,
            discover=discover,
            open=open_camera,
        )
    )
