"""What ``start``, ``stop``, ``mark``, ``set`` and ``status`` share: which station, and how answers look."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rheed_acquire.commands.parser import Parser
from rheed_acquire.errors import SettingsError
from rheed_acquire.system.command_begun import command_begun_ns
from rheed_acquire.system.terminal import expect_json, write_json, write_line

if TYPE_CHECKING:
    from rheed_acquire.view.interface import Run
    from rheed_acquire.view.station import Station

EXIT_CODES = """\
exit codes: 0 done; 1 the station failed at it; 2 a flag or value is wrong; 3 frames were lost; 4 not as
things stand (no run goes on, or another one does); 5 there is no station
"""


class StationParser(Parser):
    """Knows ``--station`` and ``--json``; a command adds its own flags."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(
            prog=f"rheed-acquire {name}", description=description, epilog=EXIT_CODES, allow_abbrev=False
        )
        self.add_argument(
            "--station",
            metavar="WHICH",
            help="where this user has several: the kind of its camera, the id of its process, or its URL; "
            "without it, RHEED_STATION, else the only one",
        )
        self.add_argument("--json", action="store_true", help="print JSON")

    def read(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, Station]:
        """Read the command line and find the station.

        Raises
        ------
        SettingsError
            Something in it is wrong.
        NoStationError
            There is none.
        """
        given = self.parse_args(arguments)
        if given.json:
            expect_json()
        if "token=" in (given.station or ""):
            raise SettingsError(
                "--station: a token on the command line can be read by others: put the URL into the "
                "environment's RHEED_STATION"
            )
        from rheed_acquire.view.station import Station

        return given, Station(given.station, asked_ns=command_begun_ns())


def show_run(run: Run, *, as_json: bool) -> int:
    """Print a run; the exit code that it has, 0 while it goes on."""
    if as_json:
        write_json(run.model_dump(mode="json"))
    else:
        name = f" {run.stream_name}" if run.stream_name else ""
        lost = f", {run.frames_lost} lost" if run.frames_lost else ""
        marks = f", {run.marks} marks" if run.marks else ""
        write_line(f"run {run.run}{name}: {run.phase}, {run.frames} frames{lost}{marks}")
        for label, condition in (("when", run.when), ("until", run.until)):
            if condition is not None and not run.is_over:
                write_line(f"  {label:<8} {condition}")
        for problem in run.problems:
            write_line(f"  problem  {problem}")
        if run.error is not None:
            write_line(f"  error    {run.error}")
        for label, place in (("output", run.output), ("archive", run.archive), ("report", run.report)):
            if place is not None:
                write_line(f"  {label:<8} {place}")
    if run.phase == "failed":
        return 0 if run.was_stopped_first else 1
    return run.exit_code or 0
