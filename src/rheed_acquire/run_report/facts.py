"""A run in words: the lines that page and terminal both show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

from rheed_acquire.regions.growth_watch import RegionGrowth
from rheed_acquire.run.report import DELIVERED, FAILED, FRAMES_LOST
from rheed_acquire.run_report.record import (
    ChannelRecord,
    DeviceFigures,
    PeriodRecord,
    RegionRecord,
    RunFigures,
    RunRecord,
)

UNKNOWN = "unknown"
FINEST = 1e-4
"""The least uncertainty that is written: nobody grows to a finer one."""
_VERDICTS: dict[int, tuple[Literal["good", "bad", "unknown"], str, str]] = {
    DELIVERED: ("good", "delivered", "every frame that the camera delivered has arrived"),
    FAILED: ("bad", "failed", "see the problems"),
    FRAMES_LOST: ("bad", "incomplete", "see the problems"),
    130: ("bad", "interrupted", "uploads were left undone; rheed-acquire recover delivers what waits"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run went: ``mood`` is good, bad or unknown."""

    mood: Literal["good", "bad", "unknown"]
    word: str
    explanation: str


def verdict(record: RunRecord) -> Verdict:
    """Say how the run went, as far as is known."""
    figures = record.figures
    if figures is not None:
        known = _VERDICTS.get(figures.exit_code)
        return Verdict(*known) if known else Verdict("bad", f"exit code {figures.exit_code}", "")
    if record.made_from == "beginning":
        return Verdict("unknown", "not ended", "the run goes on, or was killed: it has not reported its end")
    return Verdict("unknown", "recorded", "what the run itself reported of its end is not known")


def facts(record: RunRecord) -> list[tuple[str, str]]:
    """Name and value of what one wants to know first; what is not known says so."""
    figures = record.figures
    rows = [
        ("stream", record.name),
        ("data_id", record.data_id),
        ("begun", both_times(record.started_utc)),
        ("camera", camera_text(record)),
        ("frame rate", _rate_text(record)),
    ]
    if figures is None:
        recorded = f"{record.frames}" if record.made_from == "recording" else UNKNOWN
        rows += [("frames recorded", recorded), ("frames lost", UNKNOWN)]
    else:
        rows[3:3] = [("ended", both_times(figures.ended_utc))]
        counted = (
            (figures.frames_dropped_by_camera, f"by the camera, at {figures.gap_count} places"),
            (figures.frames_overrun, "overrun, as the computer did not keep up"),
            (figures.frames_rejected, "rejected"),
            (figures.frames_not_taken, "not taken"),
        )
        lost = ", ".join(f"{count} {how}" for count, how in counted if count) or "none that was counted"
        if figures.frames_absent:
            lost += f", about {figures.frames_absent} while the camera was away, silent or late"
        elif lost.startswith("none"):
            lost = "none"
        chunks = f"{figures.chunks_pushed} passed on"
        if figures.chunks_uploaded or figures.chunks_not_uploaded or not figures.chunks_pushed:
            megabytes = f"{figures.bytes_uploaded / 1e6:.1f} MB"
            chunks = f"{figures.chunks_uploaded} of {figures.chunks_pushed} uploaded, {megabytes}"
            if spooled := figures.delivery.get("chunks_spooled"):
                chunks += f"; {spooled} by way of the disk"
        rows += [
            ("frames received", _received_text(figures)),
            ("frames lost", lost),
            ("chunks", chunks),
        ]
        if figures.archive is not None:
            missed = figures.frames_not_archived
            archived = f"{figures.frames_archived} frames" + (f", {missed} not archived" if missed else "")
            rows.append(("archive", f"{archived}, {figures.archive}"))
            if figures.archive_waits_in is not None:
                waiting = (
                    f"{figures.archive_chunks_waiting} chunks, {figures.archive_bytes_waiting / 1e6:.1f} MB"
                )
                rows.append(("archive waits", f"{waiting}, in {figures.archive_waits_in}"))
    if record.first_utc_ms is not None and record.last_utc_ms is not None:
        first = datetime.fromtimestamp(record.first_utc_ms / 1e3, UTC)
        lasted = duration((record.last_utc_ms - record.first_utc_ms) / 1e3)
        rows.append(("captured", f"{both_times(first.isoformat())}, {lasted}"))
    rows += [
        ("notes", one.value)
        for one in record.settings or ()
        if one.key == "notes" and one.source != "default"
    ]
    return rows


def camera_text(record: RunRecord) -> str:
    """Name the camera, as far as is known, and the size of its frames."""
    device = known.model_dump() if (known := camera_device(record)) is not None else {}
    name = " ".join(text for key in ("vendor", "model") if (text := str(device.get(key) or "")))
    if not name and record.figures is not None:
        name = record.figures.camera
    parts = [name or UNKNOWN]
    parts += [f"serial {device['serial']}"] if device.get("serial") else []
    if record.width and record.height:
        pixel_format = device.get("pixel_format") or ""
        parts.append(f"{record.width} x {record.height} {pixel_format}".strip())
    return ", ".join(parts)


def camera_device(record: RunRecord) -> DeviceFigures | None:
    """What is known of the camera."""
    return record.camera if record.figures is None else record.figures.camera_device


def period_text(period: PeriodRecord | None) -> str:
    """A period with its uncertainty, or that there is none."""
    if period is None:
        return "none found"
    return f"{_with_uncertainty(period.period_s, period.uncertainty_s)} s"


def growth_text(period: PeriodRecord | RegionGrowth | None) -> str:
    """The growth rate that a period implies, one monolayer for each oscillation."""
    if period is None or period.period_s <= 0:
        return ""
    rate = 1.0 / period.period_s
    return f"{_with_uncertainty(rate, rate * period.uncertainty_s / period.period_s)} ML/s"


def levels_text(region: RegionRecord) -> str:
    """A region's gray levels over the run."""
    if region.mean is None or region.lowest is None or region.highest is None:
        return "no level"
    levels = f"mean {region.mean:.2f}, from {region.lowest:.2f} to {region.highest:.2f}"
    return levels if region.brightest is None else f"{levels}; brightest pixel {region.brightest}"


def reading_text(channel: ChannelRecord) -> str:
    """What an instrument said first and last, and between which values."""
    unit = f" {channel.unit}" if channel.unit else ""
    if channel.first is None or channel.last is None:
        return "no reading"
    if not channel.low or min(channel.low) == max(channel.high):
        return f"{channel.last:.6g}{unit}"
    return f"{min(channel.low):.6g} to {max(channel.high):.6g}{unit}"


def region_place(region: RegionRecord) -> str:
    """Where a region is, in pixels of the full frame."""
    return f"{region.width} x {region.height} at ({region.x}, {region.y})"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min {rest:02} s" if hours else f"{minutes} min {rest:02} s"


def moment(text: str | None) -> str:
    """An ISO 8601 time to the second, in UTC."""
    if text is None:
        return UNKNOWN
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return text


def both_times(text: str | None, zone: tzinfo | None = None) -> str:
    """An ISO 8601 time by the clock on the wall, with how far that is off UTC, and in UTC.

    Parameters
    ----------
    zone
        Of the wall; by default this computer's.
    """
    try:
        local = None if text is None else datetime.fromisoformat(text).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        local = None
    if local is None or not local.utcoffset():
        return moment(text)
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S} (UTC{offset[:3]}:{offset[3:5]}), {local.astimezone(UTC):%H:%M:%S} UTC"


def utc_ms(text: str | None) -> float | None:
    """An ISO 8601 time as ms since 1970, or None where it is none."""
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp() * 1e3
    except ValueError:
        return None


def _rate_text(record: RunRecord) -> str:
    figures = record.figures
    if figures is not None:
        measured = "none" if figures.fps_measured is None else f"{figures.fps_measured:.6g} frames/s"
        return f"{measured} measured, {figures.fps:.6g} declared"
    return UNKNOWN if record.fps is None else f"{record.fps:.6g} frames/s declared"


def _received_text(figures: RunFigures) -> str:
    if not figures.stream_frame:
        if figures.frames_pushed == figures.frames_received:
            return f"{figures.frames_received}"
        return f"{figures.frames_received}, of which {figures.frames_pushed} were passed on"
    rate = "" if figures.stream_fps is None else f" at {figures.stream_fps:.6g} frames/s"
    return (
        f"{figures.frames_received}, of which the stream has {figures.frames_pushed}{rate}: "
        f"{figures.stream_frame}"
    )


def _with_uncertainty(value: float, exact: float) -> str:
    """A value as finely as it is known: to the second digit of its uncertainty, to 0.0001 at the finest."""
    uncertainty = max(exact, FINEST)
    digits = next((n for n in range(5) if uncertainty * 10**n >= 10), 4)
    return f"{value:.{digits}f} ± {uncertainty:.{digits}f}"
