"""Shortcuts on the desktop: ``.lnk`` on Windows, ``.command`` on macOS, ``.desktop`` on Linux."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rheed_acquire.system.durable_files import write_atomically
from rheed_acquire.system.shell_link import save_shell_link

_TRUST_PATIENCE_S = 10.0


def shortcut_places(*, system: str = sys.platform) -> list[Path]:
    """The folders for shortcuts: the desktop, on Linux that of the menu as well, where some have no desktop.

    Parameters
    ----------
    system
        As ``sys.platform`` names it.
    """
    import platformdirs

    desktop = Path(platformdirs.user_desktop_dir())
    if system in ("win32", "darwin"):
        return [desktop]
    menu = Path(platformdirs.user_data_dir(), "applications")
    return [desktop, menu] if desktop.is_dir() else [menu]


def make_shortcut(
    folder: Path, name: str, command: Sequence[str], description: str, *, system: str = sys.platform
) -> Path:
    """Make a shortcut that starts a command in a window of its own; one of that name is replaced.

    Parameters
    ----------
    folder
        For it; made where it is missing.
    name
        As it is shown, without an ending; such that it can be a file's.
    command
        The program's path, and its arguments: a line each, without control characters.
    system
        As ``sys.platform`` names it.

    Returns
    -------
    Path
        Of the shortcut.

    Raises
    ------
    OSError
        It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if system == "win32":
        target = folder / f"{name}.lnk"
        save_shell_link(target, command, description)
        return target
    if system == "darwin":
        # Double-clicked, it is run by Terminal, which leaves the window when it has ended.
        return _write_program(folder / f"{name}.command", f"#!/bin/sh\nexec {shlex.join(command)}\n")
    target = _write_program(folder / f"{name}.desktop", desktop_entry(name, command, description))
    _have_trusted(target)
    return target


def desktop_entry(name: str, command: Sequence[str], description: str) -> str:
    """Write a shortcut as the Desktop Entry Specification 1.5 (freedesktop.org) has it."""
    lines = {
        "Type": "Application",
        "Version": "1.5",
        "Name": _entry_value(name),
        "Comment": _entry_value(description),
        "Exec": _entry_value(" ".join(map(_exec_argument, command))),
        "Terminal": "true",
        "Categories": "Science;",
    }
    return "[Desktop Entry]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())


def _entry_value(text: str) -> str:
    return text.replace("\\", "\\\\")


def _exec_argument(argument: str) -> str:
    """Quote an argument; the whole is then escaped once more, as every value is."""
    quoted = argument.replace("%", "%%")
    for character in ("\\", '"', "`", "$"):
        quoted = quoted.replace(character, f"\\{character}")
    return f'"{quoted}"'


def _write_program(target: Path, text: str) -> Path:
    write_atomically(target, os.fsencode(text), target.parent, durable=False)
    target.chmod(0o700)
    return target


def _have_trusted(target: Path) -> None:
    """Tell GNOME's desktop that the user made this one, which it asks for any other; else nobody asks."""
    try:
        subprocess.run(  # noqa: S603
            ["gio", "set", str(target), "metadata::trusted", "true"],  # noqa: S607
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRUST_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
