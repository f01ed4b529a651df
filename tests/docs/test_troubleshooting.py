"""The page of messages quotes what the program says: each from the sources, and one of each kind of error."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import rheed_acquire
from rheed_acquire.errors import RheedAcquireError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
HOLE = "…"


def template(node: ast.expr) -> str | None:
    """Return a text as it stands in the source, with a hole for each value; None where it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    return None


@cache
def trees() -> tuple[ast.Module, ...]:
    files = [file for folder in ("src", "plugins") for file in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(ast.parse(file.read_text(encoding="utf-8")) for file in files)


@cache
def said() -> frozenset[str]:
    """Every text in the sources."""
    nodes = (node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.expr))
    return frozenset(text for node in nodes if (text := template(node)))


def raised_with(name: str) -> Iterator[str]:
    """What errors of one class are raised with, where that stands beside the ``raise``."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                text = template(node.exc.args[0])
                if ast.unparse(node.exc.func) == name and text is not None:
                    yield text


def quotes(message: str, text: str) -> bool:
    """Whether a message of the page, up to where it breaks off, is said by this text."""
    pattern = ".*".join(re.escape(part) for part in message.split(HOLE))
    return re.search(pattern, text) is not None


def user_errors() -> set[type[RheedAcquireError]]:
    for module in pkgutil.walk_packages(rheed_acquire.__path__, "rheed_acquire."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: set[type[RheedAcquireError]] = set()
    waiting: list[type[RheedAcquireError]] = [RheedAcquireError]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += [one for one in kind.__subclasses__() if one.__module__.startswith("rheed_acquire.")]
    return {kind for kind in found if not kind.__name__.startswith("_")}


@pytest.mark.parametrize(
    ("message", "text", "expected"),
    [
        ("no camera … found", "no camera … found: look at …", True),
        ("… cannot be opened: …. Close", "… cannot be opened: …. Close it", True),
        ("no camera was found", "no camera … found", False),
        ("the disk … is full", "the disk is full", False),
    ],
)
def test_a_message_that_was_reworded_is_told_from_one_that_stands(
    message: str, text: str, expected: bool
) -> None:
    assert quotes(message, text) == expected


def test_the_page_quotes_messages_and_each_once() -> None:
    assert len(QUOTED) > 25
    assert len(set(QUOTED)) == len(QUOTED)


@pytest.mark.parametrize("message", QUOTED)
def test_each_message_of_the_page_is_one_that_the_program_has(message: str) -> None:
    assert any(quotes(message, text) for text in said())


def test_every_kind_of_error_that_a_user_sees_has_an_entry() -> None:
    kinds = {kind.__name__: list(raised_with(kind.__name__)) for kind in user_errors()}
    missing = [
        name
        for name, texts in kinds.items()
        if texts and not any(quotes(message, text) for message in QUOTED for text in texts)
    ]
    assert len(kinds) > 12
    assert missing == []


def test_every_exit_code_of_an_error_has_its_line() -> None:
    lines = set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))
    assert {str(kind.exit_code) for kind in user_errors()} <= lines
    everywhere = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert lines == set(re.findall(r"^\| (\d+) \|", everywhere, re.MULTILINE))
