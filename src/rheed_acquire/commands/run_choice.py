"""The command line of the commands that look at runs: which run, and below which directory."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.commands.host import load
from rheed_acquire.commands.parser import Parser
from rheed_acquire.recording.bucket_path import is_bucket_url
from rheed_acquire.recording.run_path import run_path

if TYPE_CHECKING:
    from rheed_acquire.settings.sources import LoadedSettings

_OF_A_RUN = ("output", "config", "region")


class RunParser(Parser):
    """Knows ``[RUN]``, ``--output``, ``--config`` and ``--json``; a command adds its own flags.

    Parameters
    ----------
    name
        Of the command.
    description
        For its help.
    """

    def __init__(self, name: str, description: str) -> None:
        super().__init__(prog=f"rheed-acquire {name}", description=description, allow_abbrev=False)
        self.add_argument(
            "run",
            nargs="?",
            metavar="RUN",
            help="the run's folder, also in a bucket (s3://BUCKET/PREFIX/RUN), its data_id, or a part of its "
            "name that no other run has",
        )
        self.add_argument(
            "--output",
            metavar="DIR",
            help="directory where runs are, as of a run, or s3://BUCKET/PREFIX (default: runs)",
        )
        self.add_argument("--config", metavar="FILE", help="settings file, as of a run")
        self.add_argument("--json", action="store_true", help="print JSON")

    def read(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, LoadedSettings]:
        """Read the command line, and what a run in this folder would have for settings.

        ``output`` of what is returned is where runs are, as a path.

        Raises
        ------
        SettingsError
            Something in them is wrong.
        """
        given = self.parse_args(arguments)
        flags: list[str] = []
        # What a run writes is a folder on a disk.
        bucket = run_path(given.output) if given.output and is_bucket_url(given.output) else None
        for name in _OF_A_RUN:
            value = None if name == "output" and bucket else getattr(given, name, None)
            values = value if isinstance(value, list) else [] if value is None else [value]
            flags += [f"--{name}={one}" for one in values]
        _, settings = load(flags)
        given.output = bucket or Path(settings.run.output)
        return given, settings
