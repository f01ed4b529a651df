"""Files of many frames that grow at the same time, where one after another is expected."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from rheed_acquire import CameraError
from rheed_acquire_growing.growing_file import SETTLE_S, BegunAnewError, GrowingFile

# Below the name of the program's own log, so that its verbosity holds.
logger = logging.getLogger("rheed_acquire.growing")

LOOK_S = 1.0
"""How often it is looked at whether the next file grows while the first one does."""
_REMEMBERED = 8
_TIMES = 2
"""So many times in a row both have grown before it is said: where one file follows the other, it is once."""


class AtOnce:
    """Files that may go on after another one has had its turn, and whether that is said."""

    def __init__(self) -> None:
        self._resting: deque[GrowingFile] = deque(maxlen=_REMEMBERED)
        self._next_s = 0.0
        self._counts: dict[GrowingFile, int] = {}
        self._times = 0
        self._is_told = False

    def rest(self, file: GrowingFile) -> None:
        """Remember a file whose frames have all been taken, and of many the latest only."""
        self._resting.append(file)

    def woken(self) -> list[tuple[GrowingFile, bool]]:
        """Give those that have more frames now, and whether they were begun anew; they rest no more."""
        found = []
        # What the system says of a file costs less than a look into it.
        for file in [file for file in self._resting if _state(file) not in (None, file.state)]:
            is_anew = False
            try:
                file.look()
            except BegunAnewError:
                is_anew = True
            except (OSError, CameraError) as error:
                logger.debug("%s cannot be looked at: %s", file.path, error)
                continue
            if file.waiting or is_anew:
                self._resting.remove(file)
                found.append((file, is_anew))
        return found

    def heed(self, first: GrowingFile, second: GrowingFile, look_into: Callable[[GrowingFile], None]) -> None:
        """Look now and then whether the file that has its turn next grows already; if so, say it."""
        now_s = time.monotonic()
        if self._is_told or now_s < self._next_s or not (first.grows and second.grows and second.count):
            return
        self._next_s = now_s + LOOK_S
        look_into(second)
        both = all(file.count > self._counts.get(file, file.count) for file in (first, second))
        self._times = self._times + 1 if both else 0
        self._counts = {file: file.count for file in (first, second)}
        if self._times >= _TIMES:
            self.tell(first, second)

    def tell(self, first: GrowingFile, second: GrowingFile) -> None:
        """Say once that two files grow at the same time, and what becomes of their frames."""
        if self._is_told:
            return
        self._is_told = True
        logger.warning(
            "%s and %s grow at the same time, and their frames are one stream: those of one come when the "
            "other has rested for %g s; follow one file, or have each camera write into a folder of its own",
            *(first.path, second.path, SETTLE_S),
        )


def _state(file: GrowingFile) -> tuple[int, int] | None:
    try:
        status = file.path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
