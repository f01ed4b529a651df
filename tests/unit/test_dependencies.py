"""What is imported is declared, and no version with a known vulnerability may be installed."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
OURS = ("rheed_acquire", "rheed_mock_gentl")
FOR_AUTHORS = ROOT / "src" / "rheed_acquire" / "testing"
"""Imported by plugins' tests alone, with the extra ``author``."""


@cache
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def sources() -> list[Path]:
    files = [file for folder in ("src", "plugins") for file in (ROOT / folder).rglob("*.py")]
    return [file for file in files if "scaffold" not in file.parts]


def imports(file: Path, *, at_once: bool) -> Iterator[str]:
    """The top-level modules that a file imports: as soon as it is imported itself, or at any time."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in _at_once(tree.body) if at_once else ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "_typeshed" and not top.startswith(OURS):
                yield top


def _at_once(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, ast.Try):
            yield from _at_once(node.body)
        else:
            yield node


def declared() -> tuple[set[str], set[str]]:
    """Distributions that are always there, and those of any extra but the developers' own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        name: list_
        for name, list_ in project["optional-dependencies"].items()
        if name not in ("test", "docs")
    }

    def names(requirements: list[str]) -> set[str]:
        return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}

    always = names(project["dependencies"])
    return always, always.union(*map(names, extras.values()))


@cache
def modules_here() -> Mapping[str, list[str]]:
    return packages_distributions()


def distributions_of(module: str) -> set[str]:
    return {canonicalize_name(name) for name in modules_here().get(module, [module])}


def test_every_import_is_declared_and_those_without_which_nothing_works_always() -> None:
    always, some = declared()
    undeclared = [
        f"{file.relative_to(ROOT)}: {module}"
        for file in sources()
        for at_once in (True, False)
        for module in imports(file, at_once=at_once)
        if not distributions_of(module)
        & (
            always
            if at_once and file.is_relative_to(ROOT / "src") and FOR_AUTHORS not in file.parents
            else some
        )
    ]
    assert undeclared == []


def test_no_version_that_is_here_or_may_be_installed_has_a_known_vulnerability() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "audit.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("version", "is_found"), [("1.2", True), ("1.2.9", True), ("1.3rc1", True), ("1.3", False), (None, True)]
)
def test_an_older_version_than_the_first_without_the_hole_is_found(
    version: str | None, is_found: bool
) -> None:
    module = audit()
    hole = module.Vulnerability("some-package", Version("1.3"), "CVE-2000-1", "it is open")
    use = module.Use("some-package", None if version is None else Version(version), "here")
    assert bool(module.findings([use, module.Use("other", Version("1"), "here")], [hole])) == is_found


def test_the_lowest_version_of_a_requirement_is_what_its_bounds_allow(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        '[project]\nname = "x"\ndependencies = ["a>=1,<2", "B_c~=2.1", "d==3.*", "e"]\n'
        '[project.optional-dependencies]\nmore = ["f>4", "x[other]"]\n'
    )
    lowest = {use.package: use.version for use in audit().allowed(file)}
    assert lowest == {"a": Version("1"), "b-c": Version("2.1"), "d": Version("3"), "e": None, "f": None}


def test_every_known_vulnerability_is_of_something_that_is_installed_or_tested_with() -> None:
    """What has gone from the dependencies goes from the list, which else would never be read through."""
    packages = {use.package for use in (*audit().installed(), *audit().constrained())}
    assert {hole.package for hole in audit().known()} <= packages
