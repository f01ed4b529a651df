"""What ends a run whose camera is well: its duration, its user, or its streamer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rheed_acquire.findings import FindingCode
from rheed_acquire.run.report import Journal


class RunEnd:
    """Waited for wherever a run waits, so that nothing the camera does can put it off.

    Parameters
    ----------
    duration_s
        How long to capture; None for no limit. It counts from `count_from`, else from now.
    stop
        Set by whoever ends the run.
    stop_reason
        Asked now and then; what it says, if anything, is why the run has to end.
    journal
        Where that is noted.
    """

    def __init__(
        self,
        duration_s: float | None,
        stop: threading.Event,
        stop_reason: Callable[[], str | None],
        journal: Journal,
    ) -> None:
        self._duration_s, self._stop, self._stop_reason = duration_s, stop, stop_reason
        self._journal = journal
        self._since_s = time.perf_counter()
        self._is_early = False

    def count_from(self, first_frame_s: float) -> None:
        """Count the duration from the first frame: a camera that is slow to start loses nothing."""
        self._since_s = first_frame_s

    def is_here(self) -> bool:
        """Whether the run is over."""
        if self._stop.is_set() or self._is_early or self._left_s(1.0) <= 0:
            return True
        reason = self._stop_reason()
        if reason is not None:
            self._is_early = True
            self._journal.problem(FindingCode.ENDED_EARLY, f"the run was ended early: {reason}")
        return self._is_early

    def wait(self, seconds: float) -> bool:
        """Wait for it no longer than so many seconds; whether the run is over."""
        self._stop.wait(self._left_s(seconds))
        return self.is_here()

    def _left_s(self, most_s: float) -> float:
        if self._duration_s is None:
            return most_s
        return min(most_s, max(0.0, self._duration_s - (time.perf_counter() - self._since_s)))
