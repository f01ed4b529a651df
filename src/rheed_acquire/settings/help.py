"""The help: a first screen with what everybody needs, and the rest by its headings."""

from __future__ import annotations

import difflib
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import SettingsError
from rheed_acquire.settings.catalogue import Catalogue, Setting
from rheed_acquire.settings.run_settings import GROUPS

if TYPE_CHECKING:
    from rheed_acquire.host.plugins import PluginHost

EVERYTHING = "all"
_COLUMN = 30

_SOURCES = (
    "Each flag is also an environment variable, --stream-name RHEED_STREAM_NAME and --basler.exposure-us "
    "RHEED_BASLER__EXPOSURE_US, which may stand in a file .env, and a key of rheed-acquire.toml, "
    "stream_name and, in the table [basler], exposure_us; there, --tag, --region, --disable-plugin and "
    "--json are tags, regions, disable_plugins and json_report, and in a variable commas separate a "
    "list. A flag wins over the environment, that over .env, that over the file. The API key is never a "
    "flag, since others can read the command line of a running program: set AS_API_KEY, or api_key in "
    "the file."
)


def format_help(
    host: PluginHost,
    *,
    prog: str = "rheed-acquire",
    usage: str = "[FLAGS]",
    description: str = "",
    first: str = "",
    last: str = "",
    headings: Sequence[str] = (),
    topic: str | None = None,
    width: int | None = None,
) -> str:
    """Return the help: the flags that everybody needs, or those of a topic.

    Parameters
    ----------
    usage
        What may follow the program's name.
    description
        Set before the flags.
    first, last
        Set before the flags of the first screen, and at the end of all that there is, as they stand.
    headings
        Whose flags belong to the first screen too, in the place of those that everybody needs.
    topic
        A heading of the flags, a backend, or `EVERYTHING`; None for the first screen.
    width
        In columns; by default the terminal's, but no more than is easy to read.

    Raises
    ------
    SettingsError
        There is no such topic.
    """
    catalogue = Catalogue(host)
    width = width or max(60, min(shutil.get_terminal_size().columns, 100))
    groups = _groups(catalogue)
    lines = [f"usage: {prog} {usage}", ""]
    if topic is None:
        if description:
            lines += [*textwrap.wrap(description, width), ""]
        if first:
            lines += [first.rstrip(), ""]
        settings = [one for name in headings for one in groups[name][1]] or [
            setting for setting in catalogue.settings.values() if setting.is_everyday
        ]
        lines += _section("Flags:", settings, catalogue, width)
        others = ", ".join(name for name in groups if name not in headings)
        more = f"More flags: --help {EVERYTHING}, or --help NAME with one of {others}."
        lines += textwrap.wrap(more, width, break_on_hyphens=False)
    elif topic.lower() == EVERYTHING:
        lines += [description.rstrip(), ""] if description else []
        for title, settings in groups.values():
            lines += _section(f"{title}:", settings, catalogue, width)
        lines += ["Help:", *_entry("-h, --help", "show the flags that everybody needs, and exit", width)]
        lines += _entry(f"-h, --help {EVERYTHING}", "show this and exit", width)
        lines += _entry("-h, --help NAME", "show the flags of one camera, or under one heading", width)
        lines += [*_entry("--version", "show the version and exit", width), ""]
        lines += textwrap.wrap(_SOURCES, width, break_on_hyphens=False)
        if last:
            lines += ["", last.rstrip()]
    else:
        title, settings = groups[_chosen(topic, groups)]
        lines += _section(f"{title}:", settings, catalogue, width)[:-1]
    return "\n".join(lines) + "\n"


def _groups(catalogue: Catalogue) -> dict[str, tuple[str, list[Setting]]]:
    """The settings by the name that stands for their heading, each with the heading itself."""
    groups: dict[str, tuple[str, list[Setting]]] = {title.lower(): (title, []) for title in GROUPS}
    for setting in catalogue.settings.values():
        if not setting.is_secret:
            name = setting.path[0] if len(setting.path) > 1 else setting.group.lower()
            groups.setdefault(name, (setting.group, []))[1].append(setting)
    return groups


def _chosen(topic: str, groups: Iterable[str]) -> str:
    if topic.lower() in groups:
        return topic.lower()
    near = difflib.get_close_matches(topic.lower(), groups, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join((EVERYTHING, *groups))}"
    raise SettingsError(f"--help {topic!r}: there is no such topic; {hint} (command line)")


def _section(title: str, settings: Iterable[Setting], catalogue: Catalogue, width: int) -> list[str]:
    lines = textwrap.wrap(title, width)
    for setting in settings:
        lines += _entry(_invocation(setting), _explanation(setting, catalogue), width)
    return [*lines, ""]


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
