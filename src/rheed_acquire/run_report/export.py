"""Frames of a recording as files that other programs open: PNG, TIFF stack, MP4."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.reading import INSTALL, RecordedRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frames = Iterator[tuple[int, NDArray[np.uint8]]]

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


def export(recording: RecordedRun, target: Path, chosen: range) -> list[Path]:
    """Write frames, by the ending of the file's name.

    Parameters
    ----------
    target
        ``.png``: one frame; several are numbered, ``name-000123.png``. ``.tif`` or ``.tiff``: a stack of
        pages as they were recorded. ``.mp4``: a clip at the stream's rate (divided by the step), which plays
        in the time it took where no frame is missing.
    chosen
        Which frames, with a step.

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
        return writer(recording, target, chosen)
    except ImportError as error:
        raise SettingsError(f"--export {target} needs {error.name}: {INSTALL}") from None
    except OSError as error:
        raise RheedAcquireError(f"--export {target}: {error.strerror or error}") from None


def _frames(recording: RecordedRun, chosen: range) -> Frames:
    for part in recording.slices(chosen.start, chosen.stop, chosen.step):
        for place, frame in enumerate(part.frames):
            yield part.first + place * part.step, frame


def _write_png(recording: RecordedRun, target: Path, chosen: range) -> list[Path]:
    from PIL import Image

    written = []
    for number, frame in _frames(recording, chosen):
        file = target if len(chosen) == 1 else target.with_stem(f"{target.stem}-{number:06}")
        Image.fromarray(frame).save(file, "PNG")
        written.append(file)
    return written


def _write_tiff(recording: RecordedRun, target: Path, chosen: range) -> list[Path]:
    import tifffile

    shape = (len(chosen), recording.height or 0, recording.width or 0)
    with _removed_on_failure(target), tifffile.TiffWriter(target, bigtiff=math.prod(shape) > 2**31) as tiff:
        tiff.write(
            (frame for _, frame in _frames(recording, chosen)),
            shape=shape,
            dtype=np.uint8,
            photometric="minisblack",
            metadata={"axes": "TYX", "fps": recording.fps / chosen.step},
        )
    return [target]


def _write_mp4(recording: RecordedRun, target: Path, chosen: range) -> list[Path]:
    import av

    height, width = recording.height or 0, recording.width or 0
    rate = Fraction(recording.fps / chosen.step).limit_denominator(1000)
    with _removed_on_failure(target), av.open(target, "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(CRF)})
        # H.264 halves the resolution of color, so that both sides are even: the last row or column twice.
        stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
        for _, frame in _frames(recording, chosen):
            even = np.pad(frame, ((0, height % 2), (0, width % 2)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="gray")))
        container.mux(stream.encode(None))
    return [target]


class _removed_on_failure:  # noqa: N801
    """Leaves no half file behind."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._target.unlink(missing_ok=True)


_WRITERS: dict[str, Callable[[RecordedRun, Path, range], list[Path]]] = {
    ".png": _write_png,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".mp4": _write_mp4,
}
