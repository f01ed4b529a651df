"""Basler cameras, by Basler's own SDK (pylon, through pypylon).

pypylon is imported when a camera is looked for or opened, not before. With ``PYLON_CAMEMU=1`` in the
environment pylon emulates one camera, with 2 two, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rheed_acquire import Camera, CameraBackend, CaptureRequest, DeviceInfo, hookimpl
from rheed_acquire_basler.settings import BaslerSettings

__all__ = ["BaslerSettings", "discover", "open_camera"]


def discover(settings: BaslerSettings) -> Sequence[DeviceInfo]:  # noqa: ARG001 - the backend's signature
    """List every camera that pylon sees, whichever of them the settings choose."""
    from rheed_acquire_basler import devices

    return devices.discover()


def open_camera(settings: BaslerSettings, request: CaptureRequest) -> Camera:
    """Open and configure the camera that the settings choose.

    Raises
    ------
    CameraNotFoundError
        No camera, or none that the settings fit.
    AmbiguousCameraError
        Several fit.
    CameraSettingError
        The camera refuses settings; the message names each of them.
    CameraError
        It cannot be opened, most often because another program has it.
    """
    from rheed_acquire_basler import camera, devices

    return camera.BaslerCamera(devices.choose(settings), settings, request)


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``basler``."""
    register(
        CameraBackend(
            name="basler",
            description="Basler cameras (GigE, USB3, CoaXPress) through pylon",
            settings=BaslerSettings,
            discover=discover,
            open=open_camera,
            requires=("pypylon",),
            install='pip install "rheed-acquire[basler]"',
        )
    )
