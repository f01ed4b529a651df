"""A run at one instant."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rheed_acquire.run.arrivals import SILENCE_PERIODS
from rheed_acquire.run.presence import Absence
from rheed_acquire.run.report import RunInfo
from rheed_acquire.streaming.streamer import DeliveryStatus

SILENT_S = 2.0
"""After which it is shown that no frame comes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run at one instant, for whoever shows it.

    Attributes
    ----------
    away
        Why the camera cannot be opened for which the run waits to begin; None where it does not.
    absence
        The time without the camera that lasts (seconds of ``time.perf_counter``); None while it is there.
    silent_s
        Since when no frame has come, in seconds; None before the first, and for a recording.
    """

    phase: str
    info: RunInfo | None = None
    elapsed_s: float = 0.0
    frames_received: int = 0
    frames_overrun: int = 0
    frames_not_taken: int = 0
    frames_not_archived: int = 0
    archive_trouble: str | None = None
    frames_missing: int = 0
    gap_count: int = 0
    away: str | None = None
    absence: Absence | None = None
    silent_s: float | None = None
    delivery: DeliveryStatus = field(default_factory=DeliveryStatus)

    @property
    def state(self) -> str:
        """What the run is doing, in a word or two: its phase, or that it has no camera."""
        return self.phase if self.absence is None and self.away is None else "camera lost"

    @property
    def camera_trouble(self) -> str | None:
        """What is wrong with the camera just now, as a sentence; None where nothing is."""
        absence, silent_s, info = self.absence, self.silent_s, self.info
        if self.away is not None:
            return f"away when the run was asked for, which waits for it: {self.away}"
        if absence is not None:
            tries = f"{absence.attempts} attempt{'' if absence.attempts == 1 else 's'} to open it again"
            return f"lost {absence.lasted_s(time.perf_counter()):.0f} s ago, {tries}: {absence.reason}"
        if self.phase != "capturing" or silent_s is None or info is None:
            return None
        return (
            f"no frame for {silent_s:.0f} s" if silent_s > max(SILENT_S, SILENCE_PERIODS / info.fps) else None
        )
