"""Plots as inline SVG, which needs no script; where there is one, uPlot takes their place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from rheed_acquire.run_report.record import ChannelRecord, LossRecord, RegionRecord, RunRecord

WIDTH, HEIGHT = 1000.0, 200.0
GAP_STEPS, GAP_S = 4, 0.25
"""A step in time that is longer than so many usual ones, and this, is a gap in the curve."""
GRAY, RATE = "gray level", "frames/s"
OWN_COLOR = "#3b82c4"
CHANNEL_COLOR = "#b08d3e"


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
    marks
        Seconds and words of the marks that lie within the run.
    """

    key: str
    title: str
    unit: str
    curves: Sequence[Curve]
    low: float
    high: float
    last_s: float
    marks: Sequence[tuple[float, str]] = ()

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """From when to when no frame came, in seconds; only where each point of a curve is one moment's."""
        if self.unit != GRAY or not self.curves:
            return []
        seconds, values = self.curves[0].seconds, self.curves[0].values
        ends = [*seconds[1:], self.last_s]
        return [
            (before, after)
            for before, value, after in zip(seconds, values[1:], ends[1:], strict=False)
            if value is None
        ]

    @property
    def gap_bands(self) -> list[tuple[float, float]]:
        """Where they lie and how wide they are, from 0 to `WIDTH`."""
        across = WIDTH / (self.last_s or 1.0)
        return [(begun * across, (ended - begun) * across) for begun, ended in self.gaps]

    @property
    def marked(self) -> list[tuple[float, str]]:
        """Where marks stand, from 0 to `WIDTH`, and what they say."""
        across = WIDTH / (self.last_s or 1.0)
        return [(second * across, text) for second, text in self.marks]

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
            "last": self.last_s,
            "gaps": [list(gap) for gap in self.gaps],
            "marks": [{"seconds": second, "text": text} for second, text in self.marks],
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
class Happening:
    """Something on the time line: where, from 0 to `WIDTH`, how wide, what kind, and in words."""

    x: float
    kind: str
    text: str
    width: float = 0.0


def region_strips(record: RunRecord) -> list[tuple[RegionRecord, Plot]]:
    """Make the plot of each region's mean, at a scale of its own, where the region has a trace."""
    made = [
        (
            region,
            _plot(f"region-{row}", region.name, GRAY, [_curve(record, region, region.trace.mean)], record),
        )
        for row, region in enumerate(record.regions)
    ]
    return [(region, plot) for region, plot in made if plot is not None]


def channel_strips(record: RunRecord) -> list[tuple[ChannelRecord, Plot]]:
    """Make the plot of each instrument that said anything while frames came, over the time of the frames."""
    made = []
    for row, channel in enumerate(record.channels):
        timed = zip(_since(record, channel.utc_ms), channel.mean, strict=True)
        seen = [(second, value) for second, value in timed if 0 <= second <= _last_s(record)]
        seconds, values = [second for second, _ in seen], [value for _, value in seen]
        curve = Curve(channel.name, CHANNEL_COLOR, seconds, values)
        made.append((channel, _plot(f"channel-{row}", channel.name, channel.unit or "", [curve], record)))
    return [(channel, plot) for channel, plot in made if plot is not None]


def plots(record: RunRecord) -> list[Plot]:
    """Make the further plots for which there is data."""
    if record.first_utc_ms is None:
        return []
    traced = [region for region in record.regions if region.trace.utc_ms]
    rate = record.rate
    per_second = [
        round(frames / seconds, 4) if seconds > 0 else None
        for frames, seconds in zip(rate.frames, rate.seconds, strict=True)
    ]
    usual_s = sum(rate.seconds) / max(sum(rate.frames), 1)
    middle = [at + 500.0 * lasted for at, lasted in zip(rate.utc_ms, rate.seconds, strict=True)]
    drawn_rate = _with_gaps(_since(record, middle), per_second, rate.seconds, usual_s)
    made = [
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
            RATE,
            [
                Curve(
                    "frames per second",
                    OWN_COLOR,
                    *drawn_rate,
                )
            ],
            record,
        ),
    ]
    return [plot for plot in made if plot is not None]


def _curve(record: RunRecord, region: RegionRecord, values: Sequence[float | None]) -> Curve:
    seconds = _since(record, region.trace.utc_ms)
    return Curve(region.name, region.color, *_with_gaps(seconds, values))


def _with_gaps(
    seconds: Sequence[float],
    values: Sequence[float | None],
    lasted: Sequence[float] | None = None,
    usual_s: float | None = None,
) -> tuple[list[float], list[float | None]]:
    """Put a point without a value into each time in which there was no frame, so that no line leads over it.

    Parameters
    ----------
    lasted
        How long what each point sums up lasted, around it; None where points are single moments.
    usual_s
        From one frame to the next; None for what most points are apart.
    """
    if len(seconds) < 2:
        return list(seconds), list(values)
    halves = [0.0] * len(seconds) if lasted is None else [0.5 * one for one in lasted]
    # From the end of what a point stands for to the beginning of what the next one does.
    steps = [
        after - before - half - next_half
        for (before, after), (half, next_half) in zip(pairwise(seconds), pairwise(halves), strict=True)
    ]
    limit = GAP_STEPS * (max(median(steps), 0.0) if usual_s is None else usual_s) + GAP_S
    drawn: tuple[list[float], list[float | None]] = ([seconds[0]], [values[0]])
    for before, step, after, value in zip(seconds, steps, seconds[1:], values[1:], strict=False):
        if step > limit:
            drawn[0].append((before + after) / 2)
            drawn[1].append(None)
        drawn[0].append(after)
        drawn[1].append(value)
    return drawn


def happenings(record: RunRecord, events: Sequence[tuple[float, str]]) -> list[Happening]:
    """Place losses, marks, and events, given as UTC in ms and text, on the run's time line."""
    if record.first_utc_ms is None:
        return []
    first, last = record.first_utc_ms, _last_s(record)

    def place(utc_ms: float) -> float:
        return WIDTH * min(max((utc_ms - first) / 1e3 / last, 0.0), 1.0)

    made = [(loss.utc_ms, str(loss.kind), loss_text(loss), loss.seconds or 0.0) for loss in record.losses]
    made += [(utc_ms, "event", text, 0.0) for utc_ms, text in events]
    made += [(mark.time_unix_ms, "mark", str(mark), 0.0) for mark in record.marks]
    return [
        Happening(place(utc_ms), kind, text, place(utc_ms + 1e3 * seconds) - place(utc_ms))
        for utc_ms, kind, text, seconds in sorted(made)
    ]


def loss_text(loss: LossRecord) -> str:
    """Say what is missing."""
    if loss.kind == "away":
        return f"no frame for {loss.seconds or 0.0:.3g} s, about {loss.missing} by the declared rate"
    if loss.kind == "overrun":
        return "frames dropped, the ring was full"
    what = "chunks never arrived" if loss.kind == "chunk" else "frames lost by the camera"
    return what if loss.missing is None else f"{loss.missing} {what}"


def _last_s(record: RunRecord) -> float:
    if record.first_utc_ms is None or record.last_utc_ms is None:
        return 1.0
    # A time without frames at the end belongs to the run.
    ends = [loss.utc_ms + 1e3 * loss.seconds for loss in record.losses if loss.seconds is not None]
    return max((max([record.last_utc_ms, *ends]) - record.first_utc_ms) / 1e3, 1e-3)


def _since(record: RunRecord, utc_ms: Sequence[float]) -> list[float]:
    return [round((at - (record.first_utc_ms or 0.0)) / 1e3, 4) for at in utc_ms]


def _plot(key: str, title: str, unit: str, curves: list[Curve], record: RunRecord) -> Plot | None:
    values = [value for curve in curves for value in curve.values if value is not None]
    if not values or record.first_utc_ms is None:
        return None
    low, high = _axis(min(values), max(values), unit)
    curves = [_until(curve, _last_s(record)) for curve in curves]
    top = float(max((region.top for region in record.regions), default=255)) if unit == GRAY else math.inf
    last_s = _last_s(record)
    seconds = _since(record, [mark.time_unix_ms for mark in record.marks])
    marks = [
        (second, str(mark))
        for second, mark in zip(seconds, record.marks, strict=True)
        if 0 <= second <= last_s
    ]
    return Plot(key, title, unit, curves, low, min(high, top), last_s, marks)


def _axis(low: float, high: float, unit: str) -> tuple[float, float]:
    """What the vertical axis spans, with room above and below."""
    if unit == GRAY:  # small oscillations are what one looks for
        room = max(0.08 * (high - low), 0.05)
        return max(low - room, 0.0), high + room
    if unit == RATE:
        # A steady rate is a flat line, not its noise blown up to the height of the plot.
        room = max(0.05 * (high - low), 0.02 * abs(high), 0.5)
        return max(math.floor((low - room) * 10) / 10, 0.0), math.ceil((high + room) * 10) / 10
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5  # a pressure may be 1e-9
    return low - room, high + room


def _until(curve: Curve, last_s: float) -> Curve:
    """Let a curve's axis reach to the end of a run that ended without frames."""
    if not curve.seconds or last_s - curve.seconds[-1] <= GAP_S:
        return curve
    return replace(curve, seconds=[*curve.seconds, last_s], values=[*curve.values, None])
