"""Follows a file, or a folder in which files appear: which frame comes next, and which are lost."""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_growing.at_once import AtOnce
from rheed_acquire_growing.counter import NameCounter, series_of
from rheed_acquire_growing.discovery import Discovery
from rheed_acquire_growing.growing_file import BegunAnewError, GrowingFile, NotWholeError
from rheed_acquire_growing.kinds import check_name, open_growing
from rheed_acquire_growing.pictures import GrowingPicture
from rheed_acquire_replay.names import in_order

# Below the name of the program's own log, so that its verbosity holds.
logger = logging.getLogger("rheed_acquire.growing")

PATIENCE_S = 3.0
"""How long a frame that is not whole, or cannot be read, keeps later ones waiting, where nothing changes."""
LATE_S = 1.0
"""How long a frame waits for the one whose number comes before its own."""
REWIND_FRAMES = 10_000
"""So many frames may have been taken for a start to begin anew where the camera was opened."""

_LOOKED_AT, _NEIGHBOURS, _TOLD = 64, 64, 5
_SIDE_BY_SIDE, _SIDE_BY_SIDE_S = 4, 60.0
"""So many files that were written to within so many seconds of the newest one may be going on beside it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame.

    Attributes
    ----------
    id
        By the counter in the files' names; None where they have none.
    time_ns
        When it was captured or written, in nanoseconds since 1970.
    """

    pixels: NDArray[Any]
    id: int | None
    time_ns: int
    file: GrowingFile


class Follower:
    """What grows, from the moment on at which this is made.

    `look` is called again and again; `take` gives the frames that it has found.

    Parameters
    ----------
    path
        Of a file or folder, which may come later.
    from_start
        Whether frames that are there already are taken too.
    dataset
        Of an HDF5 file, where several can be meant.
    rate
        Frames per second, as the user says: by it those that are there already are dated.

    Attributes
    ----------
    waiting
        Whole frames that were found and not taken.
    left_out
        Files that were there already and are not taken.
    """

    def __init__(
        self, path: Path, *, from_start: bool, dataset: str | None = None, rate: float | None = None
    ) -> None:
        check_name(path)
        self.path, self._dataset, self._rate = path, dataset, rate
        self.waiting = self.left_out = self.frames_left_out = self._lost = 0
        self.counter: NameCounter | None = None
        self._files, self._at_once = Discovery(path), AtOnce()
        self._series: dict[tuple[str, str], int] = {}
        self._pending: deque[GrowingFile] = deque()
        self._passed: deque[GrowingFile] = deque()  # since the mark
        self._taken = 0  # likewise
        self._last: tuple[Path, int] | None = None  # the file of the latest frame, and when it was written
        self._looked_ns: int | None = None
        self._stuck: dict[Path, float] = {}
        self._told = 0
        self._has_single_frames = False
        self._marked: list[tuple[GrowingFile, int]] = []
        if not from_start:
            self._looked_ns = time.monotonic_ns()
            self._pass_over_what_is_there()
        self.mark()

    @property
    def lost(self) -> int:
        """Frames that were there, or were to be there, and could not be taken."""
        return self._lost - self._files.found_again

    def look(self) -> None:
        """Look for new files, and into those that may have grown.

        Raises
        ------
        CameraLostError
            What was there is there no more.
        CameraError
            It cannot be followed.
        """
        now_ns = time.monotonic_ns()
        self._find_files(since_ns=self._looked_ns)
        self._wake()
        looked = 0
        for place, file in enumerate(list(self._pending)):
            # Those that wait for their turn need to be known as whole, and no more.
            if not file.count or (place == 0 and (file.grows or file.path == self.path)):
                self._look_into(file)
                looked += 1
            if looked >= _LOOKED_AT:
                break
        self.waiting = sum(file.waiting for file in self._pending)
        self._looked_ns = now_ns

    def take(self) -> Taken | None:
        """Take the next frame; None where there is none that is whole and in its turn."""
        while self._pending:
            file = self._pending[0]
            if file.waiting:
                if self._waits_for_another(file):
                    return None
                taken = self._read(file)
                if taken is not None:
                    return taken
                if file.path in self._stuck:
                    return None
            elif self._is_over(file):
                self._passed.append(self._pending.popleft())
                file.close()
                if self._taken > REWIND_FRAMES:
                    self._passed.clear()
            else:
                return None
        return None

    def learn_counter(self) -> None:
        """Find the counter in the names of the files that are there to be taken, each with one frame."""
        files = list(self._pending)[:_NEIGHBOURS]
        names = [file.path for file in files if series_of(file.path) == series_of(files[0].path)]
        if self.path.is_dir() and names and all(file.has_one and file.count < 2 for file in files):
            self.counter = NameCounter(names)

    def files(self) -> Iterator[GrowingFile]:
        """Give those in which frames wait, or may come."""
        yield from self._pending

    def mark(self) -> None:
        """Let what comes from here on be what `rewind` goes back to."""
        self._passed.clear()
        self._taken = 0
        self._marked = [(file, file.next) for file in self._pending]

    def rewind(self) -> None:
        """Go back to the mark, unless too much has been taken since."""
        if self._taken > REWIND_FRAMES:
            return
        starts = {id(file): number for file, number in self._marked}
        files = [*self._passed, *self._pending]
        for file in files:
            if file.grows:
                file.next = starts.get(id(file), 0)
            elif file.count:
                file.next = file.count - 1
        self._pending, self._passed = deque(files), deque()
        self._taken, self._last = 0, None
        if self.counter is not None:
            self.learn_counter()

    def close(self) -> None:
        """Let the files go."""
        for file in (*self._pending, *self._passed):
            file.close()

    # ---- which files there are -------------------------------------------------------------------------

    def _pass_over_what_is_there(self) -> None:
        there: list[tuple[int, Path]] = []
        for path in self._files.pass_over():
            self.left_out += 1
            with suppress(OSError):
                there.append((path.stat().st_mtime_ns, path))
        newest = heapq.nlargest(_SIDE_BY_SIDE, there)
        for written_ns, path in newest:
            if newest[0][0] - written_ns > _SIDE_BY_SIDE_S * 1e9:
                return
            self._pass_over(self._open(path, None), is_newest=path == newest[0][1])

    def _pass_over(self, file: GrowingFile, *, is_newest: bool) -> None:
        if isinstance(file, GrowingPicture):
            if self.path == file.path:
                file.skip()
                self._pending.append(file)
            return
        # It may be one that is being written. What is in it is over.
        try:
            self._look_into(file)
        except CameraError as error:
            logger.debug("%s is passed over: %s", file.path, error)
            return
        file.next = file.count
        if is_newest:
            self.frames_left_out, self.left_out = file.count, self.left_out - 1
            self._pending.append(file)
        else:
            self._at_once.rest(file)

    def _find_files(self, since_ns: int | None) -> None:
        fresh = self._files.find()
        if fresh:
            self._line_up([self._open(path, since_ns) for path in fresh])

    def _wake(self) -> None:
        """Let files go on that have rested: their new frames come after those that wait."""
        for file, is_anew in self._at_once.woken():
            if self._pending and self._pending[0].unchanged_s < PATIENCE_S:
                self._at_once.tell(self._pending[0], file)
            if file in self._passed:
                self._passed.remove(file)
            else:
                self._marked.append((file, file.next))
            self._pending.append(file)
            if is_anew:
                self._begin_anew(file)
        if len(self._pending) > 1:
            self._at_once.heed(self._pending[0], self._pending[1], self._look_into)

    def _open(self, path: Path, since_ns: int | None) -> GrowingFile:
        file = open_growing(path, since_ns, self._dataset)
        file.rate = self._rate
        return file

    def _line_up(self, files: list[GrowingFile]) -> None:
        """Put new files among those that wait, in the order of their names, one series after another."""
        # Copied files may all be of one time.
        for file in sorted(files, key=lambda file: (_written_ns(file), file.path)):
            self._series.setdefault(series_of(file.path), len(self._series))
        if self._last is not None:
            files = [file for file in files if not self._is_late(file)]
        before = list(self._pending)
        # As a rule they come after all that wait, which may be many.
        for kept in (max(0, len(before) - _NEIGHBOURS), 0):
            ordered = self._in_order([*before[kept:], *files])
            if not kept or (ordered and ordered[0] is before[kept]):
                self._pending = deque([*before[:kept], *ordered])
                return

    def _in_order(self, files: list[GrowingFile]) -> list[GrowingFile]:
        rank = {path: place for place, path in enumerate(in_order([file.path for file in files]).files)}
        return sorted(files, key=lambda file: (self._series[series_of(file.path)], rank[file.path]))

    def _is_late(self, file: GrowingFile) -> bool:
        """Whether a file belongs before one of which frames have been taken: those cannot be called back."""
        assert self._last is not None
        path, written_ns = self._last
        if series_of(path) != series_of(file.path) or in_order([file.path, path]).files[0] == path:
            return False
        # Where numbers begin anew, the file is younger than the one with the higher number.
        if _written_ns(file) > written_ns:
            return False
        self.lose(f"{file.path} came after {path.name} had been taken, and is left out", frames=1)
        return True

    # ---- what is in them -------------------------------------------------------------------------------

    def _look_into(self, file: GrowingFile) -> None:
        try:
            file.look()
        except BegunAnewError:
            self._begin_anew(file)
        except FileNotFoundError:
            # Where it is what is followed, or all of it is away, it may come back.
            if file.path != self.path and self.path.exists():
                self._drop(file)
        except PermissionError as error:
            # Windows lets nobody open what its writer keeps for itself; it does later.
            logger.debug("%s cannot be opened yet: %s", file.path, error)
        except OSError as error:
            logger.debug("%s cannot be looked at: %s", file.path, error)

    def _begin_anew(self, file: GrowingFile) -> None:
        if file.waiting:
            self.lose(f"{file.path} was begun anew before all of it had been taken", frames=file.waiting)
        logger.warning("%s was begun anew; it is followed from its first frame on", file.path)
        file.close()
        fresh = self._open(file.path, self._looked_ns)
        self._pending = deque(fresh if one is file else one for one in self._pending)
        self._taken = REWIND_FRAMES + 1  # what was taken before is there no more
        self._passed.clear()

    def _drop(self, file: GrowingFile) -> None:
        """Let go a file that is there no more; what it had and nobody took is lost, unless it was renamed."""
        if file.waiting:
            self.lose(f"{file.path} was deleted before all of it had been taken", frames=file.waiting)
            self._files.note_vanished(file.state, file.waiting)
        file.close()
        self._pending = deque(one for one in self._pending if one is not file)

    def _waits_for_another(self, file: GrowingFile) -> bool:
        """Whether a picture is held back, since one with the number before it may still come."""
        counter = self.counter
        if counter is None or (file.grows and file.next) or not counter.missing_before(file.path):
            return False
        # While more of them come, the one that is missing may be on its way through another thread.
        return file.unchanged_s < LATE_S

    def _read(self, file: GrowingFile) -> Taken | None:
        number = file.next
        try:
            pixels = file.read(number)
            time_ns = file.time_ns(number)
        except FileNotFoundError:
            self._stuck[file.path] = time.monotonic()
            self._look_into(file)
            if file not in self._pending:
                del self._stuck[file.path]
            return None
        except (NotWholeError, OSError, CameraError) as error:
            self._stay(file, error)
            if isinstance(error, NotWholeError):
                self._look_into(file)
            return None
        self._stuck.pop(file.path, None)
        file.next += 1
        self._taken += 1
        self.waiting = max(0, self.waiting - 1)
        frame_id = None
        if self.counter is not None:
            frame_id = self.counter.go_on() if file.grows and number else self.counter.take(file.path)
        if self._last is None or self._last[0] != file.path:
            self._files.note_taken(file.path)
        self._last = (file.path, file.written_ns)
        return Taken(pixels, frame_id, time_ns, file)

    def _stay(self, file: GrowingFile, error: Exception) -> None:
        """Try a frame again that cannot be read, for a while."""
        now_s = time.monotonic()
        since_s = self._stuck.setdefault(file.path, now_s)
        if now_s - since_s <= PATIENCE_S:
            return
        del self._stuck[file.path]
        reason = str(error) or f"{file.path} was written to again and again"
        self.lose(f"a frame is left out: {reason}", frames=1)
        file.next += 1

    def _is_over(self, file: GrowingFile) -> bool:
        """Whether nothing more is to be expected of a file, so that the next one has its turn."""
        if file.path == self.path:
            return False
        if not file.grows and file.count:
            return True
        if not any(later.count for later in self._pending if later is not file):
            return False
        self._look_into(file)
        if file.waiting or file not in self._pending:
            return False
        if file.count:
            # Where every file has one frame, the next one says that this one is done.
            is_over = file.has_settled or (self._has_single_frames and file.count == 1)
            self._has_single_frames = is_over and file.count == 1
            if is_over:
                self._at_once.rest(file)
            return is_over
        if file.unchanged_s <= PATIENCE_S:
            return False
        self.lose(f"{file.path} has not become whole", frames=1)
        return True

    def lose(self, what: str, frames: int) -> None:
        """Count frames that cannot be had, and say why, a few times."""
        self._lost += frames
        self._told += 1
        if self._told <= _TOLD:
            logger.warning("%s", what)


def _written_ns(file: GrowingFile) -> int:
    try:
        return file.path.stat().st_mtime_ns
    except OSError:
        return 0
