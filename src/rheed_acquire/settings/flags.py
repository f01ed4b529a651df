"""The command line: read into assignments, and described by the help.

Not argparse: it ends at the first mistake, repeats the value of an unknown flag (which may be a secret),
takes ``-1e-3`` for a flag, and cannot express ``--basler.features.NAME=VALUE``.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rheed_acquire.settings.catalogue import Catalogue, Setting
from rheed_acquire.settings.readers import Reading, shown_value
from rheed_acquire.settings.run_settings import GROUPS

if TYPE_CHECKING:
    from rheed_acquire.host.plugins import PluginHost

_INFORMATIVE = ("-h", "--help", "--version")
_COLUMN = 30


def asks_for(argv: Sequence[str]) -> Literal["help", "version"] | None:
    """Return what the command line asks to be shown instead of a run, if it does."""
    for word in argv:
        if word in ("-h", "--help"):
            return "help"
        if word == "--version":
            return "version"
    return None


def read_flags(argv: Sequence[str], catalogue: Catalogue) -> Reading:
    """Read the command line, without the program's name and the subcommand.

    ``--flag value`` and ``--flag=value`` are the same; a value that begins with ``--`` needs the second form.
    A flag given twice counts as given last, but for a list, where each adds one, and for a name in a mapping,
    which is refused: their order counts, and what is given twice has none. Switches have the forms
    ``--simulated.stamp``, ``--no-simulated.stamp`` and ``--simulated.stamp=false``. Names are never
    abbreviated.
    """
    reading = Reading()
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if token in _INFORMATIVE:
            continue
        name, equals, inline = token.partition("=")
        setting, entry, negated = _find(name, catalogue)
        if setting is None or setting.is_secret:
            reading.problems += _unknown(token, tokens, catalogue)
            continue
        value: Any = inline
        if setting.is_flag and not equals:
            value = not negated
        elif negated:
            reading.problems.append(f"{name}: takes no value (command line)")
            continue
        elif not equals:
            if not tokens or _is_flag(tokens[0]):
                form = f"{name}.NAME=VALUE" if setting.is_mapping and not entry else setting.metavar
                reading.problems.append(f"{name}: needs a value, {form} (command line)")
                continue
            value = tokens.pop(0)
        _assign(reading, setting, name, entry, value)
    return reading


def format_help(
    host: PluginHost,
    *,
    prog: str = "rheed-acquire",
    usage: str = "[FLAGS]",
    description: str = "",
    epilog: str = "",
    width: int | None = None,
) -> str:
    """Return the help: every flag of the run and of each loaded backend.

    Parameters
    ----------
    usage
        What may follow the program's name.
    description, epilog
        Set before the flags and after them, as they stand.
    width
        In columns; by default the terminal's, but no more than is easy to read.
    """
    catalogue = Catalogue(host)
    width = width or max(60, min(shutil.get_terminal_size().columns, 100))
    groups: dict[str, list[Setting]] = {title: [] for title in GROUPS}
    for setting in catalogue.settings.values():
        if not setting.is_secret:
            groups.setdefault(setting.group, []).append(setting)
    lines = [f"usage: {prog} {usage}", ""]
    if description:
        lines += [description.rstrip(), ""]
    for title, settings in groups.items():
        lines += textwrap.wrap(f"{title}:", width)
        for setting in settings:
            lines += _entry(_invocation(setting), _explanation(setting, catalogue), width)
        lines.append("")
    lines += ["Help:", *_entry("-h, --help", "show this and exit", width)]
    lines += [*_entry("--version", "show the version and exit", width), ""]
    lines += textwrap.wrap(
        "Each flag is also an environment variable, --stream-name RHEED_STREAM_NAME and --basler.exposure-us "
        "RHEED_BASLER__EXPOSURE_US, which may stand in a file .env, and a key of rheed-acquire.toml, "
        "stream_name and, in the table [basler], exposure_us; there, --tag, --region, --disable-plugin and "
        "--json are tags, regions, disable_plugins and json_report, and in a variable commas separate a "
        "list. A flag wins over the environment, that over .env, that over the file. The API key is never a "
        "flag, since others can read the command line of a running program: set AS_API_KEY, or api_key in "
        "the file.",
        width,
        break_on_hyphens=False,
    )
    if epilog:
        lines += ["", epilog.rstrip()]
    return "\n".join(lines) + "\n"


def _find(name: str, catalogue: Catalogue) -> tuple[Setting | None, str | None, bool]:
    """Return the setting that a flag sets, the entry of a mapping, and whether it switches off."""
    if (setting := catalogue.by_flag.get(name)) is not None:
        return setting, None, False
    if name.startswith("--no-"):
        setting = catalogue.by_flag.get(f"--{name.removeprefix('--no-')}")
        return (setting, None, True) if setting is not None and setting.is_flag else (None, None, False)
    for flag, setting in catalogue.by_flag.items():
        if setting.is_mapping and name.startswith(f"{flag}.") and len(name) > len(flag) + 1:
            return setting, name[len(flag) + 1 :], False
    return None, None, False


def _assign(reading: Reading, setting: Setting, name: str, entry: str | None, value: Any) -> None:
    joint = "=" if setting.is_mapping else " "
    if setting.is_mapping and entry is not None:
        earlier = reading.assignments.get((*setting.path, entry))
        if earlier is not None:
            values = f"{shown_value(earlier.value)} and {shown_value(value)}"
            selected = "" if "[" in entry else f", or spell each {name}[SELECTED] where a selector chooses"
            reading.problems.append(
                f"{name}: is given twice, {values}; leave one out{selected} (command line)"
            )
            return
    if setting.is_list:
        earlier = reading.assignments.get(setting.path)
        value = [*(earlier.value if earlier else ()), value]
    assignment = reading.assign(setting, value, name, joint, "command line", entry=entry, source=name)
    if setting.is_mapping and entry is None:
        reading.reject(assignment, f"must be spelled {name}.NAME=VALUE")


def _is_flag(word: str) -> bool:
    return word.startswith("--") or word == "-h"


def _unknown(token: str, rest: list[str], catalogue: Catalogue) -> Iterator[str]:
    """Name a flag or a word that is none, without what may be its value.

    `rest` is what follows; the presumed value is taken from it.
    """
    # What follows "=" or ":" is a value, and a value may be a secret.
    name = re.split(r"[=:\s]", token, maxsplit=1)[0]
    takes_next = name == token and bool(rest)
    secret = catalogue.secret_meant(name)
    if secret is not None:
        if takes_next and _find(rest[0].partition("=")[0], catalogue)[0] is None:
            rest.pop(0)
        variable = next(iter(secret.other_variables), secret.variable)
        # The right name, not the one given, to which the value may be glued.
        yield (
            f"{secret.flag}: a secret does not belong on a command line, where others can read it; "
            f"set {variable} (command line)"
        )
        return
    if not name.startswith("-") or name == "-":
        yield f"unexpected argument {shown_value(name)} (command line)"
        return
    if takes_next and not _is_flag(rest[0]):
        rest.pop(0)
    shown = name if name.isprintable() else repr(name)
    head = name.lstrip("-").partition(".")[0]
    if "." in name and head in catalogue.absent:
        yield f"{shown}: {catalogue.absent[head]} (command line)"
        return
    near = catalogue.nearest(name, secrets=False)
    yield f"{shown}: no such flag; the nearest is {near.flag} (command line)"


def _invocation(setting: Setting) -> str:
    if setting.is_flag:
        return f"--[no-]{setting.flag.removeprefix('--')}"
    if setting.is_mapping:
        return f"{setting.flag}.NAME=VALUE"
    return f"{setting.flag} {setting.metavar}"


def _explanation(setting: Setting, catalogue: Catalogue) -> str:
    text = (setting.field.description or "").rstrip(".")
    known = {"camera": catalogue.cameras, "streamer": catalogue.streamers}.get(setting.key, ())
    if known:
        text = text.partition(", such as")[0] + f": {', '.join(known)}"
    if setting.is_list:
        text += "; can be repeated"
    default = setting.field.get_default(call_default_factory=False)
    shown = _default_shown(default)
    return f"{text} (default: {shown})" if shown else text


def _default_shown(default: Any) -> str:
    """Return a default for the help; empty where there is nothing to say."""
    if default is None or default is False or isinstance(default, tuple | list | dict):
        return ""
    if isinstance(default, float):
        return f"{default:g}"
    if default is True:
        return "on"
    text = str(getattr(default, "value", default))
    return "" if text == "PydanticUndefined" else text


def _entry(left: str, right: str, width: int) -> list[str]:
    wrapped = textwrap.wrap(right, width - _COLUMN, break_on_hyphens=False) or [""]
    left = f"  {left}"
    if len(left) <= _COLUMN - 2:
        lines = [f"{left:<{_COLUMN}}{wrapped[0]}".rstrip()]
        wrapped = wrapped[1:]
    else:
        lines = [left]
    return lines + [" " * _COLUMN + line for line in wrapped if line]
