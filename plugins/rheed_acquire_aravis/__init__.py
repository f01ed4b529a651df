"""GigE Vision and USB3 Vision cameras of any vendor, without its software, through the library Aravis.

The library (libaravis 0.8) belongs to the system. It is loaded when a camera is looked for or opened, not
before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rheed_acquire import Camera, CameraBackend, CaptureRequest, DeviceInfo, hookimpl
from rheed_acquire_aravis.settings import AravisSettings

__all__ = ["AravisSettings", "discover", "open_camera", "rheed_register_cameras"]


def discover(settings: AravisSettings) -> Sequence[DeviceInfo]:
    """List every camera that Aravis sees, whichever of them the settings choose.

    Raises
    ------
    CameraError
        The library is not installed; the message says how to install it.
    """
    from rheed_acquire_aravis import devices, library

    return [found.info for found in devices.find_all(library.load(settings.library), fake=settings.fake)]


def open_camera(settings: AravisSettings, request: CaptureRequest) -> Camera:
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
        The library is not installed, or the camera cannot be opened, most often because another program has
        it.
    """
    from rheed_acquire_aravis import camera, connection, devices, library

    aravis = library.load(settings.library)
    opened = connection.Connection(aravis, devices.choose(aravis, settings))
    return camera.AravisCamera(opened, settings, request)


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``aravis``."""
    register(
        CameraBackend(
            name="aravis",
            description="GigE and USB3 cameras of any vendor without its software (libaravis)",
            settings=AravisSettings,
            discover=discover,
            open=open_camera,
        )
    )
