"""Any GenICam camera, through the GenTL producer that its vendor's driver installs, on harvesters.

harvesters is imported when a camera is looked for or opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rheed_acquire import Camera, CameraBackend, CaptureRequest, DeviceInfo, hookimpl
from rheed_acquire_genicam.settings import GenicamSettings

__all__ = ["GenicamSettings", "discover", "open_camera"]


def discover(settings: GenicamSettings) -> Sequence[DeviceInfo]:
    """List every camera that the producers see, whichever of them the settings choose.

    A producer that cannot be used is logged with its reason and passed over.

    Raises
    ------
    CameraError
        harvesters' native part cannot be loaded.
    """
    from rheed_acquire_genicam import devices

    return devices.discover(settings)


def open_camera(settings: GenicamSettings, request: CaptureRequest) -> Camera:
    """Open and configure the camera that the settings choose.

    Raises
    ------
    CameraNotFoundError
        No producer, no camera, or none that the settings fit.
    AmbiguousCameraError
        Several fit.
    CameraSettingError
        The camera refuses settings; the message names each of them.
    CameraError
        It cannot be opened, most often because another program has it.
    """
    from rheed_acquire_genicam import camera, devices

    return camera.GenicamCamera(devices.choose(settings), settings, request)


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``genicam``."""
    register(
        CameraBackend(
            name="genicam",
            description="GenICam cameras of any vendor through GenTL producers (harvesters)",
            settings=GenicamSettings,
            discover=discover,
            open=open_camera,
            requires=("harvesters",),
            install='pip install "rheed-acquire[genicam]"',
        )
    )
