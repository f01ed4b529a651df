"""A run's Zarr recording, read in slices so that its length does not matter."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.cameras.pixel_formats import find_pixel_format
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.frames.frame_form import FrameForm, Levels
from rheed_acquire.frames.gray_frames import make_gray
from rheed_acquire.recording.gathered_frames import GatheredFrames
from rheed_acquire.recording.layout import (
    AT_CHUNKS,
    FRAME_IDS,
    FRAMES,
    FRAMES_AT,
    MARK_TIMES,
    MARK_VALUES,
    READINGS,
    REGION_MAXIMA,
    REGION_MEANS,
    TIMES,
    shard_path,
)
from rheed_acquire.recording.marks import Mark, read_marks
from rheed_acquire.recording.readings import ChannelReadings, read_readings
from rheed_acquire.recording.run_files import find_group, read_attributes, read_stream
from rheed_acquire.recording.run_path import RunPath, path_below, run_path, zarr_store

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.regions.regions import Region

INSTALL = 'pip install "rheed-acquire[show]"'
SLICE_BYTES = 2**26
"""About as much is held decoded at a time."""


@dataclass(frozen=True, slots=True)
class RecordedChunks:
    """The chunks as they came, of length C: index, UTC of the first frame in ms, frames."""

    index: NDArray[np.int64]
    start_unix_ms: NDArray[np.int64]
    frames: NDArray[np.int64]


class RecordedRun:
    """A run that was recorded, or is being recorded: the one reader of what `RunWriter` writes.

    It needs zarr-python. What it tells is of the instant at which it was opened; it can be pickled.

    Parameters
    ----------
    path
        The run's folder, or the ``frames.zarr`` in it; or one in a bucket, ``s3://BUCKET/PREFIX/RUN``.

    Raises
    ------
    RheedAcquireError
        There is no recording, or one that cannot be read.
    SettingsError
        zarr-python is not installed, or for a bucket obstore.
    """

    def __init__(self, path: str | PathLike[str] | BucketPath) -> None:
        named = run_path(path)
        self.group_path: RunPath = find_group(named)
        self.folder: RunPath = self.group_path.parent
        self.attributes = read_attributes(named)
        try:
            import zarr
        except ImportError:
            raise SettingsError(f"reading a recording needs zarr: {INSTALL}") from None
        self._group: Any = None
        self._frames: Any = None
        self._times: Any = np.empty(0)
        self._count = 0
        self._places: NDArray[np.int64] | None = None  # where the frames lie, of a run with holes for good
        try:
            group: Any = zarr.open_group(zarr_store(self.group_path), mode="r", zarr_format=3)
            if FRAMES in group and TIMES in group:  # there is none before the first chunk
                self._group, self._frames = group, group[FRAMES]
                # Of a run that is open the one may have been written and the other not yet.
                self._times = group[TIMES]
                self._count = min(self._frames.shape[0], self._times.shape[0])
                if self.state == "closed" and self.attributes.get(FRAMES_AT) == AT_CHUNKS:
                    self._gather()
        except (OSError, ValueError, KeyError) as error:
            raise RheedAcquireError(f"{self.group_path} cannot be read: {error}") from None
        # What lies behind a hole moves when the run ends.
        self._may_move = self.state != "closed" and bool(np.isnan(self.time_unix_ms()).any())

    def _gather(self) -> None:
        """Leave out the places where no frame is, once none can come any more."""
        times = np.asarray(self._times[: self._count], np.float64)
        places = self._places = np.flatnonzero(np.isfinite(times))
        self._count = len(places)
        self._times, self._frames = times[places], GatheredFrames(self._frames, places)

    def __len__(self) -> int:
        return self._count

    @property
    def state(self) -> str:
        """``open``, ``closing`` while the frames are moved together, or ``closed``."""
        return str(self.attributes.get("state", "closed"))

    @property
    def stream(self) -> dict[str, Any] | None:
        """What the server knows of the stream; None where that cannot be told."""
        return read_stream(self.folder)

    @property
    def height(self) -> int | None:
        """Of a frame, in pixels; None where there is none."""
        return None if self._frames is None else int(self._frames.shape[1])

    @property
    def width(self) -> int | None:
        """Of a frame, in pixels; None where there is none."""
        return None if self._frames is None else int(self._frames.shape[2])

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of a frame: (H, W), or (H, W, 3) in colour; without pixels where there is none."""
        return (0, 0) if self._frames is None else tuple(self._frames.shape[1:])

    @property
    def pixel_format(self) -> str | None:
        """In PFNC spelling, as the archive says; None for the local server's gray."""
        known = self.attributes.get("pixel_format")
        return known if isinstance(known, str) else None

    @property
    def channels(self) -> str:
        """The samples of each pixel in colour, such as ``RGB``; empty where it has one."""
        return "" if self.pixel_format is None else find_pixel_format(self.pixel_format).channels

    @property
    def mosaic(self) -> str:
        """The colours of a mosaic's 2 x 2 tile row by row, such as ``RGGB``; empty where it is none."""
        known = None if self.pixel_format is None else find_pixel_format(self.pixel_format)
        return known.colours if known is not None and known.is_mosaic else ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a sample."""
        return np.dtype(np.uint8) if self._frames is None else np.dtype(self._frames.dtype)

    @property
    def shard_frames(self) -> int:
        """Frames in a full shard."""
        return 1 if self._frames is None else int((self._frames.shards or self._frames.chunks)[0])

    @property
    def fps(self) -> float:
        """Frames per second that the stream declared."""
        return float(self.attributes["fps"])

    def time_unix_ms(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """(N,), when frames ``start`` to ``stop`` were captured; NaN for one that has not come."""
        stop = self._count if stop is None else min(stop, self._count)
        return np.asarray(self._times[start:stop], np.float64)

    def frame_ids(self) -> NDArray[np.int64] | None:
        """(T,), the camera's number of each frame; None where the recording was not told them."""
        if self._group is None or FRAME_IDS not in self._group:
            return None
        stored = self._group[FRAME_IDS]
        numbers = np.asarray(
            stored[: self._count] if self._places is None else stored[:][self._places], np.int64
        )
        # Of a camera that numbers no frame, an archive says -1.
        has_none = (numbers[np.isfinite(self.time_unix_ms())] < 0).any()
        return None if has_none else numbers

    def chunks(self) -> RecordedChunks:
        """The chunks that the server has received."""
        nothing = np.empty(0, np.int64)
        if self._group is None:
            return RecordedChunks(nothing, nothing, nothing)
        names = ("chunk_index", "chunk_start_unix_ms", "chunk_frames")
        return RecordedChunks(*(np.asarray(self._group[name][:], np.int64) for name in names))

    def marks(self) -> tuple[Mark, ...]:
        """What was noted of the growth while it was recorded, in the order of its times.

        Raises
        ------
        RheedAcquireError
            They are there and cannot be read.
        """
        with _told_of(f"the marks in {self.folder}"):
            found = read_marks(self.folder)
        return found or self._marks_of_group()

    def _marks_of_group(self) -> tuple[Mark, ...]:
        """Those of a group that was copied without the folder it lay in."""
        if self._group is None or MARK_TIMES not in self._group:
            return ()
        words = dict(self._group[MARK_TIMES].attrs)
        times, values = (np.asarray(self._group[name][:], np.float64) for name in (MARK_TIMES, MARK_VALUES))
        return tuple(
            Mark(float(time), str(text), None if np.isnan(value) else float(value), unit)
            for time, text, value, unit in zip(times, words["text"], values, words["unit"], strict=True)
        )

    def regions(self) -> tuple[Region, ...]:
        """Those whose gray levels an archive has of each frame, a column each: one that was moved has two."""
        from rheed_acquire.regions.regions import Region

        if self._group is None or REGION_MEANS not in self._group or REGION_MAXIMA not in self._group:
            return ()
        told = [self._group[name].attrs.get("regions", []) for name in (REGION_MEANS, REGION_MAXIMA)]
        try:
            # Of an archive that is open the one may have been written and the other not yet.
            return tuple(Region(**fields) for fields in min(told, key=len))
        except (TypeError, ValueError) as error:
            raise RheedAcquireError(f"{self.group_path} is damaged: its regions are {error}") from None

    def traces(self, name: str, start: int, stop: int, columns: Any) -> NDArray[np.float64]:
        """(N, R), ``region_mean`` or ``region_maximum`` of frames ``start`` to ``stop`` in these columns.

        Raises
        ------
        RheedAcquireError
            They cannot be read, or frames have moved since the run was opened.
        """
        rows = slice(start, stop) if self._places is None else self._places[start:stop]
        try:
            values = np.asarray(self._group[name].oindex[rows, columns], np.float64)
        except (OSError, ValueError, RuntimeError) as error:
            raise RheedAcquireError(f"{name} of {self.group_path} cannot be read: {error}") from None
        self._refuse_moved()
        return values

    def readings(self) -> tuple[ChannelReadings, ...]:
        """What other instruments said while it was recorded, each channel's in the order of its times.

        Raises
        ------
        RheedAcquireError
            They are there and cannot be read.
        """
        with _told_of(f"the readings in {self.folder}"):
            found = read_readings(self.folder)
        return found or tuple(self._readings_of_group())

    def _readings_of_group(self) -> Iterator[ChannelReadings]:
        """Those of a group that was copied without the folder it lay in."""
        for number in itertools.count():
            times, values = (f"{READINGS}_{number}_{name}" for name in ("time_unix_ms", "value"))
            if self._group is None or times not in self._group or values not in self._group:
                return
            words = dict(self._group[values].attrs)
            yield ChannelReadings(
                str(words["channel"]),
                words["unit"],
                np.asarray(self._group[times][:], np.float64),
                np.asarray(self._group[values][:], np.float64),
            )

    @property
    def bit_depth(self) -> int:
        """Significant bits of a sample."""
        known = self.attributes.get("bit_depth")
        return known if isinstance(known, int) else 8 * self.dtype.itemsize

    @property
    def form(self) -> FrameForm:
        """What the frames are."""
        kept = self.pixel_format or ("Mono8" if self.dtype == np.uint8 else "Mono16")
        height, width = self.frame_shape[:2]
        return FrameForm(height, width, kept, self.attributes.get("bit_shift"))

    def frame(self, number: int) -> NDArray[Any]:
        """(H, W), or (H, W, 3) in colour, one frame."""
        frame: NDArray[Any] = self.read(number, number + 1)[0]
        return frame

    def levels(self, frames: NDArray[Any]) -> Levels:
        """Make the gray levels, (N, H, W), of frames that were read: colour and mosaics become luma."""
        return self.form.levels_of()(frames) if len(frames) else frames

    def gray(self, frames: NDArray[Any]) -> NDArray[np.uint8]:
        """Make the 8-bit gray of frames (N, ...) that were read: what the run's stream had of them."""
        form = self.form
        if form.is_gray8:
            return np.asarray(frames, np.uint8)
        gray = np.empty(frames.shape[:3], np.uint8)
        make_gray(frames, form, gray)
        return gray

    def slices(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Slice]:
        """Go through frames ``start`` to ``stop``, every ``step``-th, some megabytes at a time."""
        stop = len(self) if stop is None else min(stop, len(self))
        if self._frames is None:
            return
        room = max(1, SLICE_BYTES // (math.prod(self.frame_shape) * self.dtype.itemsize))
        # Whole shards where they fit: their index is then read once.
        shard = int(self._frames.shards[0]) if self._frames.shards else room
        room = room // shard * shard or room
        first = start
        while first < stop:
            last = min(stop, (first // room + 1) * room)
            if step == 1:
                yield Slice(first, 1, self.read(first, last))
            elif first < last:
                yield Slice(first, step, self._picked(range(first, last, step)))
            first += -(-(last - first) // step) * step

    def _picked(self, numbers: range) -> NDArray[Any]:
        """Read only the frames that are wanted where most are not."""
        if numbers.step < 4:
            return self.read(numbers.start, numbers[-1] + 1)[:: numbers.step]
        return np.concatenate([self.read(number, number + 1) for number in numbers])

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """(N, ...), the frames from ``start`` up to but without ``stop``; one that has not come reads as 0.

        Raises
        ------
        RheedAcquireError
            A shard has got lost or cannot be decoded, or frames have moved since the run was opened.
        """
        try:
            frames = np.asarray(self._frames[start:stop])
        except (OSError, ValueError, RuntimeError) as error:
            raise RheedAcquireError(
                f"frames {start} to {stop - 1} of {self.group_path} cannot be read: {error}"
            ) from None
        # Afterwards: a shard that went meanwhile has been read as black frames, one that moved as others.
        self._refuse_moved()
        self._refuse_lost(start, stop)
        return frames

    def has_state_still(self) -> bool:
        """Whether the run is as it was when it was opened: still open, or closed."""
        return self.state == "closed" or str(read_attributes(self.group_path).get("state")) == self.state

    def _refuse_moved(self) -> None:
        if self._may_move and not (self.state == "open" and self.has_state_still()):
            raise RheedAcquireError(
                f"{self.folder}: the run has ended, and the frames after its gaps are moved together: "
                "open it again"
            )

    def _refuse_lost(self, start: int, stop: int) -> None:
        """Refuse to take a shard that has got lost for black frames, as Zarr would."""
        size = self.shard_frames
        places = np.arange(start, stop) if self._places is None else self._places[start:stop]
        for place in np.unique(places // size).tolist():
            path = shard_path(self.group_path / FRAMES, place, 1 + len(self.frame_shape))
            if path.is_file():
                continue
            here = np.flatnonzero(places // size == place) + start
            if np.isfinite(self.time_unix_ms(int(here[0]), int(here[-1]) + 1)).any():
                lost = path_below(path, self.folder)
                raise RheedAcquireError(f"{self.group_path} is damaged: there is no file {lost} any more")


@contextlib.contextmanager
def _told_of(what: str) -> Iterator[None]:
    """Name what cannot be read in the words of the user."""
    try:
        yield
    except OSError as error:
        raise RheedAcquireError(f"{what} cannot be read: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class Slice:
    """Frames ``first``, ``first + step`` ... of a recording, (N, H, W), or in colour (N, H, W, 3)."""

    first: int
    step: int
    frames: NDArray[Any]
