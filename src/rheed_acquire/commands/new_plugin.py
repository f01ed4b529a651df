"""``rheed-acquire new-plugin``: write a complete distribution around a camera that works at once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rheed_acquire.commands.parser import Parser
from rheed_acquire.errors import SettingsError
from rheed_acquire.system.terminal import is_terminal, write_line

TEMPLATE = Path(__file__).parent.parent / "scaffold" / "camera_plugin"


def main(arguments: Sequence[str]) -> int:
    """Check the name, ask what only the author knows, write, and say what to type next."""
    parser = Parser(
        prog="rheed-acquire new-plugin",
        description="Write a camera plugin to start from: a distribution rheed-acquire-NAME with a camera "
        "that produces a test pattern, its settings, tests that pass, a README, a licence and a CI workflow.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        help="of the camera, as in --camera NAME: lower-case letters and digits, - between words",
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the folder rheed-acquire-NAME is made (default: here)",
    )
    parser.add_argument(
        "--defaults",
        action="store_true",
        help="ask nothing: licence Apache-2.0, and texts to be replaced for author and description",
    )
    parser.add_argument(
        "--callback",
        action="store_true",
        help="for an SDK that calls a function of yours for each frame, and has no call that waits for one",
    )
    given = parser.parse_args(arguments)
    check_name(given.name)
    target = given.dir / f"rheed-acquire-{given.name}"
    check_target(target)
    write(given.name, target, defaults=given.defaults, callback=given.callback)
    write_line(
        f"{target} is written; its README.md says what to replace. Next:",
        "",
        f'  python -m pip install -e "{target}[test]"',
        f'  python -m pytest "{target}"',
        f"  rheed-acquire --camera {given.name} --duration 5",
    )
    return 0


def check_name(name: str) -> None:
    """Refuse a name that the plugin host would not take from the finished plugin.

    Raises
    ------
    SettingsError
        It cannot begin a flag, is that of a setting of the run, or is taken by an installed plugin.
    """
    from rheed_acquire.host.backend_names import check_backend_name
    from rheed_acquire.host.plugins import PluginHost

    try:
        check_backend_name(name, "camera")
    except ValueError as error:
        raise SettingsError(str(error)) from None
    # Flags, variables and modules write - and _ alike.
    field = name.replace("-", "_")
    for plugin in PluginHost().plugins:
        # A plugin that fails to load registers nothing; its own name is all that is known of it.
        brought = (backend.name for backend in plugin.backends)
        if field in {taken.replace("-", "_") for taken in (plugin.name, *brought)}:
            raise SettingsError(f"the name {name!r} is taken by {plugin.provenance}; choose another")


def check_target(target: Path) -> None:
    """Find out whether the folder can be made, before questions are answered in vain.

    Raises
    ------
    SettingsError
        It is there already, or cannot be made.
    """
    try:
        target.mkdir(parents=True)
        target.rmdir()
    except OSError as error:
        # Windows says that a folder exists also where a file stands in its parent's place.
        if isinstance(error, FileExistsError) and os.path.lexists(target):
            raise SettingsError(
                f"{target} is there already and is not overwritten: move it away, or choose another --dir"
            ) from None
        raise SettingsError(f"{target} cannot be made (--dir): {error.strerror}") from None


def write(name: str, target: Path, *, defaults: bool, callback: bool) -> None:
    """Render the template into ``target``, which must not exist.

    Parameters
    ----------
    defaults
        Take the default answer to each question instead of asking on the terminal.
    callback
        Derive the camera from `CallbackCamera`, in place of `GrabLoopCamera`.

    Raises
    ------
    SettingsError
        copier is missing, or nobody is there to answer.
    """
    try:
        from copier import run_copy
        from copier.errors import InteractiveSessionError
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'new-plugin needs {error.name}, which is not installed: pip install "rheed-acquire[author]"'
        ) from None
    unanswered = SettingsError(
        "new-plugin has questions and found no terminal to ask them on; --defaults asks none"
    )
    if not defaults and not is_terminal(sys.stdin):
        raise unanswered
    module = f"rheed_acquire_{name.replace('-', '_')}"
    data = {
        "name": name,
        "module": module,
        "variable": f"RHEED_{name.replace('-', '_').upper()}__",
        "prefix": "".join(word.capitalize() for word in re.split("[-_]", name)),
        "callback": callback,
        "year": str(date.today().year),  # noqa: DTZ011  the author's own year, for the licence
    }
    try:
        run_copy(str(TEMPLATE), target, data=data, defaults=defaults, quiet=True)
    except InteractiveSessionError:
        raise unanswered from None
