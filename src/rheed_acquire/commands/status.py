"""``rheed-acquire status``: what a station does just now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rheed_acquire.commands.station import StationParser, show_run
from rheed_acquire.system.terminal import write_json, write_line

if TYPE_CHECKING:
    from rheed_acquire.view.interface import Adjustable


def main(arguments: Sequence[str]) -> int:
    """Ask the station, and say what it answers."""
    parser = StationParser("status", "Say what the station does: its camera, and its run.")
    given, station = parser.read(arguments)
    with station:
        state = station.state()
    if given.json:
        write_json(state.model_dump(mode="json"))
        return 0
    camera = state.camera
    write_line(f"station {station.url}: {state.phase}")
    if camera.name is not None:
        rate = "" if camera.fps_measured is None else f", {camera.fps_measured:.4g} frames/s"
        size = f"{camera.width} x {camera.height} {camera.pixel_format}"
        write_line(f"camera {camera.name}, {size}{rate}")
    for name, value, unit in (("exposure", camera.exposure_us, " us"), ("gain", camera.gain, "")):
        if value is not None:
            write_line(f"  {name:<8} {_as_held(value, unit)}")
    if camera.trouble is not None:
        write_line(f"  trouble  {camera.trouble}")
    for run in (state.run, state.next_run, state.last_run):
        if run is not None:
            show_run(run, as_json=False)
    return 0


def _as_held(value: Adjustable, unit: str) -> str:
    actual, asked = f"{value.actual:.10g}", value.asked
    is_other = asked is not None and f"{asked:.10g}" != actual
    return f"{actual}{unit}{f', asked for {asked:.10g}' if is_other else ''}"
