"""Which files there are: each is found once, under whatever names, and what is gone is told."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from rheed_acquire import CameraLostError
from rheed_acquire_growing.kinds import check_name, is_followed

# Below the name of the program's own log, so that its verbosity holds.
logger = logging.getLogger("rheed_acquire.growing")

GONE_S = 3.0
"""After which what is not there counts as lost."""
_REMEMBERED = 64
"""Of so many files that were taken last it is known when they come again under another name."""


class Discovery:
    """Finds the files that come, in a folder and those below it, or the one that is followed.

    Parameters
    ----------
    path
        Of a file or folder, which may come later.

    Attributes
    ----------
    found_again
        Frames of files that were there no more and came again under another name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.found_again = 0
        self._seen: set[str] = set()
        self._closed: set[str] = set()
        self._taken: deque[tuple[int, int, int, int]] = deque(maxlen=_REMEMBERED)
        self._vanished: dict[tuple[int, int], int] = {}
        self._gone_s: float | None = None

    def pass_over(self) -> list[Path]:
        """Give the files that are there already, so that they are none of those that come."""
        there = list(self._unseen())
        self._seen.update(map(str, there))
        return there

    def find(self) -> list[Path]:
        """Give the files that have come since.

        Raises
        ------
        CameraLostError
            What was there is there no more, for a while.
        CameraError
            It cannot be followed.
        """
        try:
            new = list(self._unseen())
            is_gone = not new and not self._path.exists()
        except OSError as error:
            new, is_gone = [], True
            logger.debug("%s cannot be listed: %s", self._path, error)
        self._heed(is_gone=is_gone)
        self._seen.update(map(str, new))
        return [path for path in new if not self._is_renamed(path)]

    def note_taken(self, path: Path) -> None:
        """Remember a file of which a frame was taken: it may come again under another name."""
        try:
            self._taken.append(_state(path))
        except OSError:
            return

    def note_vanished(self, state: tuple[int, int], frames: int) -> None:
        """Remember a file of that size and time that is gone, with so many frames that nobody took."""
        self._vanished[state] = frames

    def _unseen(self) -> Iterator[Path]:
        """Every file that can be followed and is not known yet."""
        seen = self._seen
        if not self._path.is_dir():
            if str(self._path) not in seen and self._path.exists():
                check_name(self._path)
                yield self._path
            return
        waiting = [str(self._path)]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if not entry.name.startswith("."):
                                waiting.append(entry.path)
                        # Of a hundred thousand entries nearly all are known, and a path costs much to make.
                        elif entry.path not in seen and is_followed(path := Path(entry.path)):
                            yield path
            except FileNotFoundError:
                continue  # a folder that was deleted meanwhile
            except OSError as error:
                if folder == str(self._path):
                    raise
                # Somebody's own, or the system's, such as lost+found: the others go on.
                if folder not in self._closed:
                    self._closed.add(folder)
                    logger.warning("%s is passed over: %s", folder, error.strerror or error)

    def _heed(self, *, is_gone: bool) -> None:
        """Tell of what was there and is not, once that lasts."""
        if not is_gone:
            self._gone_s = None
            return
        if not self._seen:
            return  # it has not come yet
        now_s = time.monotonic()
        self._gone_s = now_s if self._gone_s is None else self._gone_s
        if now_s - self._gone_s > GONE_S:
            self._gone_s = None
            raise CameraLostError(
                f"{self._path} is there no more: was it deleted or renamed, or is the network drive away?"
            )

    def _is_renamed(self, path: Path) -> bool:
        """Whether a file was taken under another name, as those of programs that rename what is done."""
        try:
            state = _state(path)
        except OSError:
            return False
        self.found_again += self._vanished.pop(state[2:], 0)
        return state in self._taken


def _state(path: Path) -> tuple[int, int, int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
