"""A run in words: the lines that page and terminal both show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rheed_acquire.run.report import DELIVERED, FAILED, FRAMES_LOST
from rheed_acquire.run_report.record import DeviceFigures, PeriodRecord, RegionRecord, RunFigures, RunRecord

UNKNOWN = "unknown"
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
        ("begun", moment(record.started_utc)),
        ("camera", camera_text(record)),
        ("frame rate", _rate_text(record)),
    ]
    if figures is None:
        recorded = f"{record.frames}" if record.made_from == "recording" else UNKNOWN
        rows += [("frames recorded", recorded), ("frames lost", UNKNOWN)]
    else:
        rows[3:3] = [("ended", moment(figures.ended_utc))]
        lost = (
            f"{figures.frames_dropped_by_camera} by the camera in {figures.gap_count} gaps, "
            f"{figures.frames_overrun} overrun, {figures.frames_rejected} rejected"
            + (f", {figures.frames_not_taken} not taken" if figures.frames_not_taken else "")
        )
        if figures.frames_absent:
            lost += f", about {figures.frames_absent} while the camera was away or silent"
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
    if record.first_utc_ms is not None and record.last_utc_ms is not None:
        first = datetime.fromtimestamp(record.first_utc_ms / 1e3, UTC)
        lasted = duration((record.last_utc_ms - record.first_utc_ms) / 1e3)
        rows.append(("captured", f"{moment(first.isoformat())}, {lasted}"))
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
    digits = _digits(period.uncertainty_s)
    return f"{period.period_s:.{digits}f} ± {period.uncertainty_s:.{digits}f} s"


def growth_text(period: PeriodRecord | None) -> str:
    """The growth rate that a period implies, one monolayer for each oscillation."""
    if period is None or period.period_s <= 0:
        return ""
    rate = 1.0 / period.period_s
    uncertainty = rate * period.uncertainty_s / period.period_s
    digits = _digits(uncertainty)
    return f"{rate:.{digits}f} ± {uncertainty:.{digits}f} ML/s"


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
        return f"{figures.fps:.6g} frames/s declared, {measured} measured"
    return UNKNOWN if record.fps is None else f"{record.fps:.6g} frames/s declared"


def _received_text(figures: RunFigures) -> str:
    if not figures.stream_frame:
        return f"{figures.frames_received}, and {figures.frames_pushed} of them passed on"
    rate = "" if figures.stream_fps is None else f" at {figures.stream_fps:.6g} frames/s"
    return (
        f"{figures.frames_received}, of which the stream has {figures.frames_pushed}{rate}: "
        f"{figures.stream_frame}"
    )


def _digits(uncertainty: float) -> int:
    """Decimals that show two digits of an uncertainty, at most 6."""
    return next((n for n in range(7) if uncertainty * 10**n >= 10), 6) if uncertainty > 0 else 3
