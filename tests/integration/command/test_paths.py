"""Paths that cannot be looked at: each command says so in one line, and calls it no bug of its own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there such a name is that of no file")

SIMULATED = ("--camera", "simulated", "--frames", "3")
SETTINGS = [
    ("--camera", "simulated", "--config"),
    *((command, "--config") for command in ("config", "cameras", "spool", "recover", "view")),
    ("replay", "x", "--config"),
    ("show", "--config"),
    ("report", "x", "--config"),
    ("shortcut",),
]
"""Commands that read a settings file, up to its path."""
SPOOL = [("spool", "--spool-dir"), ("spool", "--clear", "--spool-dir"), ("recover", "--spool-dir")]
USAGE = [
    *SETTINGS,
    *SPOOL,
    ("show", "--output"),
    ("report", "x", "--output"),
    ("show",),
    ("report",),
    (*SIMULATED, "--log-file"),
    (*SIMULATED, "--archive"),
    ("serve", "--tls-key", "key.pem", "--tls-cert"),
    ("new-plugin", "mine", "--dir"),
]
"""Those that end as on a wrong value."""
FAILED = [
    (*SIMULATED, "--output"),
    (*SIMULATED, "--spool-dir"),
    (*SIMULATED, "--simulated.images"),
    ("--camera", "replay", "--replay.path"),
    ("replay",),
    ("--camera", "growing", "--frames", "3", "--growing.path"),
    ("serve", "--dir"),
    ("serve", "prune", "--older-than", "1d", "--dir"),
    ("serve", "keys", "list", "--dir"),
    ("serve", "keys", "add", "one", "--dir"),
]
"""Those that end as on a service or a camera that cannot be used."""


@pytest.mark.parametrize(
    ("code", "arguments"), [*((2, words) for words in USAGE), *((1, words) for words in FAILED)], ids=str
)
def test_a_name_that_is_too_long_for_a_file_is_one_line(
    command: Command, code: int, arguments: tuple[str, ...]
) -> None:
    said = command.error(*arguments, "x" * 300, code=code)
    assert "File name too long" in said
    assert "failed in" not in said, "it is no fault of the plugin"


@pytest.mark.parametrize("arguments", [*SETTINGS, *SPOOL], ids=str)
def test_a_folder_that_may_not_be_entered_is_one_line(command: Command, arguments: tuple[str, ...]) -> None:
    private = command.folder / "private"
    private.mkdir(mode=0)
    if os.access(private, os.R_OK):
        pytest.skip("needs a file that is not readable")
    said = command.error(*arguments, "private/it")
    assert said.endswith("cannot be read: Permission denied")
    assert "private/it" in said


def test_plugins_are_listed_though_the_settings_file_cannot_be_looked_at(command: Command) -> None:
    done = command("plugins", "--config", "x" * 300)
    assert (done.returncode, done.stderr) == (0, "")
