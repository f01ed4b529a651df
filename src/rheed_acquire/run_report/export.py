"""A recording as files that other programs open: PNG, TIFF stack, MP4, and the regions' traces as CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.reading import INSTALL, RecordedRun
from rheed_acquire.run_report.trace_table import write_traces
from rheed_acquire.system.durable_files import remove, replace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.regions.regions import Region

CRF = 18
"""Of H.264: differences from the recording that the eye does not see."""


def parse_frames(text: str | None, count: int) -> range:
    """Read ``A:B``, ``A:``, ``:B``, a single ``N`` or nothing (all), of a recording of ``count`` frames.

    As in Python, B is not included and a negative number counts from the end.

    Raises
    ------
    SettingsError
        It is none of these, or no frame is in it.
    """
    if text is None:
        return range(count)
    spelled = re.fullmatch(r"(-?\d+)|(-?\d+)?:(-?\d+)?", text.strip())
    if spelled is None:
        raise SettingsError(f"--frames {text}: must be A:B, or one frame N, counted from 0")
    single, first, last = (None if part is None else int(part) for part in spelled.groups())
    if single is not None:
        first, last = single, single + 1 or None
    chosen = range(count)[first:last]
    if not chosen:
        raise SettingsError(
            f"--frames {text} chooses none of the recording's {count} frames, which count from 0"
        )
    return chosen


def export(
    recording: RecordedRun,
    target: Path,
    chosen: range,
    regions: Sequence[Region] = (),
    on_frames: Callable[[int], None] = lambda frames: None,  # noqa: ARG005
) -> list[Path]:
    """Write frames, by the ending of the file's name; nothing is left of a file that is not finished.

    Parameters
    ----------
    target
        ``.png``: one frame as 8-bit gray; several are numbered, ``name-000123.png``. ``.tif`` or ``.tiff``:
        a stack of pages as they were recorded, of an archive of more than 8 bits as uint16, in colour RGB,
        with their rate and times in its metadata (``fps``, ``finterval`` in s, ``time_unix_ms``), and of an
        archive ``pixel_format``, ``bit_depth``, and for a mosaic its ``cfa_pattern``. ``.mp4``: a clip at the
        stream's rate (divided by the step), which plays in the time it took where no frame is missing.
        ``.csv``: the regions' traces (`trace_table`).
    chosen
        Which frames, with a step.
    regions
        For a ``.csv``.
    on_frames
        Called with how many more frames are written.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    SettingsError
        The ending is none of these, the target cannot be written, or a library is missing.
    RheedAcquireError
        The recording cannot be read.
    """
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise SettingsError(
            f"--export {target}: the ending says what to write, one of {', '.join(_WRITERS)}, "
            f"not {target.suffix or 'none'}"
        )
    if not len(recording):
        raise SettingsError(f"{recording.folder} has no frame to export")
    if target.is_dir() or not target.parent.is_dir():
        why = "is a directory" if target.is_dir() else f"there is no directory {target.parent}"
        raise SettingsError(f"--export {target}: {why}")
    try:
        return writer(_Chosen(recording, chosen, tuple(regions), on_frames), target)
    except ImportError as error:
        raise SettingsError(f"--export {target} needs {error.name}: {INSTALL}") from None
    except OSError as error:
        raise RheedAcquireError(f"--export {target}: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is written, and who is told how far it is."""

    recording: RecordedRun
    numbers: range
    regions: tuple[Region, ...]
    on_frames: Callable[[int], None]

    def frames(self) -> Iterator[NDArray[Any]]:
        """Each frame as it was recorded, colours in the order of red, green and blue."""
        order = [self.recording.channels.index(colour) for colour in "RGB"] if self.recording.channels else []
        for part in self.recording.slices(self.numbers.start, self.numbers.stop, self.numbers.step):
            for frame in part.frames:
                yield np.ascontiguousarray(frame[..., order]) if order not in ([], [0, 1, 2]) else frame
                self.on_frames(1)

    def gray_frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Each frame as 8-bit gray, with its number."""
        for part in self.recording.slices(self.numbers.start, self.numbers.stop, self.numbers.step):
            for place, frame in enumerate(self.recording.gray(part.frames)):
                yield part.first + place * part.step, frame
                self.on_frames(1)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.recording.fps / self.numbers.step


def _write_png(chosen: _Chosen, target: Path) -> list[Path]:
    from PIL import Image

    written = []
    for number, frame in chosen.gray_frames():
        several = len(chosen.numbers) > 1
        file = target.with_stem(f"{target.stem}-{number:06}") if several else target
        with _whole_or_not(file) as half:
            Image.fromarray(frame).save(half, "PNG")
        written.append(file)
    return written


def _write_tiff(chosen: _Chosen, target: Path) -> list[Path]:
    import tifffile

    recording, numbers = chosen.recording, chosen.numbers
    shape = (len(numbers), *recording.frame_shape)
    times_ms = recording.time_unix_ms(numbers[0], numbers[-1] + 1)[:: numbers.step]
    axes, photometric = ("TYXS", "rgb") if recording.channels else ("TYX", "minisblack")
    metadata: dict[str, Any] = {"axes": axes, "fps": chosen.fps, "finterval": 1.0 / chosen.fps}
    if recording.pixel_format is not None:
        metadata |= {"pixel_format": recording.pixel_format, "bit_depth": recording.bit_depth}
    if recording.mosaic:
        metadata["cfa_pattern"] = recording.mosaic
    if np.isfinite(times_ms).all():
        metadata["time_unix_ms"] = times_ms.tolist()
    bytes_ = math.prod(shape) * recording.dtype.itemsize
    with _whole_or_not(target) as half, tifffile.TiffWriter(half, bigtiff=bytes_ > 2**31) as tiff:
        tiff.write(
            chosen.frames(),
            shape=shape,
            dtype=recording.dtype,
            photometric=photometric,
            metadata=metadata,
        )
    return [target]


def _write_mp4(chosen: _Chosen, target: Path) -> list[Path]:
    import av

    height, width = chosen.recording.height or 0, chosen.recording.width or 0
    rate = Fraction(chosen.fps).limit_denominator(1000)
    with _whole_or_not(target) as half, av.open(half, "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(CRF)})
        # H.264 halves the resolution of color, so that both sides are even: the last row or column twice.
        stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
        for _, frame in chosen.gray_frames():
            even = np.pad(frame, ((0, height % 2), (0, width % 2)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="gray")))
        container.mux(stream.encode(None))
    return [target]


def _write_csv(chosen: _Chosen, target: Path) -> list[Path]:
    with _whole_or_not(target) as half:
        write_traces(chosen.recording, half, chosen.numbers, chosen.regions, chosen.on_frames)
    return [target]


@contextmanager
def _whole_or_not(target: Path) -> Iterator[Path]:
    """Give a file to write, which becomes the target once it is whole; until then what was there stays."""
    half = target.with_name(f".{target.stem}.part{target.suffix}")
    try:
        yield half
        replace(half, target)
    finally:
        remove(half)


_WRITERS: dict[str, Callable[[_Chosen, Path], list[Path]]] = {
    ".png": _write_png,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".mp4": _write_mp4,
    ".csv": _write_csv,
}
