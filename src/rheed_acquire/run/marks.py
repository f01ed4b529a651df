"""The marks of one run, while it goes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.marks import Mark, append_mark

logger = logging.getLogger(__name__)

MOST_MARKS = 10_000
"""Of one run."""


class MarkError(RheedAcquireError):
    """A mark cannot be kept; the message says why."""


class TooManyMarksError(MarkError):
    """The run has as many as it takes."""


class RunMarks:
    """Keeps marks from the run's first moment to its last, each durably before it counts as kept.

    Any thread may use it. What `add` has taken is in the folders before the recording is closed there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: tuple[Path, ...] | None = None
        self._closed = False
        self._items: list[Mark] = []
        self.began_ms = 0.0
        """When the run begins, in ms since 1970, UTC."""

    @property
    def items(self) -> tuple[Mark, ...]:
        """Those that are kept, in the order of their times."""
        with self._lock:
            return tuple(sorted(self._items, key=lambda mark: mark.time_unix_ms))

    def __len__(self) -> int:
        return len(self._items)

    def begin(self, folders: Iterable[Path], since_ns: int | None = None) -> None:
        """Take marks from now on, and keep them in each of these folders.

        Parameters
        ----------
        since_ns
            When the run begins, as ``time.perf_counter_ns``, where that is not now.
        """
        clock = process_clock()
        with self._lock:
            self.began_ms = (clock.now_ns() if since_ns is None else clock.utc_ns(since_ns)) / 1e6
            self._folders = tuple(dict.fromkeys(folders))

    def close(self) -> None:
        """Take no more."""
        with self._lock:
            self._closed = True

    @property
    def folders(self) -> tuple[Path, ...]:
        """In which it keeps them; none before `begin`."""
        return self._folders or ()

    @property
    def is_closed(self) -> bool:
        """Whether the run is ending."""
        return self._closed

    @property
    def is_open(self) -> bool:
        """Whether `add` takes marks."""
        return self._folders is not None and not self._closed

    def add(self, mark: Mark) -> None:
        """Keep a mark. It is on disk when this returns, in one folder at least.

        Raises
        ------
        MarkError
            The run has not begun or is ending, has too many, or no disk takes it.
        """
        with self._lock:
            if self._folders is None or self._closed:
                raise MarkError("the run is ending" if self._closed else "the run has not begun to record")
            if len(self._items) >= MOST_MARKS:
                raise TooManyMarksError(f"the run has {MOST_MARKS} marks already, and takes no more")
            failures = []
            for folder in self._folders:
                try:
                    append_mark(folder, mark)
                except OSError as error:
                    failures.append(f"{folder}: {error.strerror or error}")
                    logger.warning("a mark could not be written in %s", failures[-1])
            if len(failures) == len(self._folders):
                raise MarkError(f"it could not be written: {'; '.join(failures) or 'the run has no folder'}")
            self._items.append(mark)
