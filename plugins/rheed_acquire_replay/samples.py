"""From samples as they are stored to frames that a camera delivers: gray of 8 to 16 bits, or RGB of 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that a monochrome format has."""
_LUMA = np.array([77, 150, 29], np.uint32)
"""Of red, green and blue, in 256ths: as colour becomes gray everywhere in this project (ITU-R BT.601)."""


class SamplesError(ValueError):
    """Samples that cannot be taken as they are; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What is black and what is white, for samples that are no whole numbers of 8 or 16 bits."""

    low: float
    high: float


class Samples:
    """Turns stored samples into what a camera delivers.

    Whole numbers from 0 to 65,535 stay what they are, whatever type they are stored as. Pictures in colour
    become 8-bit RGB, or 16-bit gray where they have more than 8 bits; opacity is left out. With a scale, what
    lies between its ends is spread over 16 bits.

    Parameters
    ----------
    shape, dtype
        Of a stored frame, as `rheed_acquire_replay.recording.Recording` has them.
    bits
        Significant bits of a sample.
    scale
        As the user gives it.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], bits: int, scale: Scale | None) -> None:
        self._scale, self._stored = scale, dtype
        self.bits = 16 if scale is not None else next(depth for depth in DEPTHS if depth >= bits)
        self._limit = (1 << bits) - 1 if scale is None else 65_535
        self.is_colour = len(shape) == 3 and self.bits == 8
        self.shape = (*shape[:2], 3) if self.is_colour else shape[:2]
        self.dtype = np.dtype(np.uint8 if self.bits == 8 else np.uint16)
        self.above = 0
        """Frames so far in which a sample was above what its bits can be, and was taken for that."""

    @property
    def pixel_format(self) -> str:
        """In PFNC spelling."""
        return "RGB8" if self.is_colour else f"Mono{self.bits}"

    def of(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Turn frames of shape (N, *stored shape) into (N, *shape), C-contiguous, in native byte order.

        Raises
        ------
        SamplesError
            They are no whole numbers of 16 bits; the message begins with what the frames hold.
        """
        if frames.ndim == 4:
            frames = frames[..., :3]
        if self._scale is not None:
            frames = self._spread(frames)
        elif frames.dtype.kind == "b":
            frames = frames.astype(np.uint8) * np.uint8(255)
        else:
            frames = whole(frames)
            if frames.dtype.itemsize > self.dtype.itemsize or self.bits not in (8, 16):
                frames = self._limited(frames)
        if frames.ndim == 4 and not self.is_colour:
            frames = np.asarray((frames @ _LUMA + 128) >> 8)
        return np.ascontiguousarray(frames, dtype=self.dtype)

    def _limited(self, frames: NDArray[Any]) -> NDArray[Any]:
        if int(frames.max()) <= self._limit:
            return frames
        self.above += int(np.count_nonzero(frames.reshape(len(frames), -1).max(axis=1) > self._limit))
        return np.asarray(np.minimum(frames, frames.dtype.type(self._limit)))

    def _spread(self, frames: NDArray[Any]) -> NDArray[Any]:
        assert self._scale is not None
        low, high = self._scale.low, self._scale.high
        spread = (frames.astype(np.float64) - low) * (65_535.0 / (high - low))
        # What is no number is black.
        np.nan_to_num(spread, copy=False, nan=0.0, posinf=65_535.0, neginf=0.0)
        return np.rint(np.clip(spread, 0.0, 65_535.0)).astype(np.uint16)


class DeliveredSamples:
    """Samples that are what a camera delivered already, in a pixel format that is known.

    Parameters
    ----------
    shape
        Of a frame.
    pixel_format
        In PFNC spelling.
    """

    above = 0

    def __init__(self, shape: tuple[int, ...], pixel_format: str) -> None:
        self.shape, self.pixel_format = shape, pixel_format

    def of(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Give frames of shape (N, *shape) as they are, C-contiguous."""
        return np.ascontiguousarray(frames)


def whole(frames: NDArray[Any]) -> NDArray[Any]:
    """Give samples as uint8 or uint16 where they are such numbers, whatever type they have.

    Raises
    ------
    SamplesError
        They are not.
    """
    kind = frames.dtype.kind
    if kind == "b":
        return frames.astype(np.uint8)
    if kind == "u" and frames.dtype.itemsize <= 2:
        return frames.astype(frames.dtype.newbyteorder("="), copy=False)
    way_out = "say what is black and what is white with --replay.scale MIN:MAX"
    if kind == "f":
        if not np.isfinite(frames).all():
            raise SamplesError(f"holds values that are no numbers; {way_out}")
        if (np.rint(frames) != frames).any():
            raise SamplesError(f"holds values that are no whole numbers; {way_out}")
    if frames.size:
        low, high = frames.min(), frames.max()
        if low < 0 or high > 65_535:
            raise SamplesError(
                f"holds values from {low:g} to {high:g}, and 0 to 65535 can be taken; {way_out}"
            )
    return frames.astype(np.uint16)
