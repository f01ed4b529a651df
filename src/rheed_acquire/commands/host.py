"""The plugin host and the settings as every command begins with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.commands.overview import COMMANDS, commands, epilog, module_of
from rheed_acquire.errors import SettingsError
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.flags import asks_for, help_topic
from rheed_acquire.system.terminal import expect_json, write_line, write_note

if TYPE_CHECKING:
    from rheed_acquire.settings.sources import LoadedSettings


def load_host(arguments: Sequence[str]) -> PluginHost:
    """Load the plugins that are not disabled, and say on stderr which could not be loaded."""
    from rheed_acquire.settings.sources import find_disabled_plugins

    host = PluginHost(find_disabled_plugins(arguments, os.environ, Path.cwd()))
    for record in host.failures:
        write_note(f"warning: plugin {record.name} ({record.provenance}) is left out: {record.failure}")
    return host


def load(arguments: Sequence[str]) -> tuple[PluginHost, LoadedSettings]:
    """Load the plugins and the settings of a run."""
    from rheed_acquire.settings.sources import load_settings

    host = load_host(arguments)
    settings = load_settings(arguments, host)
    if settings.run.json_report:
        expect_json()
    return host, settings


def answered(
    arguments: Sequence[str],
    usage: str,
    description: str,
    *,
    headings: Sequence[str] = (),
    lists_commands: bool = False,
) -> bool:
    """Print the help or the version where one is asked for; True where that was all.

    Parameters
    ----------
    headings
        Whose flags are the command's own.
    lists_commands
        Whether the first screen has every command.

    Raises
    ------
    SettingsError
        Help was asked for on what there is none of.
    """
    asked = asks_for(arguments)
    if asked == "help":
        from rheed_acquire.settings.help import format_help

        topic = help_topic(arguments)
        if topic in COMMANDS:
            import_module(module_of(topic)).main(["--help"])
            return True
        try:
            host = load_host(arguments)
        except SettingsError:  # a disabled plugin that is none: a run would say so, help must not fail
            host = PluginHost()
        text = format_help(
            host,
            usage=usage,
            description=description,
            first=commands() if lists_commands else "",
            last=epilog(),
            headings=headings,
            topic=topic,
        )
        write_line(*text.splitlines())
    elif asked == "version":
        from importlib.metadata import version

        write_line(f"rheed-acquire {version('rheed-acquire')}")
    return asked is not None
