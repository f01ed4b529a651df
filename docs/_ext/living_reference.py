"""Parts of the reference that are made from the code when the pages are built, so that they cannot lag."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import os
import re
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from public_names import described_fields, without_an_entry
from sphinx.errors import ExtensionError

from rheed_acquire.cli import main
from rheed_acquire.commands.overview import COMMANDS
from rheed_acquire.findings import FindingCode
from rheed_acquire.hookspecs import PROJECT
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.server.figures import known_server_metrics
from rheed_acquire.settings.catalogue import Catalogue, Setting
from rheed_acquire.view.server.metrics import known_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils.nodes import TextElement
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

COLUMNS = "92"
_FLAG = re.compile(r"(--[a-z][\w.-]*\w)")
COMMAND_PAGE, SETTINGS_PAGE = "reference/command", "reference/settings"


class CommandHelp(Directive):
    """``command-help`` shows what ``rheed-acquire ARGUMENTS --help`` prints."""

    optional_arguments: ClassVar[int] = 1
    final_argument_whitespace: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Run the command in this process."""
        arguments = [*(self.arguments[0].split() if self.arguments else ()), "--help"]
        printed = io.StringIO()
        before = os.environ.get("COLUMNS")
        os.environ["COLUMNS"] = COLUMNS
        try:
            with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
                main(arguments)
        finally:
            if before is None:
                del os.environ["COLUMNS"]
            else:
                os.environ["COLUMNS"] = before
        if not printed.getvalue().startswith("usage:"):
            raise self.error(f"rheed-acquire {' '.join(arguments)} printed no help")
        return [nodes.literal_block(printed.getvalue(), printed.getvalue(), language="text")]


class SettingsTable(Directive):
    """``settings-table GROUP`` lists the settings under one heading of the help, or those of one backend."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        group = self.arguments[0]
        settings = _settings().get(group)
        if settings is None:
            raise self.error(f"there are no settings {group!r}; there are {', '.join(_settings())}")
        rows = [
            (_names(setting), _paragraph(*_description(setting)), _paragraph(*_default(setting)))
            for setting in settings
        ]
        header = tuple(
            _paragraph(nodes.Text(text)) for text in ("flag, variable, key in the file", "meaning", "default")
        )
        return [_table(header, rows, widths=(42, 44, 14))]


class FindingsTable(Directive):
    """``findings-table`` lists what a run can have to say about itself."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = [
            (_code(code.value), _paragraph(nodes.Text(code.meaning)), _paragraph(*_with_flags(code.advice)))
            for code in FindingCode
        ]
        header = tuple(_paragraph(nodes.Text(text)) for text in ("code", "meaning", "what to do"))
        return [_table(header, rows, widths=(22, 44, 34))]


class MetricsTable(Directive):
    """``metrics-table`` lists what Prometheus can read of a run, ``metrics-table server`` of a server."""

    optional_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = [
            (_code(name), _paragraph(nodes.Text(kind)), _paragraph(nodes.Text(meaning)))
            for name, kind, meaning in (known_server_metrics() if self.arguments else known_metrics())
        ]
        header = tuple(_paragraph(nodes.Text(text)) for text in ("metric", "type", "meaning"))
        return [_table(header, rows, widths=(44, 10, 46))]


def _settings() -> dict[str, list[Setting]]:
    """Every setting of this distribution, by its heading in the help or its backend's name."""
    own = [
        point
        for point in importlib.metadata.entry_points(group=PROJECT)
        if point.dist is not None and point.dist.name == "rheed-acquire"
    ]
    found: dict[str, list[Setting]] = {}
    for setting in Catalogue(PluginHost(sources=own)).settings.values():
        group = setting.group if len(setting.path) == 1 else setting.path[0]
        found.setdefault(group, []).append(setting)
    return found


def _names(setting: Setting) -> nodes.Node:
    names = [setting.variable, *setting.other_variables, setting.key]
    if not setting.is_secret:
        form = ".NAME=VALUE" if setting.is_mapping else "" if setting.is_flag else f" {setting.metavar}"
        names.insert(0, setting.flag + form)
    lines = nodes.line_block()
    lines += [nodes.line("", "", nodes.literal(name, name)) for name in names]
    return lines


def _description(setting: Setting) -> Iterator[nodes.Node]:
    text = (setting.field.description or "").rstrip(".")
    if setting.is_list:
        text += "; can be repeated"
    if setting.is_secret:
        text += "; never on the command line"
    yield from _with_flags(text)


def _with_flags(text: str) -> Iterator[nodes.Node]:
    # Flags as code, so that no typography makes a dash of two hyphens.
    for part in _FLAG.split(text):
        yield nodes.literal(part, part) if _FLAG.fullmatch(part) else nodes.Text(part)


def _code(text: str) -> nodes.paragraph:
    return _paragraph(nodes.literal(text, text))


def _default(setting: Setting) -> tuple[nodes.Node, ...]:
    default: Any = setting.field.get_default(call_default_factory=True)
    if default is None or default in ((), [], {}):
        return ()
    shown = str(default).lower() if isinstance(default, bool) else str(getattr(default, "value", default))
    shown = f"{default:g}" if isinstance(default, float) else shown
    return (nodes.literal(shown, shown),)


def _paragraph(*content: nodes.Node) -> nodes.paragraph:
    return nodes.paragraph("", "", *content)


def _table(
    header: Iterable[nodes.Node], rows: Iterable[Iterable[nodes.Node]], widths: tuple[int, ...]
) -> nodes.table:
    def row(cells: Iterable[nodes.Node]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", cell) for cell in cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    group += nodes.thead("", row(header))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group)


def check_completeness(app: Sphinx, env: BuildEnvironment) -> None:  # noqa: ARG001
    """Fail the build where a public name or a member of it, a command or a group of settings has no entry."""
    documented = {name for name, *_ in env.get_domain("py").get_objects()}
    missing = without_an_entry(documented)
    missing += [f"the command {name}" for name in COMMANDS if name not in _headings(env, COMMAND_PAGE)]
    headings = _headings(env, SETTINGS_PAGE)
    missing += [f"the settings {group!r}" for group in _settings() if group not in headings]
    if missing:
        raise ExtensionError(f"without an entry in docs/reference: {', '.join(missing)}")


def describe_fields(
    app: Sphinx,  # noqa: ARG001
    what: str,
    name: str,  # noqa: ARG001
    obj: object,
    options: object,  # noqa: ARG001
    lines: list[str],
) -> None:
    """Add to a model of settings what each of them is."""
    if what == "class" and isinstance(obj, type):
        lines.append("")
        for field, text in described_fields(obj).items():
            lines.append(f":ivar {field}: " + _FLAG.sub(r"``\1``", text))
        lines.append("")


def _headings(env: BuildEnvironment, page: str) -> set[str]:
    return {title.astext() for title in env.get_doctree(page).findall(nodes.title)}


def accept_undocumented(
    app: Sphinx,  # noqa: ARG001
    env: BuildEnvironment,  # noqa: ARG001
    node: pending_xref,
    text: TextElement,
) -> TextElement | None:
    """Leave a name of this project that exists but has no entry as plain text; else the build fails."""
    target = str(node.get("reftarget", ""))
    return text if target.startswith("rheed_acquire.") and _exists(target) else None


def _exists(full_name: str) -> bool:
    parts = full_name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            # A field without a default is in no namespace but that of the annotations.
            fields = getattr(found, "__annotations__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, None)
        return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the check."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("findings-table", FindingsTable)
    app.add_directive("metrics-table", MetricsTable)
    app.connect("autodoc-process-docstring", describe_fields)
    app.connect("env-check-consistency", check_completeness)
    app.connect("missing-reference", accept_undocumented)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
