"""A run's Zarr recording, read in slices so that its length does not matter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.layout import GROUP, STREAM_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

INSTALL = 'pip install "rheed-acquire[show]"'
SLICE_BYTES = 2**26
"""About as much is held decoded at a time."""


@dataclass(frozen=True, slots=True)
class RecordedChunks:
    """The chunks as they came, of length C: index, UTC of the first frame in ms, frames."""

    index: NDArray[np.int64]
    start_unix_ms: NDArray[np.int64]
    frames: NDArray[np.int64]


class Recording:
    """A run's folder with its ``frames.zarr``.

    Parameters
    ----------
    folder
        Of the run.

    Raises
    ------
    RheedAcquireError
        There is no recording in it, or one that cannot be read.
    SettingsError
        zarr-python is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.attributes = read_attributes(folder)
        try:
            import zarr
        except ImportError:
            raise SettingsError(f"reading a recording needs zarr: {INSTALL}") from None
        self._group: Any = None
        self._frames: Any = None
        try:
            group = zarr.open_group(folder / GROUP, mode="r")
            if "frames" in group:  # there is none before the first chunk
                self._group, self._frames = group, group["frames"]
        except (OSError, ValueError, KeyError) as error:
            raise RheedAcquireError(f"{folder / GROUP} cannot be read: {error}") from None

    def __len__(self) -> int:
        return 0 if self._frames is None else int(self._frames.shape[0])

    @property
    def height(self) -> int | None:
        """Of a frame, in pixels; None where there is none."""
        return None if self._frames is None else int(self._frames.shape[1])

    @property
    def width(self) -> int | None:
        """Of a frame, in pixels; None where there is none."""
        return None if self._frames is None else int(self._frames.shape[2])

    @property
    def fps(self) -> float:
        """Frames per second that the stream declared."""
        return float(self.attributes["fps"])

    def time_unix_ms(self) -> NDArray[np.float64]:
        """(T,), when each frame was captured; NaN for one that has not come."""
        if self._group is None:
            return np.empty(0)
        return np.asarray(self._group["time_unix_ms"][:], np.float64)

    def chunks(self) -> RecordedChunks:
        """The chunks that the server has received."""
        nothing = np.empty(0, np.int64)
        if self._group is None:
            return RecordedChunks(nothing, nothing, nothing)
        names = ("chunk_index", "chunk_start_unix_ms", "chunk_frames")
        return RecordedChunks(*(np.asarray(self._group[name][:], np.int64) for name in names))

    def frame(self, number: int) -> NDArray[np.uint8]:
        """(H, W), one frame."""
        frame: NDArray[np.uint8] = self._read(slice(number, number + 1))[0]
        return frame

    def slices(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Slice]:
        """Go through frames ``start`` to ``stop``, every ``step``-th, some megabytes at a time."""
        stop = len(self) if stop is None else min(stop, len(self))
        if self._frames is None:
            return
        _, height, width = self._frames.shape
        room = max(1, SLICE_BYTES // (height * width))
        # Whole shards where they fit: their index is then read once.
        shard = int(self._frames.shards[0]) if self._frames.shards else room
        room = room // shard * shard or room
        first = start
        while first < stop:
            last = min(stop, (first // room + 1) * room)
            if step == 1:
                yield Slice(first, 1, self._read(slice(first, last)))
            elif first < last:
                yield Slice(first, step, self._picked(range(first, last, step)))
            first += -(-(last - first) // step) * step

    def _picked(self, numbers: range) -> NDArray[np.uint8]:
        """Read only the frames that are wanted where most are not."""
        if numbers.step < 4:
            return self._read(slice(numbers.start, numbers[-1] + 1))[:: numbers.step]
        return np.concatenate([self._read(slice(number, number + 1)) for number in numbers])

    def _read(self, wanted: slice) -> NDArray[np.uint8]:
        try:
            return np.asarray(self._frames[wanted], np.uint8)
        except (OSError, ValueError, RuntimeError) as error:
            raise RheedAcquireError(
                f"frames {wanted.start} to {wanted.stop - 1} of {self.folder / GROUP} cannot be read: {error}"
            ) from None


@dataclass(frozen=True, slots=True)
class Slice:
    """Frames ``first``, ``first + step`` ... of a recording, (N, H, W) uint8."""

    first: int
    step: int
    frames: NDArray[np.uint8]


def read_attributes(folder: Path) -> dict[str, Any]:
    """Read what a recording says of itself, without zarr-python.

    Raises
    ------
    RheedAcquireError
        There is none, or it cannot be read.
    """
    file = folder / GROUP / "zarr.json"
    try:
        attributes = json.loads(file.read_bytes())["attributes"]
    except FileNotFoundError:
        raise RheedAcquireError(
            f"{folder} holds no recording: there is no {GROUP} in it (a run to a server elsewhere keeps "
            "its frames there)"
        ) from None
    except OSError as error:
        raise RheedAcquireError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        attributes = None
    if not isinstance(attributes, dict) or not isinstance(attributes.get("fps"), int | float):
        raise RheedAcquireError(f"{file} is not a run's: it does not say its frame rate")
    return attributes


def read_stream(folder: Path) -> dict[str, Any] | None:
    """Read what the local server knows of the stream in a run's folder; None where that cannot be told."""
    try:
        stream = json.loads((folder / STREAM_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return stream if isinstance(stream, dict) else None
