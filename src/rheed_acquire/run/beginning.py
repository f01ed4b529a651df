"""Tells how a run on a camera that is held open begins: how far it reaches back, how long it has waited."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rheed_acquire.findings import FindingCode
from rheed_acquire.run.arrivals import SILENCE_PERIODS, SILENCE_S

if TYPE_CHECKING:
    from rheed_acquire.run.lent_camera import CameraTurn
    from rheed_acquire.run.report import Journal, RunInfo

LATE_S, LATE_PERIODS = 0.05, 3
"""A run that begins later than it was to by both of them says so."""


class Beginning:
    """Tells of it, once.

    Parameters
    ----------
    turn
        The run's way to the camera.
    journal
        That is told.
    """

    def __init__(self, turn: CameraTurn, journal: Journal) -> None:
        self._turn, self._journal = turn, journal
        self._is_told = False

    def tell(self, info: RunInfo) -> None:
        """Say how it was, once the camera was started for the run."""
        self._tell_wait(info)
        self._tell_reach(info)

    def _tell_wait(self, info: RunInfo) -> None:
        """Say how long the run has waited for its camera, which it was asked for without."""
        turn, start = self._turn, self._turn.run_start
        if turn.away is None or start is None or self._is_told:
            return
        self._is_told = True  # there was nothing to reach back to
        late_s = (time.perf_counter_ns() - start.asked_ns) / 1e9
        self._journal.problem(
            FindingCode.LATE_START,
            f"the camera was away when the run was asked for, and came {late_s:.1f} s later: {turn.away}",
            frames=round(late_s * info.fps),
        )

    def _tell_reach(self, info: RunInfo) -> None:
        """Say how far the run reaches back, and whether that is less than it was to."""
        turn, start = self._turn, self._turn.run_start
        if start is None or turn.kept_from_ns is None or self._is_told:
            return
        self._is_told = True
        if turn.reached_ns is not None and turn.reached_ns < start.asked_ns:
            before_s = (start.asked_ns - turn.reached_ns) / 1e9
            self._journal.event(f"the run begins {before_s:.3f} s before it was asked for")
        least_s = max(LATE_S, LATE_PERIODS / info.fps)
        # Of a camera that waits for pulses none is missing where all that came is kept.
        reached_ns = None if info.camera.fps is None else turn.reached_ns
        begins_ns = turn.kept_from_ns if reached_ns is None else reached_ns
        late_s = (begins_ns - start.since_ns) / 1e9
        text = f"the run was to begin {late_s:.2f} s earlier, and the"
        if (turn.kept_from_ns - start.since_ns) / 1e9 > least_s:
            self._journal.warn(FindingCode.SHORT_PRE_ROLL, f"{text} preview kept no frame of that time")
        elif late_s > max(SILENCE_S, SILENCE_PERIODS / info.fps):  # less is no silence, but a busy computer
            self._journal.warn(
                FindingCode.SHORT_PRE_ROLL,
                f"{text} camera gave no frame in that time",
                advice=FindingCode.LATE_START.advice,
            )
