"""Plots as inline SVG, which needs no script; where there is one, uPlot takes their place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rheed_acquire.run_report.record import LossRecord, RegionRecord, RunRecord

WIDTH, HEIGHT = 1000.0, 200.0
GRAY = "gray level"
OWN_COLOR = "#3b82c4"


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot: N values over N seconds since the run's first frame, None where there is nothing."""

    name: str
    color: str
    seconds: Sequence[float]
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves over one axis of seconds since the run's first frame.

    Attributes
    ----------
    key
        Names the plot in the page.
    low, high
        What the vertical axis spans.
    """

    key: str
    title: str
    unit: str
    curves: Sequence[Curve]
    low: float
    high: float
    last_s: float

    @property
    def polylines(self) -> list[tuple[str, str]]:
        """Each curve's color and its unbroken lines, as an SVG path."""
        return [(curve.color, self._path(curve)) for curve in self.curves]

    @property
    def data(self) -> dict[str, object]:
        """For the page's script."""
        return {
            "key": self.key,
            "unit": self.unit,
            "range": [self.low, self.high],
            "curves": [
                {
                    "name": curve.name,
                    "color": curve.color,
                    "seconds": list(curve.seconds),
                    "values": list(curve.values),
                }
                for curve in self.curves
            ],
        }

    def _path(self, curve: Curve) -> str:
        across, up = WIDTH / (self.last_s or 1.0), HEIGHT / ((self.high - self.low) or 1.0)
        steps, pen = [], "M"
        for second, value in zip(curve.seconds, curve.values, strict=True):
            if value is None:
                pen = "M"
                continue
            steps.append(f"{pen}{second * across:.1f} {HEIGHT - (value - self.low) * up:.1f}")
            pen = "L"
        return "".join(steps)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on the time line: where, from 0 to `WIDTH`, what kind, and in words."""

    x: float
    kind: str
    text: str


def plots(record: RunRecord) -> list[Plot]:
    """Make every plot for which there is data."""
    if record.first_utc_ms is None:
        return []
    traced = [region for region in record.regions if region.trace.utc_ms]
    rate = record.rate
    per_second = [
        round(frames / seconds, 4) if seconds > 0 else None
        for frames, seconds in zip(rate.frames, rate.seconds, strict=True)
    ]
    middle = [at + 500.0 * lasted for at, lasted in zip(rate.utc_ms, rate.seconds, strict=True)]
    made = [
        _plot(
            "mean",
            "Mean gray level of each region",
            GRAY,
            [_curve(record, region, region.trace.mean) for region in traced],
            record,
        ),
        _plot(
            "maximum",
            "Brightest pixel of each region",
            GRAY,
            [_curve(record, region, region.trace.maximum) for region in traced],
            record,
        ),
        _plot(
            "rate",
            "Frames per second",
            "frames/s",
            [Curve("frames per second", OWN_COLOR, _since(record, middle), per_second)],
            record,
        ),
    ]
    return [plot for plot in made if plot is not None]


def _curve(record: RunRecord, region: RegionRecord, values: Sequence[float | None]) -> Curve:
    return Curve(region.name, region.color, _since(record, region.trace.utc_ms), values)


def marks(record: RunRecord, events: Sequence[tuple[float, str]]) -> list[Mark]:
    """Place losses and events, given as UTC in ms and text, on the run's time line."""
    if record.first_utc_ms is None:
        return []
    first, last = record.first_utc_ms, _last_s(record)
    made: list[tuple[float, str, str]] = [(loss.utc_ms, loss.kind, loss_text(loss)) for loss in record.losses]
    made += [(utc_ms, "event", text) for utc_ms, text in events]
    return [
        Mark(WIDTH * min(max((utc_ms - first) / 1e3 / last, 0.0), 1.0), kind, text)
        for utc_ms, kind, text in sorted(made)
    ]


def loss_text(loss: LossRecord) -> str:
    """Say what is missing."""
    if loss.kind == "overrun":
        return "frames dropped, the ring was full"
    what = "chunks never arrived" if loss.kind == "chunk" else "frames lost by the camera"
    return what if loss.missing is None else f"{loss.missing} {what}"


def _last_s(record: RunRecord) -> float:
    if record.first_utc_ms is None or record.last_utc_ms is None:
        return 1.0
    return max((record.last_utc_ms - record.first_utc_ms) / 1e3, 1e-3)


def _since(record: RunRecord, utc_ms: Sequence[float]) -> list[float]:
    return [round((at - (record.first_utc_ms or 0.0)) / 1e3, 4) for at in utc_ms]


def _plot(key: str, title: str, unit: str, curves: list[Curve], record: RunRecord) -> Plot | None:
    values = [value for curve in curves for value in curve.values if value is not None]
    if not values:
        return None
    low, high = min(values), max(values)
    # A steady rate is a flat line, not its noise blown up to the height of the plot.
    room = max(0.05 * (high - low), 0.02 * abs(high), 0.5)
    low, high = math.floor((low - room) * 10) / 10, math.ceil((high + room) * 10) / 10
    top = 255.0 if unit == GRAY else math.inf
    return Plot(key, title, unit, curves, max(low, 0.0), min(high, top), _last_s(record))
