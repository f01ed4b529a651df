"""Says what is wrong with a camera's rate, clock and ids: in the first seconds, and once more at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.findings import FindingCode

if TYPE_CHECKING:
    from rheed_acquire.clocks.stamp_judge import StampJudge
    from rheed_acquire.run.capture import Capture
    from rheed_acquire.run.pushed_frames import PushedFrames
    from rheed_acquire.run.report import Journal


class ClockWatch:
    """Tells the journal of each oddity when it shows first.

    Parameters
    ----------
    judge
        Of the camera's stamps.
    fps
        The rate that the run declares.
    tolerance
        By which fraction the camera's may differ.
    """

    def __init__(self, judge: StampJudge, fps: float, tolerance: float, journal: Journal) -> None:
        self._judge, self._fps, self._tolerance, self._journal = judge, fps, tolerance, journal
        self._rate_told = False
        self._told: set[str] = set()

    def look(self, pushed: PushedFrames) -> None:
        """See what there is to tell after a chunk."""
        measured = None if self._rate_told else pushed.fps_known
        if measured is not None:
            off = measured / self._fps - 1.0
            if abs(off) > self._tolerance:
                self._rate_told = True
                self._journal.event(
                    f"the camera delivers {measured:.6g} frames/s, {abs(off):.1%} "
                    f"{'more' if off > 0 else 'less'} than the {self._fps:.6g} that the run declares",
                    "warning",
                )
        for kind, text in self._judge.findings():
            if kind not in self._told:
                self._told.add(kind)
                self._journal.event(f"the camera's clock: {text}", "warning")

    def end(self) -> None:
        """Sum up what the clock came to."""
        found = [text for _, text in self._judge.findings()]
        if found:
            self._journal.warn(FindingCode.CAMERA_CLOCK, f"the camera's clock: {'; '.join(found)}")


def judge_ids(capture: Capture, journal: Journal) -> None:
    """Say what is odd about the camera's frame ids."""
    repeated, restarts, odd = capture.id_quirks
    if repeated and not capture.has_ids:
        journal.warn(
            FindingCode.FRAME_IDS,
            f"the camera's frame ids do not count: {repeated} frames bear the id of the one before, so that "
            "only the driver's counters tell of losses",
        )
        return
    found = []
    if repeated:
        found.append(f"{repeated} frames bear the id of the one before")
    if restarts:
        found.append(f"{restarts} times the ids went back")
    if odd:
        found.append(f"{odd} ids fit to none around them")
    if found:
        journal.warn(FindingCode.FRAME_IDS, f"the camera's frame ids: {'; '.join(found)}")
