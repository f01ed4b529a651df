"""Parts of the reference that are made from the code when the pages are built, so that they cannot lag."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from typing import TYPE_CHECKING, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.errors import ExtensionError

import rheed_acquire
from rheed_acquire.cli import main

if TYPE_CHECKING:
    from docutils.nodes import TextElement
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

COLUMNS = "92"


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


def check_completeness(app: Sphinx, env: BuildEnvironment) -> None:  # noqa: ARG001
    """Fail the build where a public name has no entry in the reference."""
    documented = {name for name, *_ in env.get_domain("py").get_objects()}
    homes = {name: module for module, names in rheed_acquire._HOMES.items() for name in names}
    missing = [name for name in rheed_acquire.__all__ if f"{homes[name]}.{name}" not in documented]
    if missing:
        raise ExtensionError(f"public names without an entry in docs/reference: {', '.join(missing)}")


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
    """Register the directive and the check."""
    app.add_directive("command-help", CommandHelp)
    app.connect("env-check-consistency", check_completeness)
    app.connect("missing-reference", accept_undocumented)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
