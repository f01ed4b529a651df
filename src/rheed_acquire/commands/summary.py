"""What became of a run, for a person to read."""

from __future__ import annotations

from pathlib import Path

from rheed_acquire.commands.progress import shown_path
from rheed_acquire.frames.reduction import WHOLE
from rheed_acquire.recording.layout import GROUP
from rheed_acquire.run.report import DELIVERED, FAILED, RunReport
from rheed_acquire.system.terminal import write_line


def print_summary(report: RunReport, page: Path | None = None) -> None:
    """Say on stdout what became of the run.

    Parameters
    ----------
    page
        The run's ``report.html``, where there is one.
    """
    info, camera = report.info, report.info.camera
    seconds = (report.ended_utc - info.started_utc).total_seconds()
    write_line(_verdict(report))
    write_line(f"  camera     {camera.device}, {camera.width} x {camera.height} {camera.pixel_format}")
    reduced = info.reduction != WHOLE
    write_line(
        f"  stream     {info.data_id}, {info.stream_fps:.6g} frames/s"
        + (f", {info.reduction}: {report.frames_reduced} frames fewer than received" if reduced else "")
    )
    absent = report.frames_absent
    write_line(
        f"  lost       {report.frames_dropped_by_camera} by the camera in {report.gap_count} gaps, "
        f"{report.frames_overrun} overrun, {report.frames_rejected} rejected"
        + (f", {report.frames_not_taken} not taken" if report.frames_not_taken else "")
        + (f", about {absent} while the camera was away, silent or late" if absent else "")
    )
    if report.chunks_uploaded or report.chunks_not_uploaded or not report.chunks_pushed:
        write_line(
            f"  chunks     {report.chunks_uploaded} of {report.chunks_pushed} uploaded, "
            f"{report.bytes_uploaded / 1e6:.1f} MB in {seconds:.1f} s"
        )
    else:  # a streamer that uploads nothing
        write_line(f"  chunks     {report.chunks_pushed} passed on in {seconds:.1f} s")
    if info.output is not None:
        write_line(f"  recording  {shown_path(info.output / GROUP)}{_what_it_lacks(report)}")
    if info.archive_place is not None:
        missed = report.frames_not_archived
        write_line(
            f"  archive    {shown_path(info.archive_place / GROUP)}, {report.frames_archived} frames of "
            f"{info.bit_depth} bits" + (f", {missed} not archived" if missed else "")
        )
        if report.archive_waits and info.archive is not None:
            write_line(
                f"  waiting    {report.archive_chunks_waiting} chunks of it in {shown_path(info.archive)}"
            )
    if page is not None:
        write_line(f"  report     {shown_path(page)}")
    for warning in report.warnings:
        write_line(f"  warning    {warning}")
    for problem in report.problems:
        write_line(f"  problem    {problem}")


def _what_it_lacks(report: RunReport) -> str:
    """Say what of the camera's pixels is in no archive, and not in the recording either."""
    info = report.info
    if info.archive is not None:
        return ""
    lacks = []
    if (info.bit_depth or 8) > 8:
        lacks.append(f"8 of the camera's {info.bit_depth} bits")
    if info.is_coloured:
        lacks.append(f"gray of its {info.camera.pixel_format}")
    return f", {' and '.join(lacks)}: --archive DIR keeps all" if lacks else ""


def _verdict(report: RunReport) -> str:
    measured = f" at {report.fps_measured:.6g} frames/s" if report.fps_measured else ""
    received = f"{report.frames_received} frames received{measured}"
    if report.exit_code == DELIVERED:
        return f"delivered: all {received}"
    verdict = "FAILED" if report.exit_code == FAILED else "INCOMPLETE"
    return f"{verdict}: {received}, {report.frames_pushed} passed on; see the problems below"
