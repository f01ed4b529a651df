"""How the pixels of an image lie in a GenICam SDK's buffer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import CameraError, CameraSettingError, DeviceInfo
from rheed_acquire.cameras.genapi.configure import flag, pfnc_name
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.nodes import NodeKind
from rheed_acquire.cameras.pixel_formats import (
    SUPPORTED_FORMATS,
    SUPPORTED_IN_WORDS,
    find_pixel_format,
    frame_layout,
)

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How the pixels of an image lie in the SDK's buffer.

    Attributes
    ----------
    pixel_format
        In PFNC spelling.
    shape, dtype
        Of the array to hand out, as `rheed_acquire.cameras.pixel_formats.frame_layout` has it.
    width, height
        Of the image in pixels.
    nbytes
        Of the image without padding.
    """

    pixel_format: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    width: int
    height: int
    nbytes: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height} {self.pixel_format}"


def image_layout(pixel_format: str, width: int, height: int) -> ImageLayout:
    """Tell the layout of a PFNC pixel format.

    Raises
    ------
    CameraSettingError
        The format cannot be streamed.
    """
    shape, dtype = frame_layout(pixel_format, height, width)
    return ImageLayout(pixel_format, shape, dtype, width, height, math.prod(shape) * dtype.itemsize)


def check_pixel_format(writer: FeatureWriter, backend: str, device: DeviceInfo) -> str:
    """Give the camera's pixel format, in PFNC spelling.

    Raises
    ------
    CameraSettingError
        It cannot be streamed; the message names those of the camera that can, and the flag.
    """
    name = pfnc_name(str(writer.value("PixelFormat")))
    try:
        find_pixel_format(name)
    except CameraSettingError:
        node = writer.first("PixelFormat")
        has = node.choices() if node is not None and node.kind is NodeKind.ENUMERATION else ()
        usable = [pfnc_name(choice) for choice in has if pfnc_name(choice) in SUPPORTED_FORMATS]
        remedy = (
            f"choose one that can with {flag(backend, 'pixel_format')}: {', '.join(usable)}"
            if usable
            else f"it has {', '.join(has) or 'no other'}, and those that can are {SUPPORTED_IN_WORDS}"
        )
        raise CameraSettingError(
            f"{device} is set to the pixel format {name}, which cannot be turned into 8-bit gray; {remedy}"
        ) from None
    return name


class PaddedRows:
    """Reads images whose rows may end in bytes that are not pixels.

    Parameters
    ----------
    padding
        Bytes behind each row; behind the last one they may be missing.

    Raises
    ------
    CameraError
        Rows of packed pixels do not end on whole bytes, so that nobody can say where the next one begins.
    """

    def __init__(self, layout: ImageLayout, padding: int) -> None:
        self._layout, self._padding = layout, padding
        packed = len(layout.shape) == 1
        bits = find_pixel_format(layout.pixel_format).bits * layout.width
        if padding and packed and bits % 8:
            raise CameraError(
                f"the camera sends {layout} in rows that do not end on whole bytes, with {padding} bytes of "
                "padding behind each: choose a width that is a multiple of 8, or a pixel format that is not "
                "packed"
            )
        self._row = layout.nbytes // layout.height
        self.nbytes = layout.nbytes + padding * (layout.height - 1)
        # Packed pixels are handed out in one piece. This is their only copy, into memory that is there once.
        self._joined = np.empty(layout.nbytes, np.uint8) if padding and packed else None

    def read(self, buffer: memoryview | bytes) -> Pixels:
        """View an image, or the joined rows of packed pixels.

        Raises
        ------
        CameraError
            The buffer is too small for the image.
        """
        layout, pitch = self._layout, self._row + self._padding
        if len(buffer) < self.nbytes:
            padded = f" with {self._padding} bytes of padding behind each row" if self._padding else ""
            raise CameraError(
                f"the camera sent {len(buffer)} bytes where an image of {layout}{padded} takes {self.nbytes}"
            )
        if not self._padding:
            return np.ndarray(layout.shape, layout.dtype, buffer)
        if self._joined is not None:
            rows = np.ndarray((layout.height, self._row), np.uint8, buffer, strides=(pitch, 1))
            np.copyto(self._joined.reshape(rows.shape), rows)
            return self._joined
        itemsize = layout.dtype.itemsize
        pixel = itemsize * (layout.shape[2] if len(layout.shape) == 3 else 1)
        return np.ndarray(
            layout.shape, layout.dtype, buffer, strides=(pitch, pixel, itemsize)[: len(layout.shape)]
        )
