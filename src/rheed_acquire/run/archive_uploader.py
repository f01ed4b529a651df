"""An archive that goes into a bucket: a thread of its own brings it there, and nobody waits for the store."""

from __future__ import annotations

import logging
import math
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.findings import FindingCode
from rheed_acquire.streaming.archive_upload import ArchiveUpload, catch_up
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.waiting_archives import WaitingArchive, archives_of_streams
from rheed_acquire.system.priority import make_way
from rheed_acquire.system.worker import Worker

if TYPE_CHECKING:
    from rheed_acquire.host.guard.calls import Patience
    from rheed_acquire.run.report import Journal

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
CATCH_UP_EVERY_S = 60.0
"""How often it is looked for archives of earlier runs that wait for the same bucket."""
LETS_GO_WITHIN_S = 2.0
AWAY_S = 10.0
"""At a run's end a store that has failed for so long is not waited for: what it lacks is safe on the disk."""


class ArchiveUploader:
    """Brings a run's archive into its bucket while it is written, and what earlier runs have left for it.

    Parameters
    ----------
    archive
        The run's, locked; it is let go of at the end.
    spool
        The folder that it waits in.
    journal
        Where it is noted that the store is away, once each time, and what waits at the end.
    patience
        Whether the user still waits.
    """

    def __init__(self, archive: WaitingArchive, spool: Path, journal: Journal, patience: Patience) -> None:
        self._archive, self._spool, self._journal, self._patience = archive, spool, journal, patience
        self._upload = ArchiveUpload(archive)
        self._backoff, self._failures = Backoff(cap_s=10.0), 0
        self._catch_up_s = time.monotonic() + LOOK_EVERY_S
        self._complete, self._closing = threading.Event(), threading.Event()
        # Set once the run waits for it: then no pause between attempts is long.
        self._awaited = threading.Event()
        self.trouble: str | None = None
        # Since when it lasts, and the latest attempt.
        self._trouble_since_s = self._failed_s = -math.inf
        self._worker = Worker(
            "archive-uploader", self._step, self._closing, at_begin=make_way, at_end=self._let_go
        )

    def start(self) -> None:
        """Begin to bring it there."""
        self._worker.start()

    @property
    def is_complete(self) -> bool:
        """Whether the bucket has all of it."""
        return self._complete.is_set()

    def waiting(self) -> tuple[int, int]:
        """How many of its chunks wait on this computer, and their bytes."""
        return self._upload.waiting()

    def finish(self, timeout_s: float) -> None:
        """Wait until the bucket has all of it, for ``timeout_s`` seconds at most; say what waits then.

        A store that is away is asked once more, and waited for no longer (`AWAY_S`). To be called once the
        archive and the stream have come to their ends.
        """
        begun_s = time.monotonic()
        self._awaited.set()
        self._patience.wait(self._complete, timeout_s, lambda: self._is_away(begun_s))
        self._closing.set()
        self._worker.join(LETS_GO_WITHIN_S)  # one whose store hangs ends, and lets go, when that answers
        if self.is_complete:
            return
        chunks, size = self.waiting()
        what = f"{chunks} chunks, {size / 1e6:.1f} MB" if chunks else "what says what its frames are"
        why = f": {self.trouble}" if self.trouble else ""
        self._journal.problem(
            FindingCode.ARCHIVE_WAITS, f"of the archive {what} wait for {self._archive.target}{why}", frames=0
        )

    def _is_away(self, awaited_s: float) -> bool:
        """Whether the store has failed for long, also since it is waited for; one that hangs has failed."""
        now_s = time.monotonic()
        if self.trouble is None or now_s - self._trouble_since_s < AWAY_S:
            return False
        return self._failed_s > awaited_s or now_s - awaited_s > AWAY_S

    def _step(self) -> float | None:
        if self._closing.is_set():
            return None
        try:
            if not self.is_complete:
                self._upload.go_on(self._closing.is_set)
        except (OSError, RheedAcquireError) as error:
            return self._fail(str(getattr(error, "strerror", None) or error))
        if self.trouble is not None:
            self.trouble, self._failures = None, 0
            self._journal.event("the archive's bucket takes chunks again")
        if self._upload.is_complete:
            self._complete.set()  # and not let go of before its stream has ended
        if time.monotonic() >= self._catch_up_s:
            self._catch_up_s = time.monotonic() + CATCH_UP_EVERY_S
            self._catch_up()
        return LOOK_EVERY_S

    def _fail(self, why: str) -> float:
        self._failed_s = time.monotonic()
        if self.trouble is None:
            self._trouble_since_s = self._failed_s
            self._journal.event(f"the archive waits on this computer's disk: {why}", "warning")
        self.trouble = why
        self._failures += 1
        if self._awaited.wait(self._backoff.delay_s(self._failures)):
            return LOOK_EVERY_S
        return 0.0

    def _catch_up(self) -> None:
        """Bring there what earlier runs have left, which nobody waits for."""
        for outcome in catch_up(self._spool, self._archive.target.bucket, self._closing.is_set):
            if outcome.chunks_put and outcome.is_complete:
                self._journal.event(f"an archive that waited is in its bucket: {outcome.place}")

    def _let_go(self) -> None:
        if not self.is_complete:
            self._archive.release()
        elif str(self._archive.folder) in archives_of_streams(self._spool):
            self._archive.release()  # its stream has not ended, and sees by it that the archive has
        else:
            self._archive.remove()
