"""How the pixels of an image lie in a GenICam SDK's buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How the pixels of an image lie in the SDK's buffer.

    Attributes
    ----------
    shape
        Of the array to hand out; empty for packed formats, which are handed out as they are.
    width, height
        Of the image in pixels.
    nbytes
        Of the image without padding; 0 for packed formats.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    width: int
    height: int
    nbytes: int


_CHANNELS_AND_BYTES = {
    **dict.fromkeys(("Mono8", "BayerGR8", "BayerRG8", "BayerGB8", "BayerBG8"), (1, 1)),
    **dict.fromkeys(("Mono10", "Mono12", "Mono14", "Mono16"), (1, 2)),
    **{f"Bayer{order}{bits}": (1, 2) for order in ("GR", "RG", "GB", "BG") for bits in (10, 12, 16)},
    **dict.fromkeys(("RGB8", "BGR8"), (3, 1)),
}


def image_layout(pixel_format: str, width: int, height: int) -> ImageLayout:
    """Tell the layout of a PFNC pixel format; one that is not known counts as packed."""
    known = _CHANNELS_AND_BYTES.get(pixel_format)
    if known is None:
        return ImageLayout((), np.dtype(np.uint8), width, height, 0)
    channels, itemsize = known
    shape = (height, width) if channels == 1 else (height, width, channels)
    dtype = np.dtype(np.uint8 if itemsize == 1 else np.uint16)
    return ImageLayout(shape, dtype, width, height, width * height * channels * itemsize)


def padded_rows(buffer: memoryview | bytes, layout: ImageLayout, padding: int) -> Pixels:
    """View an image whose rows end in ``padding`` bytes that are not pixels.

    Raises
    ------
    ValueError
        The buffer is too small for the image.
    """
    row = layout.nbytes // layout.height
    if len(buffer) < (row + padding) * (layout.height - 1) + row:
        raise ValueError(f"an image of {len(buffer)} bytes where {layout.nbytes} were expected")
    itemsize = layout.dtype.itemsize
    pixel = itemsize * (layout.shape[2] if len(layout.shape) == 3 else 1)
    strides = (row + padding, pixel, itemsize)[: len(layout.shape)]
    return np.ndarray(layout.shape, layout.dtype, buffer, strides=strides)
