"""The report of a run whose frames have all gone their way: every count, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheed_acquire.run.clock_watch import judge_ids
from rheed_acquire.run.judgement import has_all_frames, judge
from rheed_acquire.run.report import RunReport

if TYPE_CHECKING:
    from rheed_acquire.recording.marks import Mark
    from rheed_acquire.recording.readings import ChannelSummary
    from rheed_acquire.run.report import Journal
    from rheed_acquire.run.run_parts import RunParts
    from rheed_acquire.settings.run_settings import RunSettings
    from rheed_acquire.streaming.streamer import DeliveryStatus


def make_report(
    parts: RunParts,
    settings: RunSettings,
    journal: Journal,
    delivery: dict[str, Any],
    status: DeliveryStatus,
    marks: tuple[Mark, ...],
    channels: tuple[ChannelSummary, ...],
    meanwhile: Sequence[str],
) -> RunReport:
    """Add up what the parts of a run have counted, and judge it.

    Parameters
    ----------
    delivery, status
        Of the stream, which has ended: the streamer's report, and how far its chunks came.
    meanwhile
        What else kept the computer busy, a sentence each.
    """
    capture, pusher, archiver, uploader = parts.capture, parts.pusher, parts.archiver, parts.uploader
    chunks_waiting, bytes_waiting = uploader.waiting() if uploader is not None else (0, 0)
    pushed = pusher.pushed
    if has_all_frames(settings, capture.received):
        pushed.complete()
        capture.attendance.complete(pushed)
    report = RunReport(
        info=parts.info,
        ended_utc=datetime.now(UTC),
        frames_received=capture.received,
        frames_pushed=pushed.frames,
        frames_reduced=pushed.reduced,
        frames_dropped_by_camera=capture.frames_missing,
        frames_overrun=capture.overrun,
        frames_rejected=capture.rejected,
        frames_not_taken=pusher.frames_not_taken,
        frames_archived=0 if archiver is None else archiver.frames,
        frames_not_archived=0 if archiver is None else archiver.frames_missed,
        archive_waits=uploader is not None and not uploader.is_complete,
        archive_chunks_waiting=chunks_waiting,
        archive_bytes_waiting=bytes_waiting,
        chunks_pushed=pushed.chunks,
        chunks_uploaded=int(delivery.get("chunks_uploaded", status.chunks_uploaded)),
        chunks_not_uploaded=_not_uploaded(delivery, status),
        bytes_uploaded=int(delivery.get("bytes_uploaded", status.bytes_uploaded)),
        fps_measured=pushed.fps_measured,
        gaps=tuple(pushed.gaps),
        gap_count=capture.gap_count,
        camera_statistics=capture.statistics,
        delivery=delivery,
        events=journal.events,
        problems=journal.problems,
        warnings=journal.warnings,
        pauses=tuple(pushed.pauses),
        marks=marks,
        channels=channels,
        stretches=capture.attendance.stretches,
    )
    if not capture.has_ids:
        report.frames_dropped_by_camera = capture.statistics.get("frames_lost", 0)
    judge_ids(capture, journal)
    judge(
        report,
        settings,
        journal,
        capture.attendance.silences,
        pushed,
        status,
        numbered=capture.has_ids,
        behind=capture.attendance.behind,
        held_back=capture.attendance.held_back,
        meanwhile=meanwhile,
    )
    return report


def _not_uploaded(delivery: dict[str, Any], status: DeliveryStatus) -> int:
    """How many chunks have not arrived: by the streamer's report, else by how far they came.

    Those that it names as lost are among them, whatever it counts.
    """
    left = delivery.get("chunks_not_uploaded", status.chunks_queued + status.chunks_failed)
    return max(int(left), len(delivery.get("lost", ())))
