"""What all kinds of growing files have in common: whole frames only, read by number, and their dates."""

from __future__ import annotations

import io
import os
import time
from abc import ABC, abstractmethod
from array import array
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from rheed_acquire import open_shared

SETTLE_S = 0.5
"""A file that has not changed for so long is taken for written, where nothing in it tells."""

_TAIL_BYTES, _FOLLOWING_BYTES = 64, 16


class BegunAnewError(Exception):
    """Another file lies at the path than before, or what was in it is there no more."""


class NotWholeError(Exception):
    """What looked like a whole frame was written to meanwhile."""


class GrowingFile(ABC):
    """A file of frames to which another program writes.

    What names of files end in that may be a picture each is in `singles`.

    A frame counts once all of it has been written. Where a format does not mark a frame's end, it was written
    if its last bytes are not all zero, if something follows it, or if the file has settled: systems and
    programs give a file its size before its content, and a region that was not written reads as zeros.

    The file is opened for each look, and closed, and shared meanwhile: network shares tell a file's true size
    to whoever opens it, and the program that writes it may rename or delete it at any time.

    Parameters
    ----------
    since_ns
        When it was not there yet, by ``time.monotonic_ns``; None where nobody knows how old its frames are:
        those are dated backwards from the last at `rate`, or at the file's own.

    Attributes
    ----------
    count
        Whole frames so far.
    next
        Number of the frame to be taken next.
    grows
        Whether a file of this kind may have more than one frame.
    bits
        How many bits of a sample are significant, where the file tells.
    fps
        Frames per second, where it tells.
    rate
        Frames per second, as the user says.
    is_undated
        Whether frames are there of which nothing tells when they were taken.
    written_ns, state
        When it was last written to, in nanoseconds since 1970, when it was looked at; with its size before.
    dated_by
        What dates its frames, for the user; None for the file's own time.
    """

    kind: ClassVar[str]
    grows: ClassVar[bool] = True
    singles: ClassVar[tuple[str, ...]] = ()

    @property
    def has_one(self) -> bool:
        """Whether a file of this name may be a picture, as those are that a counter numbers."""
        return self.path.suffix.lower().endswith(self.singles)

    def __init__(self, path: Path, since_ns: int | None = None) -> None:
        self.path = path
        self.count = self.next = 0
        self.bits: int | None = None
        self.fps: float | None = None
        self.rate: float | None = None
        self.is_undated = False
        self.dated_by: str | None = None
        self.written_ns = 0
        self._looked_ns = since_ns
        self._times = array("q")
        self.state = (0, 0)
        self._changed_ns = time.monotonic_ns()

    @property
    def waiting(self) -> int:
        """Whole frames that have not been taken."""
        return self.count - self.next

    @property
    def unchanged_s(self) -> float:
        """For how many seconds the file has not been seen to change."""
        return (time.monotonic_ns() - self._changed_ns) / 1e9

    @property
    def has_settled(self) -> bool:
        """Whether the file has not changed for a while."""
        return self.unchanged_s >= SETTLE_S

    def look(self) -> None:
        """Look for more whole frames.

        Raises
        ------
        BegunAnewError
            It is another file now.
        OSError
            It is not there, or cannot be opened now.
        CameraError
            It cannot be followed.
        """
        now_ns = time.monotonic_ns()
        self._note(self._find())
        self._date(now_ns)

    @abstractmethod
    def read(self, number: int) -> NDArray[Any]:
        """Read a whole frame, (H, W), or (H, W, S) of colours.

        Raises
        ------
        NotWholeError
            It was written to meanwhile.
        CameraError, OSError
            It cannot be read.
        """

    def time_ns(self, number: int) -> int:
        """When a frame was captured, in nanoseconds since 1970: by the file's time, where it tells no other.

        Frames that were found together are spread over the time in which they were written.
        """
        return self._times[number] if number < len(self._times) else self.written_ns

    def close(self) -> None:  # noqa: B027
        """Let the file go."""

    @abstractmethod
    def _find(self) -> os.stat_result:
        """Count the whole frames that are there now; with what the system says of the file."""

    def _note(self, status: os.stat_result) -> None:
        """Note whether the file has changed."""
        state = (status.st_size, status.st_mtime_ns)
        self.written_ns = status.st_mtime_ns
        if state != self.state:
            self.state, self._changed_ns = state, time.monotonic_ns()

    def _date(self, now_ns: int) -> None:
        new = self.count - len(self._times)
        if new:
            if self._looked_ns is None:
                rate = self.rate or self.fps
                self.is_undated = rate is None and new > 1
                step_ns = 0.0 if rate is None else 1e9 / rate
                begun_ns = self.written_ns - round(step_ns * new)
            else:
                begun_ns = self.written_ns - (now_ns - self._looked_ns)
                if self._times:
                    begun_ns = max(begun_ns, min(self._times[-1], self.written_ns))
                step_ns = (self.written_ns - begun_ns) / new
            self._times.extend(begun_ns + round(step_ns * (place + 1)) for place in range(new))
        self._looked_ns = now_ns


class GrowingBytes(GrowingFile):
    """A file in which frames follow each other as bytes, to be found by walking from one to the next."""

    def __init__(self, path: Path, since_ns: int | None = None) -> None:
        super().__init__(path, since_ns)
        self._identity: tuple[int, int] | None = None
        self._mark: tuple[int, bytes] | None = None  # what the last whole frame ends with

    def _find(self) -> os.stat_result:
        with open_shared(self.path) as file:
            status = os.fstat(file.fileno())
            identity = (status.st_dev, status.st_ino)
            if self._identity not in (None, identity):
                raise BegunAnewError
            self._identity = identity
            if self._mark is not None:
                end, content = self._mark
                file.seek(end - len(content))
                if status.st_size < end or file.read(len(content)) != content:
                    raise BegunAnewError
            # Before the walk: whether what it finds last has settled is judged by it.
            self._note(status)
            before = self.count
            end = self._walk(file, status.st_size)
            if self.count > before:
                start = max(0, end - _TAIL_BYTES)
                file.seek(start)
                content = file.read(end - start)
                # Zeros may be what was not written yet when the file seemed to have settled.
                self._mark = (end, content if any(content) else b"")
        return status

    @abstractmethod
    def _walk(self, file: io.BufferedReader, size: int) -> int:
        """Walk on, as far as frames are whole, and count them; return where the last of them ends."""

    def _is_written(
        self, file: io.BufferedReader, begin: int, end: int, size: int, follows_at: int | None = None
    ) -> bool:
        """Whether all from ``begin`` to ``end`` has been written, and not only been given its place.

        ``follows_at`` is where something else begins if it has been; by default at ``end``.
        """
        if end > size:
            return False
        if self.has_settled:
            return True
        start = max(begin, end - _TAIL_BYTES)
        file.seek(start)
        if any(file.read(end - start)):
            return True
        file.seek(end if follows_at is None else follows_at)
        return any(file.read(_FOLLOWING_BYTES))
