"""Says in words why a run is not flawless, from its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rheed_acquire.findings import FindingCode
from rheed_acquire.streaming.streamer import DeliveryStatus

if TYPE_CHECKING:
    from rheed_acquire.run.arrivals import Silence
    from rheed_acquire.run.pushed_frames import PushedFrames
    from rheed_acquire.run.report import Journal, RunReport
    from rheed_acquire.settings.run_settings import RunSettings

UNEVEN_S = 0.5
"""Frames of so much time may be missing in a run by the unevenness of their arrivals alone."""
_NOTHING_TOLD = DeliveryStatus()


def has_all_frames(settings: RunSettings, frames_received: int) -> bool:
    """Whether as many frames have come as were asked for."""
    return settings.frames is not None and frames_received >= settings.frames


def judge(
    report: RunReport,
    settings: RunSettings,
    journal: Journal,
    silences: Sequence[Silence] = (),
    pushed: PushedFrames | None = None,
    status: DeliveryStatus = _NOTHING_TOLD,
    *,
    numbered: bool = True,
    behind: int = 0,
    held_back: int = 0,
    meanwhile: Sequence[str] = (),
) -> None:
    """Note every problem and every oddity that the figures show.

    Parameters
    ----------
    silences
        Of the camera, by the arrivals of its frames.
    pushed
        Tells how many frames are in chunks that did not arrive.
    status
        What the streamer told last: why chunks did not arrive, and whether they wait in its spool.
    numbered
        Whether the camera numbers its frames, so that none can be missing unnoticed.
    behind
        How many frames fewer came than the declared rate promised, by their arrivals, with no silence and no
        frame number that tells of them.
    held_back
        How many were not waited for, which makes the rate by their arrivals lower.
    meanwhile
        What else kept the computer busy, a sentence each: it may be why frames found no room.
    """
    info, delivery = report.info, report.delivery
    if not report.frames_received and all(one.code != FindingCode.NO_FRAME for one in journal.problems):
        _judge_silence(report, settings, journal)
    if report.frames_dropped_by_camera:
        missing, gaps = report.frames_dropped_by_camera, report.gap_count
        how = f"in {gaps} gaps" if gaps else "by the count of its driver"
        journal.problem(FindingCode.CAMERA_LOSSES, f"the camera lost {missing} frames {how}", frames=missing)
    if report.frames_overrun:
        journal.problem(
            FindingCode.OVERRUNS,
            f"{report.frames_overrun} frames came while all chunk buffers waited to be encoded"
            + "".join(f"; meanwhile {busy}" for busy in meanwhile),
            frames=report.frames_overrun,
        )
    if report.frames_rejected:
        journal.problem(
            FindingCode.FRAMES_REJECTED,
            f"{report.frames_rejected} frames could not be used",
            frames=report.frames_rejected,
        )
    if report.chunks_not_uploaded:
        reasons = "; ".join(sorted({reason for _, reason in status.lost}))
        indices = [index for index, _ in status.lost if isinstance(index, int)]
        wait = not reasons and status.spool_bytes is not None
        journal.problem(
            FindingCode.CHUNKS_NOT_UPLOADED,
            f"{report.chunks_not_uploaded} chunks were not uploaded" + (f": {reasons}" if reasons else ""),
            frames=None if pushed is None else pushed.frames_at_most(report.chunks_not_uploaded, indices),
            advice="they wait in the spool: rheed-acquire recover" if wait else "",
        )
    if delivery.get("closed") is False:
        journal.problem(
            FindingCode.END_NOT_CONFIRMED, "the server did not confirm the end of the stream", frames=0
        )
    if above := report.camera_statistics.get("frames_above_depth", 0):
        journal.warn(
            FindingCode.ABOVE_DEPTH,
            f"{above} frames have samples above the depth of {info.camera.pixel_format}: they were cut there",
        )
    by_driver = 0 if numbered else report.frames_dropped_by_camera
    if report.pauses and info.camera.recorded:
        journal.warn(
            FindingCode.RECORDING_PAUSES,
            f"the recording itself pauses for up to {max(report.pauses):.3g} s, {len(report.pauses)} times",
        )
    else:
        _judge_pauses(report, settings, silences, by_driver, journal)
    slow = report.shortfall
    if slow is not None and slow > settings.fps_tolerance and not report.frames_dropped_by_camera:
        _judge_slowness(report, _by_silences(silences) + held_back, journal, numbered=numbered)
    elif behind:
        # What is behind is so without the silences; and the driver's losses are among the pauses, as above.
        told = max(0, max(by_driver, _by_pauses(report)) - _by_silences(silences))
        if behind - told >= UNEVEN_S * info.fps:
            by_clock = report.fps_measured if pushed is not None and pushed.has_clock else None
            _judge_lateness(report, settings, behind - told, by_clock, journal, numbered=numbered)
    if slow is not None and -slow > settings.fps_tolerance:
        journal.warn(
            FindingCode.FASTER,
            f"the camera delivered {report.fps_measured:.6g} frames/s, where the run declares {info.fps:.6g}",
        )
    if not report.adds_up:
        journal.problem(
            FindingCode.BOOKS,
            f"{report.frames_received} frames received, but {report.frames_pushed} pushed, "
            f"{report.frames_reduced} reduced, "
            f"{report.frames_overrun} overrun, {report.frames_rejected} rejected and "
            f"{report.frames_not_taken} not taken"
            + (
                ""
                if info.archive is None
                else f"; {report.frames_archived} archived and {report.frames_not_archived} not archived"
            ),
            frames=max(0, report.frames_received - report.frames_accounted_for),
        )


def _judge_silence(report: RunReport, settings: RunSettings, journal: Journal) -> None:
    """Tell that no frame came, and whether one could have come in the time."""
    fps, limit = report.info.fps, report.info.camera.fps_limited_by
    if settings.duration is None or settings.duration >= 1.0 / fps:
        journal.problem(FindingCode.NO_FRAME, "the camera delivered no frame")
        return
    journal.problem(
        FindingCode.NO_FRAME,
        f"the camera delivered no frame: the run of {settings.duration:g} s was over before the first, which "
        f"takes {1.0 / fps:.3g} s at {fps:.6g} frames/s" + (f", limited by {limit}" if limit else ""),
        advice="give a longer --duration, or a shorter exposure",
    )


def _judge_slowness(report: RunReport, told: int, journal: Journal, *, numbered: bool) -> None:
    """Tell of a slower camera than declared: of one without numbers nobody knows that it lost no frame."""
    info, measured = report.info, report.fps_measured or report.info.fps
    text = f"the camera delivered {measured:.6g} frames/s, where the run declares {info.fps:.6g}"
    fewer = round(report.frames_received * (info.fps / measured - 1)) - told
    if numbered or info.camera.recorded or fewer < UNEVEN_S * info.fps:
        journal.warn(FindingCode.SLOWER, text)
    else:
        journal.problem(
            FindingCode.SLOWER, f"{text}, and does not number its frames: some may be lost", frames=fewer
        )


def _judge_lateness(
    report: RunReport,
    settings: RunSettings,
    fewer: int,
    by_clock: float | None,
    journal: Journal,
    *,
    numbered: bool,
) -> None:
    """Tell of frames that came ever later: the last may not have come in time.

    A camera whose clock says that it was fast enough has taken them; one that numbers its frames, and has
    given as many as were asked for, lost none.
    """
    fps = report.info.fps
    text = f"{fewer} frames fewer came than {fps:.6g} frames/s promise, those of {fewer / fps:.3g} s"
    was_fast = by_clock is not None and by_clock >= fps * (1 - settings.fps_tolerance)
    has_all = has_all_frames(settings, report.frames_received)
    if not numbered:
        journal.problem(FindingCode.LATE_FRAMES, f"{text}: some may be lost", frames=fewer)
    elif was_fast and not has_all:
        text += ", and by the camera's clock it was fast enough: they were still on their way, or it is wrong"
        journal.problem(FindingCode.LATE_FRAMES, text, frames=fewer)
    else:
        journal.warn(FindingCode.SLOWER, text)


def _judge_pauses(
    report: RunReport, settings: RunSettings, silences: Sequence[Silence], by_driver: int, journal: Journal
) -> None:
    """Tell of the pauses by whichever clock shows more: the camera's, or this computer's at the arrivals.

    Frames that the driver has counted are told already, and left out here. It does not say when it lost them:
    they are taken for those of the pauses, which are told only where much more is missing.
    """
    by_camera, by_arrival = _by_pauses(report), _by_silences(silences)
    seconds = report.pauses if by_camera >= by_arrival else [silence.seconds for silence in silences]
    cost = max(by_camera, by_arrival)
    left = cost - by_driver
    # One frame for each, since a pause ends with one that came.
    few = len(seconds) + min(cost / 2, UNEVEN_S * report.info.fps + settings.fps_tolerance * cost)
    if not seconds or (by_driver and left < few):
        return
    journal.problem(
        FindingCode.UNEXPLAINED_PAUSES,
        f"no frame came for up to {max(seconds):.3g} s, {len(seconds)} times, and no id "
        "of the camera's says that one is missing: the driver had no buffers, or the camera waited",
        frames=left,
    )


def _by_pauses(report: RunReport) -> int:
    """Frames that the pauses may have cost, by the camera's clock."""
    return round(sum(report.pauses) * report.info.fps)


def _by_silences(silences: Sequence[Silence]) -> int:
    """Frames that they may have cost."""
    return sum(silence.frames for silence in silences)
