"""Says in words why a run is not flawless, from its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.report import Journal, RunReport
    from rheed_acquire.settings.run_settings import RunSettings


def judge(report: RunReport, settings: RunSettings, journal: Journal) -> None:
    """Note every problem and every oddity that the figures show."""
    info, delivery = report.info, report.delivery
    if not report.frames_received:
        journal.problem("the camera delivered no frame")
    if report.frames_dropped_by_camera:
        lost, gaps = report.frames_dropped_by_camera, report.gap_count
        journal.problem(f"the camera lost {lost} frames in {gaps} gaps")
    if report.frames_overrun:
        journal.problem(
            f"{report.frames_overrun} frames came while all chunk buffers waited to be encoded (more "
            "buffers: --ring-chunks or --memory-limit)"
        )
    if report.frames_rejected:
        journal.problem(f"{report.frames_rejected} frames could not be used")
    if report.chunks_not_uploaded:
        reasons = {reason for _, reason in delivery.get("lost", [])}
        why = (
            f": {'; '.join(sorted(reasons))}"
            if reasons
            else "; they wait in the spool (rheed-acquire recover)"
        )
        journal.problem(f"{report.chunks_not_uploaded} chunks were not uploaded{why}")
    if delivery.get("closed") is False:
        journal.problem(
            "the server did not confirm the end of the stream (rheed-acquire recover tries again)"
        )
    if report.pauses and info.camera.recorded:
        journal.warn(
            f"the recording itself pauses for up to {max(report.pauses):.3g} s, {len(report.pauses)} times"
        )
    elif report.pauses:
        journal.problem(
            f"no frame came for up to {max(report.pauses):.3g} s, {len(report.pauses)} times, and no id "
            "of the camera's says that one is missing: the driver had no buffers, or the camera waited"
        )
    slow = report.shortfall
    if slow is not None and slow > settings.fps_tolerance and not report.frames_dropped_by_camera:
        journal.warn(
            f"the camera delivered {report.fps_measured:.6g} frames/s, "
            f"where the stream declares {info.fps:.6g}"
        )
    if not report.adds_up:
        journal.problem(
            f"{report.frames_received} frames received, but {report.frames_pushed} pushed, "
            f"{report.frames_overrun} overrun and {report.frames_rejected} rejected"
        )
