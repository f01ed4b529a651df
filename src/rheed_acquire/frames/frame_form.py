"""What the frames of a ring are: their size, their pixel format, and how 8-bit gray is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rheed_acquire.cameras.pixel_formats import UINT8, UINT16, find_pixel_format, frame_layout
from rheed_acquire.frames.pixels import Converter, make_leveller, make_unpacker
from rheed_acquire.frames.reduction import WHOLE, Reduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

Levels: TypeAlias = "NDArray[np.uint8] | NDArray[np.uint16]"


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames lie in a ring: as the camera delivers them.

    Attributes
    ----------
    height, width
        Of the image, in pixels.
    pixel_format
        In PFNC spelling.
    bit_shift
        How far deeper samples are shifted right to be 8 bits; None for the format's significant ones (see
        `rheed_acquire.frames.pixels.make_converter`).
    """

    height: int
    width: int
    pixel_format: str = "Mono8"
    bit_shift: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one frame's array (see `rheed_acquire.cameras.pixel_formats.frame_layout`)."""
        return frame_layout(self.pixel_format, self.height, self.width)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of one frame's array."""
        return frame_layout(self.pixel_format, self.height, self.width)[1]

    @property
    def frame_bytes(self) -> int:
        """That one frame takes."""
        elements = 1
        for length in self.shape:
            elements *= length
        return elements * self.dtype.itemsize

    @property
    def bits(self) -> int:
        """Significant bits of a sample: a gray level is at most ``2**bits - 1``."""
        return find_pixel_format(self.pixel_format).bits

    @property
    def is_gray8(self) -> bool:
        """Whether the frames are 8-bit gray already."""
        return self.pixel_format == "Mono8"

    @property
    def shift(self) -> int:
        """How far samples are shifted right to be 8 bits."""
        return self.bits - 8 if self.bit_shift is None else self.bit_shift

    def unpacked(self) -> FrameForm:
        """What the frames are once packed samples have an element each; itself where they are not packed."""
        known = find_pixel_format(self.pixel_format)
        if not known.is_packed:
            return self
        return FrameForm(self.height, self.width, known.unpacked, self.bit_shift)

    def samples_of(self) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """Make what gives frames with an element for each sample, as `unpacked` says.

        Called with frames (N, ...) as they lie in the ring; gives the frames themselves where they are so
        already. It uses memory of its own: call it from one thread at a time.
        """
        if not find_pixel_format(self.pixel_format).is_packed:
            return lambda frames: frames
        return self._one_by_one(make_unpacker(self.pixel_format, self.height, self.width))

    def levels_of(self) -> Callable[[NDArray[Any]], Levels]:
        """Make what gives the gray levels of frames at the camera's depth.

        Called with frames (N, ...) as they lie in the ring; gives (N, H, W) uint8 or uint16, the frames
        themselves where they are such levels already. Colour and mosaics become luma. It uses memory of
        its own: call it from one thread at a time.
        """
        known = find_pixel_format(self.pixel_format)
        if not known.is_packed and not known.colours:
            return lambda frames: frames
        return self._one_by_one(make_leveller(self.pixel_format, self.height, self.width))

    def _one_by_one(self, convert: Converter) -> Callable[[NDArray[Any]], NDArray[Any]]:
        dtype = UINT8 if self.bits == 8 else UINT16

        def of(frames: NDArray[Any]) -> NDArray[Any]:
            made: NDArray[Any] = np.empty((len(frames), self.height, self.width), dtype)
            for frame, one in zip(frames, made, strict=True):
                convert(frame, one)
            return made

        return of


@dataclass(frozen=True, slots=True)
class ChunkForm:
    """What a run's chunks hold beside their size, and what the stream has of them.

    Attributes
    ----------
    pixel_format, bit_shift
        See `FrameForm`.
    reduction
        How the stream's frames are made of the ring's.
    archive
        Folder of the run's archive, which has every frame too; None where there is none.
    waits
        Whether the source waits while the ring is full, as a recording does; no matter of what chunks hold.
    """

    pixel_format: str = "Mono8"
    bit_shift: int | None = None
    reduction: Reduction = WHOLE
    archive: Path | None = None
    waits: bool = field(default=False, compare=False)

    def frame(self, height: int, width: int) -> FrameForm:
        """The form of frames of this size."""
        return FrameForm(height, width, self.pixel_format, self.bit_shift)


PLAIN = ChunkForm()
"""Frames of 8-bit gray, which the stream has all of."""
