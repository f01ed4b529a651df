"""``rheed-acquire mark``: note something in the run that a station makes."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.station import StationParser
from rheed_acquire.system.terminal import write_json, write_line


def main(arguments: Sequence[str]) -> int:
    """Set a mark, and say what was kept."""
    parser = StationParser(
        "mark",
        "Note what is done at the growth in the run that goes on. It returns when the mark is on the "
        "station's disk; it bears the time at which the command was entered, or the station was asked where "
        "that is another computer.",
    )
    parser.add_argument("text", metavar="TEXT", help="what was done, such as 'shutter open'")
    parser.add_argument("--value", type=float, metavar="NUMBER", help="a number that belongs to it")
    parser.add_argument("--unit", metavar="UNIT", help="what the number is in")
    parser.add_argument(
        "--time-unix-ms", type=float, metavar="MS", help="when, in ms since 1970, UTC (default: now)"
    )
    parser.add_argument("--run", metavar="RUN", help="mark this run and no other")
    given, station = parser.read(arguments)
    with station:
        mark = station.mark(
            given.text, given.value, given.unit, time_unix_ms=given.time_unix_ms, run=given.run
        )
    if given.json:
        write_json(mark.model_dump(mode="json"))
        return 0
    value = "" if mark.value is None else f" = {mark.value:.10g}{f' {mark.unit}' if mark.unit else ''}"
    write_line(f"{mark.text}{value} in run {mark.run} at {mark.time_unix_ms:.1f} ms")
    return 0
