"""Whether a run has its camera: with it, or without it since when, why, and after how many attempts.

Everything here is told what happened and when, and reads no clock of its own. Times are seconds of
``time.perf_counter``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

KEPT_ABSENCES = 1000


def without_figures(why: str) -> str:
    """Give a reason without its figures: buffer 7 and buffer 8 fail for the same one."""
    return re.sub(r"\d+", "#", why)


@dataclass(frozen=True, slots=True)
class Absence:
    """A time without the camera.

    Attributes
    ----------
    since_s
        When its last frame came; where there was none, when it was started.
    noticed_s
        When it was found to be gone.
    why
        The first reason that was seen.
    latest
        The last one, which is the first where there was no other.
    attempts
        How often it was tried to open it again.
    until_s
        When the first frame after it came, or the run ended; None while it lasts.
    """

    since_s: float
    noticed_s: float
    why: str
    latest: str
    attempts: int = 0
    until_s: float | None = None

    @property
    def reason(self) -> str:
        """Why, and where that has changed, why at last."""
        is_same = without_figures(self.latest) == without_figures(self.why)
        return self.why if is_same else f"{self.why}; at last: {self.latest}"

    def lasted_s(self, now_s: float) -> float:
        """How long it lasted, or has lasted by now."""
        return max(0.0, (now_s if self.until_s is None else self.until_s) - self.since_s)


class Presence:
    """What is known of the camera, through every loss and return of a run.

    Attributes
    ----------
    started_s
        When the camera was started for the first time.
    absence
        The one that lasts; None while the camera is there. It is never changed but replaced, so that any
        thread may look.
    last_frame_s
        When the latest frame came; None before the first.
    past
        The first `KEPT_ABSENCES` that ended.
    """

    def __init__(self) -> None:
        self.started_s = 0.0
        self.absence: Absence | None = None
        self.last_frame_s: float | None = None
        self.past: list[Absence] = []

    def started(self, now_s: float) -> None:
        """Note that the camera was started for the first time."""
        self.started_s = now_s

    def frame_came(self, now_s: float) -> Absence | None:
        """Note that there are new frames; returns the absence that ends by it, if one does."""
        self.last_frame_s = now_s
        return self._end(now_s)

    def lost(self, now_s: float, why: str) -> bool:
        """Note that the camera is gone; whether that is news. One that gave no frame had not come back."""
        absence = self.absence
        if absence is not None:
            self.absence = replace(absence, latest=why)
            return False
        since_s = self.started_s if self.last_frame_s is None else self.last_frame_s
        self.absence = Absence(since_s, now_s, why, why)
        return True

    def attempted(self) -> None:
        """Note an attempt to open it again."""
        if self.absence is not None:
            self.absence = replace(self.absence, attempts=self.absence.attempts + 1)

    def failed(self, why: str) -> None:
        """Note why an attempt failed."""
        if self.absence is not None:
            self.absence = replace(self.absence, latest=why)

    def run_ended(self, now_s: float) -> Absence | None:
        """Note the end of the run; returns the absence that lasted until then, if one did."""
        return self._end(now_s)

    def _end(self, now_s: float) -> Absence | None:
        absence = self.absence
        if absence is None:
            return None
        ended = replace(absence, until_s=now_s)
        self.absence = None
        if len(self.past) < KEPT_ABSENCES:
            self.past.append(ended)
        return ended
