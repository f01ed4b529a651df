"""What another program writes, as a camera: a folder in which images appear, or a file that grows.

numpy and what reads the formats are imported when a camera is opened, not before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire import CameraBackend, DeviceInfo, hookimpl
from rheed_acquire_growing.settings import GrowingSettings

if TYPE_CHECKING:
    from rheed_acquire import CaptureRequest
    from rheed_acquire_growing.camera import GrowingCamera

__all__ = ["GrowingSettings", "discover", "open_camera", "rheed_register_cameras"]


def describe(settings: GrowingSettings) -> DeviceInfo:
    """Name what the settings choose."""
    return DeviceInfo(
        backend="growing", model="a file or folder that grows", address=str(settings.path or "")
    )


def discover(settings: GrowingSettings) -> Sequence[DeviceInfo]:
    """List the file or folder that the settings name, where it is there."""
    # Path's raises where the folder may not be entered, and what is listed is what can be opened.
    is_there = settings.path is not None and os.path.exists(settings.path)  # noqa: PTH110
    return [describe(settings)] if is_there else []


def open_camera(settings: GrowingSettings, request: CaptureRequest) -> GrowingCamera:
    """Wait for the first whole frame.

    Raises
    ------
    CameraNotFoundError
        What was lost is not there again.
    CameraSettingError
        There is no path, nothing of the kind can be followed, or the settings do not suit it.
    CameraError
        Nobody waits for it any more, or it cannot be read.
    """
    from rheed_acquire_growing.camera import GrowingCamera

    return GrowingCamera(settings, request, describe(settings))


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``growing``."""
    register(
        CameraBackend(
            name="growing",
            description="what another program writes: a folder of images, TIFF, AVI, kSA 400 or HDF5",
            settings=GrowingSettings,
            discover=discover,
            open=open_camera,
            requires=("av", "h5py", "hdf5plugin", "imagecodecs", "PIL", "tifffile"),
            install='pip install "rheed-acquire[growing]"',
            waits_to_open=True,
        )
    )
