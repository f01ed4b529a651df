"""``rheed-acquire shortcut``: the live view by a double click, and what that click starts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rheed_acquire.commands.parser import Parser
from rheed_acquire.errors import SettingsError
from rheed_acquire.system.file_mode import mode_of
from rheed_acquire.system.heeded_signals import heed_signals
from rheed_acquire.system.terminal import is_terminal, write_line, write_note

NAME = "RHEED view"
DESCRIPTION = "Shows the RHEED camera in a browser; runs are started there"
FOLDER = "RHEED"
"""In the home folder: not among the documents, which many computers copy into a cloud."""

STARTER = """\
# Settings of rheed-acquire, one a line; rheed-acquire --help lists them all.
# "simulated" needs no camera; "basler" is for cameras of Basler, "genicam" for others with a GenTL producer.
# rheed-acquire cameras lists what can be opened now.
camera = "simulated"
"""


def main(arguments: Sequence[str]) -> int:
    """Make the shortcut, or do what it starts."""
    parser = Parser(
        prog="rheed-acquire shortcut",
        description="Put a shortcut on the desktop that shows the camera of a settings file in the browser, "
        "as rheed-acquire view does. Recordings, and a file .env with the key, lie in that file's folder.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="the settings (default: rheed-acquire.toml here if there is one, else that in the folder "
        f"{FOLDER} of your home folder, which is made with the simulated camera in it)",
    )
    parser.add_argument(
        "--dir", type=Path, metavar="DIR", help="where the shortcut is put (default: the desktop)"
    )
    parser.add_argument(
        "--start",
        action="store_true",
        help="make none, but do what it does: start the view for FILE, and keep the window if it fails",
    )
    given = parser.parse_args(arguments)
    file = _settings_file(given.file)
    if given.start:
        return start(file)
    if given.file is None and not _mode(file):
        _write_starter(file)
    check(file)
    for shortcut in make(file, given.dir):
        write_line(f"{shortcut} shows the camera of {file}")
    return 0


def make(file: Path, folder: Path | None) -> list[Path]:
    """Make the shortcuts to a settings file.

    Parameters
    ----------
    file
        Absolute.
    folder
        For one; None for all places where such a system has them.

    Raises
    ------
    SettingsError
        One cannot be written.
    """
    from rheed_acquire.settings.sources import DEFAULT_FILE
    from rheed_acquire.system.shortcut import make_shortcut, shortcut_places

    # By the interpreter: the program that pip makes may not be there, or lead elsewhere after an upgrade.
    command = [sys.executable, "-P", "-m", "rheed_acquire", "shortcut", "--start", str(file)]
    name = NAME if file.name == DEFAULT_FILE else f"{NAME} {file.stem}"
    made = []
    for place in shortcut_places() if folder is None else [folder]:
        try:
            made.append(make_shortcut(place, name, command, DESCRIPTION))
        except OSError as error:
            raise SettingsError(
                f"no shortcut can be put into {place} ({error.strerror or error}); "
                "choose another folder with --dir"
            ) from None
    return made


def check(file: Path) -> None:
    """See that the view could start with these settings.

    Raises
    ------
    SettingsError
        The file is not there or cannot be read, its name cannot be in a shortcut, or what it sets is wrong.
    """
    from rheed_acquire.commands.run_setup import choose_camera
    from rheed_acquire.host.plugins import PluginHost
    from rheed_acquire.settings.sources import find_disabled_plugins, load_settings
    from rheed_acquire.text.printable_text import printable

    if printable(str(file)) != str(file):
        raise SettingsError(f"the path of {file} has characters that no shortcut can hold: move it elsewhere")
    if not stat.S_ISREG(_mode(file)):
        raise SettingsError(f"there is no settings file {file}")
    flags = ["--config", str(file)]
    host = PluginHost(find_disabled_plugins(flags, os.environ, file.parent))
    choose_camera(host, load_settings(flags, host, os.environ, file.parent).run.camera)


def start(file: Path) -> int:
    """Start the view in the folder of its settings, and keep the window where it fails.

    It is a process of its own: whatever ends it, a crash in a camera's SDK too, the window stays.
    """
    # By a function, which the view does not inherit, as it would that the signal is ignored.
    heed_signals(("SIGINT", "SIGBREAK", "SIGHUP"), lambda number, frame: None)  # noqa: ARG005
    command = [sys.executable, "-P", "-m", "rheed_acquire", "view", "--config", str(file), "--view-open"]
    try:
        code = subprocess.run(command, cwd=file.parent, check=False).returncode  # noqa: S603
    except OSError as error:
        raise SettingsError(f"the view cannot be started in {file.parent}: {error.strerror}") from None
    if code != 0 and is_terminal(sys.stdin):
        write_note("press Enter to close this window")
        sys.stdin.readline()
    return code


def _settings_file(given: Path | None) -> Path:
    from rheed_acquire.settings.sources import DEFAULT_FILE

    if given is not None:
        return Path(os.path.abspath(given))  # noqa: PTH100 - where links lead may change
    here = Path.cwd() / DEFAULT_FILE
    return here if _mode(here) else Path.home() / FOLDER / DEFAULT_FILE


def _mode(file: Path) -> int:
    try:
        return mode_of(file)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror or error}") from None


def _write_starter(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(STARTER, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from None
    write_line(f"{file} is written, with the simulated camera; put yours into it with any editor")
