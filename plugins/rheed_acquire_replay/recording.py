"""What all kinds of recordings have in common: frames of one size, read in blocks, and what their time is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_replay import INSTALL

BLOCK_BYTES = 8 << 20
"""How much is read at a time where the format leaves the choice: enough that a read's overhead is small."""

_FORMATS = {(2, "uint8"): "Mono8", (2, "uint16"): "Mono16", (3, "uint8"): "RGB8"}


@dataclass(frozen=True, slots=True)
class Block:
    """Frames that were read together.

    Attributes
    ----------
    numbers
        N places in the recording, counted from 0, ascending.
    pixels
        (N, H, W) uint8 or uint16, or (N, H, W, 3) uint8, C-contiguous and in native byte order.
    times_ns
        N nanoseconds since the first frame of the recording; None where it keeps no times.
    """

    numbers: list[int]
    pixels: NDArray[Any]
    times_ns: list[int] | None = None


class Recording(ABC):
    """An opened recording.

    Attributes
    ----------
    path
        Of the file or folder.
    shape, dtype
        Of one frame: (H, W) uint8 or uint16, or (H, W, 3) uint8.
    count
        How many frames there are; None where only reading tells.
    fps
        Frames per second, None where the recording does not tell.
    captured_ns
        When its first frame was captured, in nanoseconds since 1970 in UTC; None where it does not tell.
    rotations_per_min
        Of the sample stage as it was recorded; None where the recording does not tell.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        count: int | None,
        fps: float | None = None,
    ) -> None:
        """Check that the frames can be replayed.

        Raises
        ------
        CameraError
            They are not 8- or 16-bit gray or 8-bit RGB, or there is none.
        """
        fits = (len(shape), dtype.name) in _FORMATS and (len(shape) == 2 or shape[2] == 3)
        if not fits or 0 in shape:
            raise CameraError(
                f"{path} holds frames of shape {shape} and {dtype.name} values; what can be replayed is 8- "
                "or 16-bit gray, (height, width), or 8-bit RGB pictures: convert it"
            )
        if count == 0:
            raise CameraError(f"{path} holds no frame")
        self.path, self.shape, self.dtype, self.count, self.fps = path, shape, dtype, count, fps
        self.captured_ns: int | None = None
        self.rotations_per_min: float | None = None

    @property
    def pixel_format(self) -> str:
        """In PFNC spelling."""
        return _FORMATS[len(self.shape), self.dtype.name]

    def checked(self, picture: NDArray[Any], place: str) -> NDArray[Any]:
        """Make one picture, found at ``place``, a block's pixels of shape (1, ...).

        Raises
        ------
        CameraError
            It differs from the first one in size or format.
        """
        if picture.shape != self.shape or picture.dtype.name != self.dtype.name:
            raise CameraError(
                f"{place} is of shape {picture.shape} and {picture.dtype.name}, but the recording's first "
                f"frame of {self.shape} and {self.dtype.name}: all frames of a stream have one size"
            )
        return as_pixels(picture[np.newaxis])

    @abstractmethod
    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Read the frames from ``first`` up to but without ``end``, or to the recording's end.

        The iterator is used in one thread, which may be another one than this is called in.

        Raises
        ------
        CameraError
            It cannot be read on.
        """

    def close(self) -> None:  # noqa: B027
        """Let the files go."""


def as_pixels(frames: NDArray[Any]) -> NDArray[Any]:
    """Bring frames into native byte order and C order, copied only where that is needed."""
    return np.ascontiguousarray(frames, dtype=frames.dtype.newbyteorder("="))


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Put whatever a library raises on a missing, broken or foreign file into one clear `CameraError`."""
    try:
        yield
    except CameraError:
        raise
    except ImportError as error:
        package = "pillow" if error.name == "PIL" else error.name
        raise CameraError(f"{package} is needed to read {path}: {INSTALL}") from error
    # Decoders raise errors of many kinds on a broken file: OSError, ValueError, KeyError, struct.error.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CameraError(f"{path} cannot be read as {what}: {reason}") from error
