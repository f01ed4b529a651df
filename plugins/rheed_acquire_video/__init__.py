"""What FFmpeg opens, as a camera: capture devices, network cameras, a screen or a window, test pictures.

PyAV is imported when a camera is looked for or opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire import CameraBackend, DeviceInfo, hookimpl
from rheed_acquire_video.settings import VideoSettings

if TYPE_CHECKING:
    from rheed_acquire import CaptureRequest
    from rheed_acquire_video.camera import VideoCamera

__all__ = ["VideoSettings", "discover", "open_camera", "rheed_register_cameras"]


def discover(settings: VideoSettings) -> Sequence[DeviceInfo]:
    """List the capture devices of this computer, and the stream or screen that the settings name."""
    from rheed_acquire_video import devices, sources

    source = sources.named_source(settings)
    return [*([] if source is None else [source.device]), *devices.capture_devices()]


def open_camera(settings: VideoSettings, request: CaptureRequest) -> VideoCamera:
    """Open what the settings choose, and wait for its first picture.

    Raises
    ------
    CameraNotFoundError
        No capture device, or none of that name.
    AmbiguousCameraError
        Several devices, and none was chosen.
    CameraSettingError
        The source cannot be opened with these settings.
    CameraError
        It cannot be opened, or gives no picture.
    """
    from rheed_acquire_video import camera, devices, sources

    source = sources.named_source(settings) or devices.choose(settings.source, devices.capture_devices())
    return camera.VideoCamera(source, settings, request)


@hookimpl
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Register the backend ``video``."""
    register(
        CameraBackend(
            name="video",
            description="what FFmpeg opens: webcams, frame grabbers, network cameras, a window or the screen",
            settings=VideoSettings,
            discover=discover,
            open=open_camera,
            requires=("av",),
            install='pip install "rheed-acquire[video]"',
        )
    )
