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

from rheed_acquire import BucketPath, CameraError
from rheed_acquire_replay import INSTALL

BLOCK_BYTES = 8 << 20
"""How much is read at a time where the format leaves the choice: enough that a read's overhead is small."""

MOST_PIXELS = 64 << 20
"""Of a frame: more is a header gone wrong, and no server takes it."""
_MOST_COLOURS = 4


@dataclass(frozen=True, slots=True)
class Block:
    """Frames that were read together.

    Attributes
    ----------
    numbers
        N places in the recording, counted from 0, ascending.
    pixels
        (N, *shape) as `Recording.shape` and `Recording.dtype` say.
    times_ns
        N nanoseconds since the first frame of the recording; None where it keeps no times.
    """

    numbers: list[int]
    pixels: NDArray[Any]
    times_ns: list[int] | None = None


class Recording(ABC):
    """An opened recording as it is stored, whatever its samples are.

    What is told by no recording of a kind stays None. `notes` and `warnings` are for the user, in sentences
    without a full stop.

    Attributes
    ----------
    path
        Of the file or folder, or of a run in a bucket.
    shape, dtype
        Of one frame: (H, W), or (H, W, S) with 3 colours, RGB, or 4, the last of them opacity; of numbers.
    count
        How many frames there are; None where only reading tells.
    fps
        Frames per second.
    captured_ns
        When its first frame was captured, in nanoseconds since 1970 in UTC.
    times_ns
        (T,) int64: when each frame was captured, in nanoseconds since the first, rising; None where there are
        none, and where only reading tells (`Block.times_ns`).
    rotations_per_min
        Of the sample stage as it was recorded.
    bits
        How many bits of a sample are significant, the lowest ones, where the recording tells.
    pixel_format
        Of frames in colour or behind a mosaic, in PFNC spelling, where the recording tells it: they are
        replayed as they are.
    notes
        What was understood and where it was taken from, by what it is: ``{"rate": "20 frames/s, by ..."}``.
    warnings
        What may be wrong with it.
    files_of_set
        Names of the files that it lies in, where those are several that tell of each other.
    broken
        Why there are fewer frames than there should be: in words, for the end of those that are there; None
        where it is whole.
    skipped
        Frames that were left out while it was read, in words.
    is_read_anywhere
        Whether a frame can be read without those before it.
    """

    kind: ClassVar[str]
    is_read_anywhere: ClassVar[bool] = True

    def __init__(
        self,
        path: Path | BucketPath,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        count: int | None,
        fps: float | None = None,
    ) -> None:
        """Check that there are frames, of numbers.

        Raises
        ------
        CameraError
            There is none, or they are no pictures.
        """
        fits = len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, _MOST_COLOURS))
        if not fits or 0 in shape or dtype.kind not in "buif":
            raise CameraError(
                f"{path} holds frames of shape {shape} and {dtype.name} values; what can be replayed is "
                "gray, "
                "(height, width), or RGB pictures: convert it"
            )
        if shape[0] * shape[1] > MOST_PIXELS:
            raise CameraError(
                f"{path} holds frames of {shape[1]} x {shape[0]} pixels; at most {MOST_PIXELS} can be "
                "replayed"
            )
        if count == 0:
            raise CameraError(f"{path} holds no frame")
        self.path, self.shape, self.dtype, self.count, self.fps = path, shape, dtype, count, fps
        self.captured_ns: int | None = None
        self.times_ns: NDArray[np.int64] | None = None
        self.rotations_per_min: float | None = None
        self.bits: int | None = None
        self.pixel_format: str | None = None
        self.notes: dict[str, str] = {}
        self.warnings: list[str] = []
        self.files_of_set: frozenset[str] = frozenset()
        self.broken: str | None = None
        self.skipped: list[str] = []

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
        return picture[np.newaxis]

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
        # Of the system's errors the words: their number and the path say nothing more.
        told = error.strerror if isinstance(error, OSError) and error.filename in (None, str(path)) else None
        reason = " ".join(str(told or error).split()) or type(error).__name__
        raise CameraError(f"{path} cannot be read as {what}: {reason}") from error
