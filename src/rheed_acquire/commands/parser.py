"""The arguments of the commands that take flags of their own, and few or none of a run's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from rheed_acquire.errors import SettingsError
from rheed_acquire.system.terminal import write_line

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class Parser(argparse.ArgumentParser):
    """Ends with this project's exit code and one line, as every other command does."""

    def error(self, message: str) -> NoReturn:
        """Raise a `SettingsError` that names the command."""
        raise SettingsError(f"{message} ({self.prog} --help tells more)")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:  # noqa: ARG002
        """Say it on stdout, which is kept from argparse too."""
        write_line(*self.format_help().splitlines())
