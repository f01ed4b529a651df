"""The run's stream, as far as the run asks about it and ends it: what fails there costs no frame."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rheed_acquire.findings import FindingCode
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.run.report import Journal
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer

logger = logging.getLogger(__name__)


class RunStream:
    """What a streamer says of the run's stream, and the end of both.

    Parameters
    ----------
    streamer
        Open.
    journal
        Where it is told what the streamer raises, of each method once.
    patience
        Whether the user still waits.
    drain_timeout_s
        Asked, at the end of the stream, how long that may wait for uploads.
    """

    def __init__(
        self,
        streamer: Streamer,
        journal: Journal,
        patience: Patience,
        drain_timeout_s: Callable[[], float],
    ) -> None:
        self.streamer = streamer
        self.is_finalized = False
        """Whether its end has begun."""
        self._data_id: str | None = None
        self._ended: DeliveryStatus | None = None
        self._known = DeliveryStatus()
        self._journal, self._patience = journal, patience
        self._drain_timeout_s = drain_timeout_s
        # Never released: of several threads that ask, one tells, and once.
        self._status_told = threading.Lock()
        self._close_failed = False

    def begin(self, data_id: str) -> None:
        """Note that the streamer has opened the stream: from now on it has to be ended."""
        self._data_id = data_id

    def status(self) -> DeliveryStatus:
        """How far its chunks have come: as far as the streamer has told, or by its final report."""
        if self._ended is not None:
            return self._ended
        if self._data_id is None:
            return self._known
        try:
            self._known = self.streamer.status(self._data_id)
        except Exception as error:
            # A streamer that cannot tell, or has let go of the stream: figures are no reason to end a run.
            logger.debug("no status", exc_info=True)
            is_to_be_told = not self.is_finalized and not self._patience.ended
            if is_to_be_told and self._status_told.acquire(blocking=False):
                self._journal.warn(
                    FindingCode.STREAMER_SILENT, f"how far the uploads are is unknown: {error}"
                )
        return self._known

    def finalize(self) -> dict[str, Any]:
        """End it, after its uploads; the streamer's report."""
        if self._data_id is None:
            return {}
        before = self.status()
        self.is_finalized = True
        report: dict[str, Any] = {}
        try:
            report = self.streamer.finalize(self._data_id, self._drain_timeout_s())
        except Exception as error:
            logger.debug("finalize failed", exc_info=True)
            self._journal.problem(FindingCode.NOT_FINALIZED, f"the stream could not be finalized: {error}")
        self._ended = _at_the_end(before, report)
        return report

    def end_if_begun(self) -> None:
        """End what was begun and not ended, on the way out of a run that failed."""
        if self._data_id is not None and not self.is_finalized:
            self.finalize()

    def close(self) -> None:
        """Close the streamer; a `finalize` in another thread waits no longer."""
        try:
            self.streamer.close()
        except Exception as error:
            logger.debug("close failed", exc_info=True)
            if not self._close_failed:
                self._close_failed = True
                self._journal.warn(FindingCode.STREAMER_CALL, str(error))


def _at_the_end(before: DeliveryStatus, report: Mapping[str, Any]) -> DeliveryStatus:
    """Bring a status up to a streamer's report, as far as that has the figures.

    A streamer need not report what it has told by its status: a chunk that it said it gave up stays given up.
    """
    uploaded = int(report.get("chunks_uploaded", before.chunks_uploaded))
    lost = tuple((index, reason) for index, reason in report.get("lost", ()))
    told = max(before.chunks_failed, len(before.lost))
    failed = max(int(report.get("chunks_failed", told)), len(lost))
    return replace(
        before,
        chunks_pushed=max(before.chunks_pushed, uploaded + failed),
        chunks_uploaded=uploaded,
        chunks_failed=failed,
        bytes_uploaded=int(report.get("bytes_uploaded", before.bytes_uploaded)),
        lost=lost or (before.lost if failed else ()),
    )
