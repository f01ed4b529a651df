"""``rheed-acquire stop``: have a station end its run."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.station import StationParser, show_run


def main(arguments: Sequence[str]) -> int:
    """Stop the run, and say what became of it."""
    parser = StationParser(
        "stop",
        "Have the station end the run that goes on. It returns when what was captured is delivered, with the "
        "run's exit code.",
    )
    parser.add_argument("--run", metavar="RUN", help="end this run and no other, by the name that start gave")
    parser.add_argument("--no-wait", action="store_true", help="return at once")
    given, station = parser.read(arguments)
    with station:
        run = station.stop(run=given.run, wait_s=0.0 if given.no_wait else float("inf"))
        return show_run(run, as_json=given.json)
