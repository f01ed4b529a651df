"""The arguments of the commands that take no settings of a run."""

from __future__ import annotations

import argparse
from typing import NoReturn

from rheed_acquire.errors import SettingsError


class Parser(argparse.ArgumentParser):
    """Ends with this project's exit code and one line, as every other command does."""

    def error(self, message: str) -> NoReturn:
        """Raise a `SettingsError` that names the command."""
        raise SettingsError(f"{message} ({self.prog} --help tells more)")
