"""The regions of interest of a run, put on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.regions.oscillation import dominant_period
from rheed_acquire.regions.traces import RECENT_FRAMES
from rheed_acquire.run_report.record import PeriodRecord, RegionRecord, TraceRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.regions.regions import Region
    from rheed_acquire.regions.traces import RegionTraces, TraceOverview


def records_of_tap(tap: FrameTap) -> list[RegionRecord]:
    """Sum up each region that a run has followed."""
    overviews, recent = tap.overviews(), tap.recent(RECENT_FRAMES)
    return [
        _record(region, overview, utc_ms, mean, tap.top)
        for (region, overview), (_, utc_ms, mean) in zip(overviews, recent, strict=True)
    ]


def records_of_traces(traces: RegionTraces, top: int = 255) -> list[RegionRecord]:
    """Sum up each region of traces that nobody adds to any more, of frames with gray levels up to ``top``."""
    return [
        _record(region, trace.overview(), *trace.recent()[:2], top)
        for region, trace in zip(traces.regions, traces.traces, strict=True)
    ]


def _record(
    region: Region,
    overview: TraceOverview,
    utc_ms: NDArray[np.float64],
    mean: NDArray[np.float32],
    top: int = 255,
) -> RegionRecord:
    """Sum up a region: its trace over the whole run, and the period of the frames that are all kept."""
    known = {
        "name": region.name,
        "x": region.x,
        "y": region.y,
        "width": region.width,
        "height": region.height,
        "color": region.color,
        "top": top,
    }
    if not len(utc_ms):
        return RegionRecord.model_validate(known)
    frames = int(overview.frames.sum())
    found = dominant_period((utc_ms - utc_ms[0]) / 1e3, mean)
    return RegionRecord.model_validate(
        known
        | {
            "frames": frames,
            "mean": round(float((overview.mean * overview.frames).sum()) / frames, 3),
            "lowest": round(float(overview.lowest.min()), 3),
            "highest": round(float(overview.highest.max()), 3),
            "brightest": int(overview.maximum.max()),
            "period": None
            if found is None
            else PeriodRecord(
                period_s=found.period_s, uncertainty_s=found.uncertainty_s, strength=found.strength
            ),
            "trace": TraceRecord(
                utc_ms=overview.utc_ms.round(1).tolist(),
                low=overview.lowest.round(3).tolist(),
                mean=overview.mean.round(3).tolist(),
                high=overview.highest.round(3).tolist(),
                maximum=overview.maximum.tolist(),
            ),
        }
    )
