"""Recordings as a camera: Zarr, HDF5, TIFF, kSA 400, folders of images, NumPy files, raw files and video."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire import CameraBackend, DeviceInfo, hookimpl
from rheed_acquire_replay.settings import ReplaySettings

if TYPE_CHECKING:
    from rheed_acquire import CameraInfo, CaptureRequest
    from rheed_acquire_replay.camera import ReplayCamera

__all__ = ["ReplaySettings", "discover", "open_camera", "rheed_register_cameras"]

INSTALL = 'pip install "rheed-acquire[replay]"'


def describe(settings: ReplaySettings) -> DeviceInfo:
    """Name the recording that the settings choose."""
    return DeviceInfo(backend="replay", model="recording", address=str(settings.path or ""))


def discover(settings: ReplaySettings) -> Sequence[DeviceInfo]:
    """List the recording that the settings name, where it is there."""
    path = settings.path
    if isinstance(path, Path) and not os.path.exists(path):  # noqa: PTH110 - Path's raises of a private folder
        return []
    return [describe(settings)] if path is not None and path.exists() else []


def open_camera(settings: ReplaySettings, request: CaptureRequest) -> ReplayCamera:
    """Open a recording.

    Raises
    ------
    CameraError
        It is not there, cannot be read, or holds no frame.
    CameraSettingError
        The settings do not suit it.
    """
    # numpy is imported here and not with the plugin, so that help and listings stay fast.
    from rheed_acquire_replay.camera import ReplayCamera

    return ReplayCamera(settings, request, describe(settings))


def inspect(settings: ReplaySettings) -> CameraInfo:
    """Say what a recording is; raises as `open_camera`, but not where the rate or the date is wanting."""
    from rheed_acquire_replay.camera import inspect_recording

    return inspect_recording(settings, describe(settings))


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``replay``."""
    register(
        CameraBackend(
            name="replay",
            description="a recording: Zarr, HDF5, TIFF, kSA 400, a folder of images, NumPy or video",
            settings=ReplaySettings,
            discover=discover,
            open=open_camera,
            inspect=inspect,
            requires=("av", "h5py", "hdf5plugin", "imagecodecs", "PIL", "rawpy", "tifffile", "zarr"),
            install=INSTALL,
        )
    )
