"""Pictures and reports of runs, made when somebody looks at them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.recording.run_files import read_attributes
from rheed_acquire.run_report.from_recording import record_of
from rheed_acquire.run_report.page import render
from rheed_acquire.run_report.record import read_record
from rheed_acquire.run_report.thumbnails import QUALITY, shrunk
from rheed_acquire.run_report.writing import report_file
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.text.printable_text import well_formed

if TYPE_CHECKING:
    from rheed_acquire.recording.run_path import RunPath

_REMEMBERED = 256
"""Pictures, of some ten kB each."""
_MAKING = threading.BoundedSemaphore(4)
"""Pictures and reports that are made at once: streams come first."""
_PATIENCE_S = 10.0


class Pictures:
    """The newest frame of runs, made again once there are more. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[RunPath, tuple[int, bytes]] = OrderedDict()

    def newest(self, folder: RunPath) -> bytes | None:
        """A run's last frame as a JPEG, made small; None where there is none.

        Raises
        ------
        RheedAcquireError
            The recording cannot be read.
        """
        with _made_by_few():
            frames = int(read_attributes(folder).get("frames_received") or 0)
            with self._lock:
                known = self._made.get(folder)
            if known is not None and known[0] == frames:
                return known[1]
            picture = _newest(RecordedRun(folder))
        if picture is not None:
            with self._lock:
                self._made[folder] = frames, picture
                self._made.move_to_end(folder)
                while len(self._made) > _REMEMBERED:
                    self._made.popitem(last=False)
        return picture


@contextmanager
def _made_by_few() -> Iterator[None]:
    if not _MAKING.acquire(timeout=_PATIENCE_S):
        raise Refusal(503, "too many pictures are asked for at once: come again")
    try:
        yield
    finally:
        _MAKING.release()


def _newest(recording: RecordedRun) -> bytes | None:
    from PIL import Image

    there = np.flatnonzero(np.isfinite(recording.time_unix_ms()))
    if not len(there):
        return None
    last = int(there[-1])
    encoded = io.BytesIO()
    pixels = shrunk(recording.gray(recording.read(last, last + 1))[0])
    Image.fromarray(pixels).save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def report_of(folder: RunPath) -> bytes:
    """A run's report as its station has written it, else as it can be made of the recording, without regions.

    Raises
    ------
    RheedAcquireError
        The recording cannot be read.
    OSError
        Disk or store do not answer.
    """
    with _made_by_few():
        with suppress(FileNotFoundError):
            return report_file(folder).read_bytes()
        record, thumbnails, _ = record_of(RecordedRun(folder), read_record(folder), ())
        return well_formed(render(record, thumbnails)).encode()
