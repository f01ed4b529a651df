"""What a source is to FFmpeg: the input that opens it, and how it is named to people."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from enum import Enum, auto

from rheed_acquire import CameraSettingError, DeviceInfo
from rheed_acquire_video.settings import URL_SCHEMES, VideoSettings, shown_url

DEVICE_INPUTS = {"linux": "v4l2", "win32": "dshow", "darwin": "avfoundation"}
"""FFmpeg's input for capture devices, by `sys.platform`."""

X11_OPTIONS = {"draw_mouse": "0", "follow_mouse": "centered"}
"""A whole screen or window cannot follow the mouse anywhere. But FFmpeg then asks where it is, and so notices
that the window or the X server is gone; without that it sends the last picture again and again."""


class Kind(Enum):
    """What can be asked of a source, and what can be believed of it, goes by its kind."""

    DEVICE = auto()
    SCREEN = auto()
    NETWORK = auto()
    PICTURES = auto()


@dataclass(frozen=True, slots=True)
class Source:
    """Something that FFmpeg can open.

    Attributes
    ----------
    kind
        See `Kind`.
    device
        How it is listed, and named in messages: without a secret.
    target
        What FFmpeg is given; for a stream this may hold a password.
    input_name
        FFmpeg's input (``v4l2``); None where the stream itself tells.
    options
        For FFmpeg, by this source alone.
    """

    kind: Kind
    device: DeviceInfo
    target: str = field(repr=False)
    input_name: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def named_source(settings: VideoSettings) -> Source | None:
    """Return the source that the settings name; None where that is a capture device.

    Raises
    ------
    CameraSettingError
        This system has no such source.
    """
    if settings.url is not None:
        return _stream(settings.url.get_secret_value(), is_secret=True)
    text = settings.source
    if text is None:
        return None
    if "://" in text:
        return _stream(text, is_secret=False)
    prefix, _, rest = text.partition(":")
    match prefix.strip().lower():
        case "lavfi":
            return Source(
                Kind.PICTURES,
                DeviceInfo("video", model="FFmpeg's test pictures", address=text),
                rest.strip(),
                "lavfi",
            )
        case "screen":
            return _screen(rest.strip())
        case "window" if rest.strip():
            return _window(rest.strip())
    return None


def device_source(device: DeviceInfo) -> Source:
    """Return the source for a capture device of this system.

    Raises
    ------
    CameraSettingError
        FFmpeg has no input for capture devices of this system.
    """
    name = DEVICE_INPUTS.get(sys.platform)
    if name is None:
        raise CameraSettingError(f"--video.source: FFmpeg opens no capture devices on {sys.platform}")
    target = {"dshow": f"video={device.address}", "avfoundation": f"{device.address}:none"}
    # Its driver's thread fills this while Python is busy.
    options = {"rtbufsize": "256M"} if name == "dshow" else {}
    return Source(Kind.DEVICE, device, target.get(name, device.address), name, options)


def _stream(url: str, *, is_secret: bool) -> Source:
    scheme = url.partition("://")[0].lower()
    # No answer of a server makes FFmpeg open a file of this computer.
    protocols = ("tls", "crypto", "httpproxy", "srtp", *URL_SCHEMES)
    return Source(
        Kind.NETWORK,
        DeviceInfo("video", model=f"{scheme.upper()} stream", address=shown_url(url, is_secret=is_secret)),
        url,
        None,
        {
            "protocol_whitelist": ",".join(protocols),
            # Over UDP, which FFmpeg tries first, what the network drops is missing in the picture.
            **({"rtsp_transport": "tcp"} if scheme in ("rtsp", "rtsps") else {}),
        },
    )


def _screen(display: str) -> Source:
    if sys.platform == "win32":
        name, target, options = "gdigrab", "desktop", {"draw_mouse": "0"}
    elif sys.platform == "darwin":
        name, target, options = (
            "avfoundation",
            f"Capture screen {display or 0}:none",
            {"capture_cursor": "0"},
        )
    else:
        name, target, options = "x11grab", _display(display), dict(X11_OPTIONS)
    address = "screen" if not display else f"screen:{display}"
    return Source(Kind.SCREEN, DeviceInfo("video", model="screen", address=address), target, name, options)


def _window(which: str) -> Source:
    device = DeviceInfo("video", model="window", address=f"window:{which}")
    is_number = re.fullmatch(r"0x[0-9a-fA-F]+|\d+", which) is not None
    if sys.platform == "win32":
        target = f"{'hwnd' if is_number else 'title'}={which}"
        return Source(Kind.SCREEN, device, target, "gdigrab", {"draw_mouse": "0"})
    if sys.platform == "darwin":
        raise CameraSettingError(
            "--video.source window: FFmpeg cannot take a window on macOS; take its region of the screen "
            "(screen, with --video.width, --video.height, --video.offset-x, --video.offset-y)"
        )
    if not is_number:
        raise CameraSettingError(
            f"--video.source window:{which}: a window of X11 is chosen by its number, such as "
            "window:0x3a00007; xwininfo prints it"
        )
    options = {**X11_OPTIONS, "window_id": str(int(which, 0))}
    return Source(Kind.SCREEN, device, _display(""), "x11grab", options)


def _display(display: str) -> str:
    chosen = display or os.environ.get("DISPLAY", "")
    if not chosen:
        raise CameraSettingError(
            "--video.source: there is no X11 display to take a picture of: DISPLAY is not set"
        )
    return chosen
