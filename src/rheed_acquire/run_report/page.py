"""Makes ``report.html``: one file that asks the network for nothing.

Jinja2 escapes whatever stands in the text, and `printable` what a reader does not see. The data for the plots
is JSON in a block that is never executed, and the page's own content security policy lets only those scripts
and styles run whose digests it names: what a stream is called can be no code.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.run_report import facts as words
from rheed_acquire.run_report.plots import (
    HEIGHT,
    WIDTH,
    channel_strips,
    happenings,
    loss_text,
    plots,
    region_strips,
)
from rheed_acquire.run_report.record import RunRecord
from rheed_acquire.run_report.thumbnails import Thumbnail, contrast, data_url, stretched
from rheed_acquire.text.printable_text import printable
from rheed_acquire.view.page_files import require_uplot

if TYPE_CHECKING:
    from jinja2 import Template

PICTURES = 8
LISTED = 200
"""Losses and events that the page lists one by one; `report.json` has more."""


def render(record: RunRecord, thumbnails: Sequence[Thumbnail]) -> str:
    """Return the page as text."""
    regions, channels, more = region_strips(record), channel_strips(record), plots(record)
    drawn = [plot for _, plot in (*regions, *channels)] + more
    uplot = _uplot() if drawn else None
    shown = _spread(thumbnails)
    black, white = contrast(shown)
    script = _page_file("report.js")
    style = _page_file("report.css")
    figures = record.figures
    events = figures.events if figures is not None else []
    timed = [
        (at, event.get("text", ""))
        for event in events
        if (at := words.utc_ms(event.get("time_utc"))) is not None
    ]
    scripts = [] if uplot is None else [uplot[0], script]
    styles = [style] if uplot is None else [uplot[1], style]
    return _template().render(
        policy=_policy(scripts, styles),
        scripts=[_Code(text) for text in scripts],
        styles=[_Code(text) for text in styles],
        software=f"rheed-acquire {version('rheed-acquire')}",
        record=record,
        verdict=words.verdict(record),
        facts=words.facts(record),
        problems=figures.problems if figures is not None else [],
        warnings=figures.warnings if figures is not None else [],
        regions=regions,
        channels=channels,
        silent=[one for one in record.channels if all(one is not channel for channel, _ in channels)],
        untraced=[one for one in record.regions if all(one is not region for region, _ in regions)],
        when=_when(record),
        words=words,
        plots=more,
        plot_size=(WIDTH, HEIGHT),
        data={"plots": [plot.data for plot in drawn]},
        time_line=happenings(record, timed),
        happenings=_listed(record, timed),
        listed=LISTED,
        pictures=[
            (
                data_url(stretched(thumbnail.pixels, black, white)),
                thumbnail.record.frame,
                _since(record, thumbnail.record.utc_ms),
            )
            for thumbnail in shown
        ],
        contrast=(black, white),
        delivery=_flat(figures.delivery) if figures is not None else None,
        camera=_camera(record),
        since=lambda utc_ms: _since(record, utc_ms),
    )


def _spread(thumbnails: Sequence[Thumbnail]) -> list[Thumbnail]:
    """As many as one looks at, the first and the last among them."""
    count = min(len(thumbnails), PICTURES)
    step = (len(thumbnails) - 1) / max(count - 1, 1)
    return [thumbnails[round(number * step)] for number in range(count)]


def _when(record: RunRecord) -> str:
    """When the first frame was captured, and for how long it went on."""
    if record.first_utc_ms is None or record.last_utc_ms is None:
        return words.both_times(record.started_utc)
    first = datetime.fromtimestamp(record.first_utc_ms / 1e3, UTC).isoformat()
    return f"{words.both_times(first)}, {words.duration((record.last_utc_ms - record.first_utc_ms) / 1e3)}"


class _Code(str):
    """Text of this project's own, which stands in the page as it is."""

    def __html__(self) -> str:
        return str(self)


def _listed(record: RunRecord, events: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """Losses and events in the order of their times."""
    losses = [(loss.utc_ms, loss_text(loss)) for loss in record.losses]
    return sorted([*losses, *events])


def _since(record: RunRecord, utc_ms: float) -> str:
    """A time as seconds since the first frame, and where that is not known, of the day."""
    if record.first_utc_ms is not None:
        return f"{(utc_ms - record.first_utc_ms) / 1e3:+.1f} s".removeprefix("+")
    return f"{datetime.fromtimestamp(utc_ms / 1e3, UTC):%H:%M:%S}"


def _camera(record: RunRecord) -> list[tuple[str, str]]:
    """What is known of the camera, flat, with what it was asked for and what it holds."""
    device = words.camera_device(record)
    if device is None:
        return []
    rows = [
        (key.replace("_", " "), str(value))
        for key, value in (device.model_extra or {}).items()
        if value not in ("", None)
    ]
    for setting in device.settings:
        asked, actual = setting.get("asked"), setting.get("actual")
        rows.append(
            (str(setting.get("name")), f"{actual}" if asked == actual else f"{actual} ({asked} asked for)")
        )
    return rows + [(str(name), str(count)) for name, count in device.statistics.items()]


def _flat(delivery: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in delivery.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        if isinstance(value, list):
            shown = [
                ": ".join(map(str, item)) if isinstance(item, list | tuple) else str(item) for item in value
            ]
            text = "; ".join(shown) or "none"
        rows.append((name.replace("_", " "), text))
    return rows


@cache
def _template() -> Template:
    import jinja2  # only a report needs it

    environment = jinja2.Environment(
        autoescape=True,
        finalize=_shown,
        loader=jinja2.FunctionLoader(_page_file),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _shown(value: object) -> object:
    """What stands in the page for a value: a text from outside without what steers or turns text."""
    return value if hasattr(value, "__html__") else printable(str(value), longest=None)


@cache
def _page_file(name: str) -> str:
    return files("rheed_acquire.run_report").joinpath("page", name).read_text(encoding="utf-8")


def _uplot() -> tuple[str, str] | None:
    """Return uPlot's script and style; None where the build could not fetch it."""
    try:
        folder = require_uplot()
        script = (folder / "uPlot.iife.min.js").read_text(encoding="utf-8")
        style = (folder / "uPlot.min.css").read_text(encoding="utf-8")
        licence = (folder / "LICENSE").read_text(encoding="utf-8")
    except (RheedAcquireError, OSError):
        return None
    return f"/*!\n{licence.replace('*/', '* /')}*/\n{script}", style


def _policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    def digests(texts: Iterable[str]) -> str:
        hashed = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        return " ".join(f"'sha256-{digest}'" for digest in hashed) or "'none'"

    return (
        f"default-src 'none'; img-src data:; script-src {digests(scripts)}; style-src {digests(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )
