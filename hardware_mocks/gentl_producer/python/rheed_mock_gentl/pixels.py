"""The exact pixels of every frame that the mock camera sends.

With N the bits of a sample (8, 10, 12 or 16), k the frame id and (u, v) the column and row of a
sensor pixel, the moving ramps have the value

    GreyHorizontalRampMoving   (u + k)     mod 2^N
    GreyVerticalRampMoving     (v + k)     mod 2^N
    GreyDiagonalRampMoving     (u + v + k) mod 2^N

and the ramps at rest the same without k. White is 2^N - 1, Black 0. Off shows the sensor: raw frame (k mod
count) of ``SensorFrameFile``, shifted left by N - 8, and black without a file. A binned pixel is the sum of
its sensor pixels, at most 2^N - 1 (BinningMode Sum), or that sum divided by their number and rounded down
(Average). The region is cut out after binning. Colour filters of a mosaic have no effect; in colour sample
c of a pixel, from 0 in the order of memory, is its value plus c times 2^(N-2), mod 2^N. Last, with
``FrameStampEnable``, every sample of pixel i of the first 8 of the first row becomes byte i of k as a
little-endian 64-bit number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_BITS = {
    "Mono8": 8,
    "Mono10": 10,
    "Mono12": 12,
    "Mono12p": 12,
    "Mono16": 16,
    "BayerRG8": 8,
    "BayerRG12": 12,
    "BayerRG12p": 12,
    "RGB8": 8,
    "BGR8": 8,
    "RGB12": 12,
}
_IN_COLOUR = ("RGB8", "BGR8", "RGB12")
_PACKED = ("Mono12p", "BayerRG12p")
_SLOPES = {  # factors of u, v and k
    "GreyHorizontalRamp": (1, 0, 0),
    "GreyVerticalRamp": (0, 1, 0),
    "GreyHorizontalRampMoving": (1, 0, 1),
    "GreyVerticalRampMoving": (0, 1, 1),
    "GreyDiagonalRampMoving": (1, 1, 1),
}


def _sensor(
    frame_id: int,
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    bits: int,
    pattern: str,
    sensor_frames: NDArray[np.uint8] | None,
) -> NDArray[np.int64]:
    shape = (len(rows), len(columns))
    if pattern == "Black" or (pattern == "Off" and sensor_frames is None):
        return np.zeros(shape, np.int64)
    if pattern == "White":
        return np.full(shape, 2**bits - 1, np.int64)
    if pattern == "Off":
        assert sensor_frames is not None
        image = sensor_frames[frame_id % len(sensor_frames)].astype(np.int64)
        shown: NDArray[np.int64] = image[np.ix_(rows, columns)] << (bits - 8)
        return shown
    if pattern not in _SLOPES:
        raise ValueError(f"no test pattern {pattern!r}; there are Off, Black, White, {', '.join(_SLOPES)}")
    a, b, c = _SLOPES[pattern]
    values: NDArray[np.int64] = (
        a * columns[np.newaxis, :] + b * rows[:, np.newaxis] + np.int64(c * (frame_id % 2**bits))
    ) % 2**bits
    return values


def expected_frame(
    frame_id: int,
    width: int,
    height: int,
    pixel_format: str = "Mono8",
    *,
    pattern: str = "GreyDiagonalRampMoving",
    offset_x: int = 0,
    offset_y: int = 0,
    binning_horizontal: int = 1,
    binning_vertical: int = 1,
    binning_mode: str = "Average",
    stamp: bool = True,
    sensor_frames: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Compute the pixels of one frame.

    Parameters
    ----------
    frame_id
        The id that the buffer carries: 0 for the first frame after AcquisitionStart.
    width, height, offset_x, offset_y
        The region, in binned pixels.
    pixel_format
        A key of `SAMPLE_BITS`.
    pattern, binning_mode, stamp
        As ``TestPattern``, ``BinningMode`` and ``FrameStampEnable`` are set.
    sensor_frames
        The frames of ``SensorFrameFile``: shape (N, SensorHeight, SensorWidth), uint8.

    Returns
    -------
    ndarray
        Shape (height, width), in colour (height, width, 3); uint8 for 8 bits, else uint16 (packed ones
        unpacked).

    Raises
    ------
    ValueError
        There is no such pattern, format or binning mode.
    """
    if pixel_format not in SAMPLE_BITS:
        raise ValueError(f"no pixel format {pixel_format!r}; there are {', '.join(SAMPLE_BITS)}")
    if binning_mode not in ("Average", "Sum"):
        raise ValueError(f"no binning mode {binning_mode!r}; there are Average and Sum")
    bits = SAMPLE_BITS[pixel_format]
    columns = np.arange(width * binning_horizontal, dtype=np.int64) + offset_x * binning_horizontal
    rows = np.arange(height * binning_vertical, dtype=np.int64) + offset_y * binning_vertical
    sensor = _sensor(frame_id, columns, rows, bits, pattern, sensor_frames)
    values: NDArray[np.int64] = sensor.reshape(height, binning_vertical, width, binning_horizontal).sum(
        axis=(1, 3)
    )
    if binning_mode == "Average":
        values //= binning_horizontal * binning_vertical
    np.minimum(values, 2**bits - 1, out=values)
    if pixel_format in _IN_COLOUR:
        values = (values[..., np.newaxis] + np.arange(3) * 2 ** (bits - 2)) % 2**bits
    if stamp:
        stamped = list((frame_id % 2**64).to_bytes(8, "little"))
        values[0, :8] = np.array(stamped).reshape(8, *[1] * (values.ndim - 2))
    return values.astype(np.uint8) if bits == 8 else values.astype(np.uint16)


def expected_payload(
    frame_id: int, width: int, height: int, pixel_format: str = "Mono8", **how: object
) -> NDArray[np.uint8]:
    """Compute the image bytes as they lie in the buffer; the arguments are those of `expected_frame`.

    Returns
    -------
    ndarray
        Shape (bytes,), uint8: little-endian 16-bit samples for more than 8 bits; packed, two pixels in three
        bytes, the first in byte 0 and the low half of byte 1 (PFNC).
    """
    frame = expected_frame(frame_id, width, height, pixel_format, **how)  # type: ignore[arg-type]
    if frame.dtype == np.uint8:
        return frame.astype(np.uint8).reshape(-1)
    if pixel_format not in _PACKED:
        return frame.astype("<u2").reshape(-1).view(np.uint8)
    pairs = frame.reshape(-1, 2)
    packed = np.empty((len(pairs), 3), np.uint8)
    packed[:, 0] = pairs[:, 0] & 0xFF
    packed[:, 1] = (pairs[:, 0] >> 8) | ((pairs[:, 1] & 0x0F) << 4)
    packed[:, 2] = pairs[:, 1] >> 4
    return packed.reshape(-1)


def read_stamp(frame: NDArray[np.uint8] | NDArray[np.uint16]) -> int:
    """Give the frame id that the first 8 pixels of a frame carry; the shape is (height, width), unpacked."""
    return int.from_bytes(bytes(int(value) & 0xFF for value in frame[0, :8]), "little")
