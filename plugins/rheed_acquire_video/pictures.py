"""What a decoded picture is as an array: a view of FFmpeg's own memory wherever that can be.

Luma is taken as it comes. Its range, where that is the limited one of television (black 16, white 235), is
neither stretched nor cut: see decision 0035. Names of pixel formats are FFmpeg's (``libavutil/pixfmt.h``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraSettingError

if TYPE_CHECKING:
    import av

View: TypeAlias = Callable[["av.VideoFrame"], NDArray[Any]]

UINT16 = np.dtype("<u2")

_LUMA_8 = re.compile(r"gray|ya8|yuvj?a?4\d\dp|nv\d\d")
_LUMA_DEEP = re.compile(r"(?:gray|yuva?4\d\dp)(9|10|12|14|16)([lb]e)")
_LUMA_HIGH = re.compile(r"p[024](10|12|16)([lb]e)")
_LUMA_PACKED = {"yuyv422": 0, "yvyu422": 0, "uyvy422": 1}
"""Where in each pair of bytes the luma is."""
_LUMA_PACKED_HIGH = {"y210le": 10, "y212le": 12, "y216le": 16}
_BAYER_8 = {
    "bayer_rggb8": "BayerRG8",
    "bayer_grbg8": "BayerGR8",
    "bayer_gbrg8": "BayerGB8",
    "bayer_bggr8": "BayerBG8",
}
_COLOURS = {
    **dict.fromkeys(("rgb24",), ("RGB8", 3, 0)),
    **dict.fromkeys(("bgr24",), ("BGR8", 3, 0)),
    **dict.fromkeys(("rgb0", "rgba"), ("RGB8", 4, 0)),
    **dict.fromkeys(("bgr0", "bgra"), ("BGR8", 4, 0)),
    **dict.fromkeys(("0rgb", "argb"), ("RGB8", 4, 1)),
    **dict.fromkeys(("0bgr", "abgr"), ("BGR8", 4, 1)),
}
"""Name in PFNC spelling, bytes of a pixel, and the first one that is a colour."""
_LIMITED, _FULL = 1, 2
"""FFmpeg's numbers for the range of luma."""


@dataclass(frozen=True, slots=True)
class PictureForm:
    """How the pictures of one stream are read.

    Attributes
    ----------
    pixel_format
        In PFNC spelling.
    view
        Makes an array of a decoded picture, (H, W) or (H, W, 3), with any strides: a view of FFmpeg's memory,
        or a copy where samples have to be brought into place.
    levels
        What is black and white, for the user.
    """

    pixel_format: str
    view: View
    levels: str


def picture_form(frame: av.VideoFrame) -> PictureForm:
    """Say how pictures like this one are read.

    Raises
    ------
    CameraSettingError
        They cannot be.
    """
    name = frame.format.name
    levels = _levels(frame)
    if _LUMA_8.fullmatch(name):
        step = 2 if name == "ya8" else 1
        return PictureForm("Mono8", lambda one: _samples(one, np.uint8, step), levels)
    if name in _LUMA_PACKED:
        first = _LUMA_PACKED[name]
        return PictureForm("Mono8", lambda one: _samples(one, np.uint8, 2, first), levels)
    if deep := _LUMA_DEEP.fullmatch(name):
        bits, dtype = int(deep[1]), np.dtype("<u2" if deep[2] == "le" else ">u2")
        if dtype == UINT16:
            return PictureForm(_mono(bits), lambda one: _samples(one, UINT16), levels)
        return PictureForm(_mono(bits), lambda one: _samples(one, dtype).astype(UINT16), levels)
    if high := _LUMA_HIGH.fullmatch(name):
        bits, dtype = int(high[1]), np.dtype("<u2" if high[2] == "le" else ">u2")
        return PictureForm(
            _mono(bits), lambda one: (_samples(one, dtype) >> (16 - bits)).astype(UINT16), levels
        )
    if name in _LUMA_PACKED_HIGH:
        depth = _LUMA_PACKED_HIGH[name]
        return PictureForm(_mono(depth), lambda one: _samples(one, UINT16, 2) >> (16 - depth), levels)
    if name in _BAYER_8:
        return PictureForm(_BAYER_8[name], lambda one: _samples(one, np.uint8), levels)
    if name in _COLOURS:
        colours, step, first = _COLOURS[name]
        return PictureForm(colours, lambda one: _pixels(one, step, first), levels)
    return _converted(frame)


def _converted(frame: av.VideoFrame) -> PictureForm:
    """For the rest: FFmpeg brings it to what can be read."""
    name, depth = frame.format.name, max(component.bits for component in frame.format.components)
    if name.startswith("bayer_"):
        raise CameraSettingError(
            f"--video.input-format: pictures of {name} cannot be read; {', '.join(_BAYER_8)} and gray can"
        )
    if depth > 8:
        target, pixel_format = "gray16le", "Mono16"
    elif frame.format.is_rgb or name == "pal8":
        target, pixel_format = "rgb24", "RGB8"
    else:
        target, pixel_format = "gray", "Mono8"
    read = picture_form(frame.reformat(format=target)).view
    return PictureForm(
        pixel_format,
        lambda one: read(one.reformat(format=target)),
        f"of {name}, brought to {target} by FFmpeg",
    )


def _samples(frame: av.VideoFrame, dtype: Any, step: int = 1, first: int = 0) -> NDArray[Any]:
    """View the first plane as (H, W) samples, each one of ``step``."""
    plane, size = frame.planes[0], np.dtype(dtype).itemsize
    strides = (plane.line_size, step * size)
    return np.ndarray((frame.height, frame.width), dtype, memoryview(plane), first * size, strides)


def _pixels(frame: av.VideoFrame, step: int, first: int) -> NDArray[Any]:
    """View the only plane as (H, W, 3) bytes of pixels that are ``step`` bytes apart."""
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, 3), np.uint8, memoryview(plane), first, (plane.line_size, step, 1)
    )


def _mono(bits: int) -> str:
    """The format of PFNC for so many bits: there is none for 9."""
    return f"Mono{max(bits, 10)}"


def _levels(frame: av.VideoFrame) -> str:
    name = frame.format.name
    if not name.startswith(("yuv", "nv", "yvyu", "uyvy", "p0", "p2", "p4", "y2")):
        return "as they come"
    depth = max(component.bits for component in frame.format.components)
    if name.startswith("yuvj") or frame.color_range == _FULL:
        return "luma as it comes, of the full range"
    black, white = 16 << (depth - 8), 235 << (depth - 8)
    told = "" if frame.color_range == _LIMITED else ", as far as the source tells"
    return f"luma as it comes, of the limited range{told}: black is {black}, white {white}"
