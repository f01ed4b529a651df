"""Capture devices: those of this computer, and the one that is meant."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from rheed_acquire import AmbiguousCameraError, CameraError, CameraNotFoundError, DeviceInfo
from rheed_acquire_video.failures import reason
from rheed_acquire_video.sources import DEVICE_INPUTS, Source, device_source

V4L2_FOLDER = Path("/sys/class/video4linux")

# Video4Linux: VIDIOC_QUERYCAP and its struct v4l2_capability, in the kernel's documentation of the interface.
_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("16s32s32sIII12x")
_CAPTURES = 0x00000001 | 0x00001000
_HAS_DEVICE_CAPABILITIES = 0x80000000


def capture_devices() -> list[DeviceInfo]:
    """List this computer's capture devices, by the number or name that its system gives them.

    Raises
    ------
    CameraError
        The system does not tell.
    """
    if sys.platform == "linux":
        return v4l2_devices(V4L2_FOLDER, Path("/dev"))
    name = DEVICE_INPUTS.get(sys.platform)
    return [] if name is None else _devices_by_ffmpeg(name)


def choose(wanted: str | None, found: Sequence[DeviceInfo]) -> Source:
    """Return the capture device that is meant, of those that were found.

    Parameters
    ----------
    wanted
        Its address, serial number or name; None for the only one there is.

    Raises
    ------
    CameraNotFoundError
        There is none, or none that fits.
    AmbiguousCameraError
        Several fit.
    """
    listed = "; there are: " + ", ".join(str(device) for device in found) if found else "; there is none"
    if wanted is None:
        fitting = found
    else:
        path = os.path.realpath(wanted) if sys.platform == "linux" else wanted
        fitting = (
            [device for device in found if device.address in (wanted, path)]
            or [device for device in found if device.serial == wanted]
            or [device for device in found if device.model == wanted]
        )
    if len(fitting) == 1:
        return device_source(fitting[0])
    if fitting:
        what = "several capture devices" if wanted is None else f"several capture devices fit {wanted!r}"
        raise AmbiguousCameraError(
            f"{what}: {', '.join(str(device) for device in fitting)}; choose one by its address with "
            "--video.source"
        )
    if wanted is None:
        raise CameraNotFoundError(
            "no capture device found: plug one in, or say with --video.source which stream, screen or window "
            "is meant"
        )
    raise CameraNotFoundError(f"no capture device is called {wanted!r}{listed}")


def v4l2_devices(folder: Path, nodes: Path) -> list[DeviceInfo]:
    """List what Video4Linux can capture from.

    Parameters
    ----------
    folder
        Where the kernel lists its video nodes.
    nodes
        Where they can be opened.
    """
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    numbered = sorted((int(name[5:]), name) for name in names if name[:5] == "video" and name[5:].isdigit())
    return [
        DeviceInfo(
            backend="video",
            model=_text(folder / name / "name"),
            # A USB device's own, two levels up: the node belongs to one of its interfaces.
            serial=_text(Path(os.path.realpath(folder / name / "device")).parent / "serial"),
            address=str(nodes / name),
        )
        for _, name in numbered
        if _captures(nodes / name)
    ]


def _captures(node: Path) -> bool:
    """Whether pictures come from a node: a camera has others, for what it says of its pictures.

    One that may not be opened is listed, so that opening it can say why.
    """
    if sys.platform != "linux":
        return True
    import fcntl

    answer = bytearray(_CAPABILITY.size)
    try:
        handle = os.open(node, os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(handle, _QUERYCAP, answer)
        finally:
            os.close(handle)
    except OSError:
        return True
    *_, of_all, of_this = _CAPABILITY.unpack(answer)
    return bool((of_this if of_all & _HAS_DEVICE_CAPABILITIES else of_all) & _CAPTURES)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _devices_by_ffmpeg(name: str) -> list[DeviceInfo]:
    import av

    if not hasattr(av, "enumerate_input_devices"):
        raise CameraError(f"PyAV {av.__version__} cannot list capture devices: pip install --upgrade av")
    try:
        found: Sequence[av.DeviceInfo] = av.enumerate_input_devices(name)
    except (av.FFmpegError, OSError) as error:
        raise CameraError(f"the capture devices cannot be listed: {reason(error)}") from None
    return [
        DeviceInfo("video", model=one.description or one.name, address=one.name)
        for one in found
        if not one.media_types or "video" in one.media_types
    ]
