"""Fails where a known vulnerability can be installed: ``python .ci/audit.py [PYPROJECT ...]``.

Looks at every distribution of the environment that it runs in, at the versions of constraints.txt, and at the
lowest version that each requirement of the pyproject.toml files allows. What is known stands in
vulnerabilities.toml.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Vulnerability:
    """One or more holes of a package, and the first version without them."""

    package: str
    fixed_in: Version
    id: str
    why: str


@dataclass(frozen=True)
class Use:
    """A version that is, or may be, installed; None where a requirement allows any."""

    package: str
    version: Version | None
    where: str


def known(file: Path = ROOT / ".ci" / "vulnerabilities.toml") -> list[Vulnerability]:
    """Read the list."""
    entries = tomllib.loads(file.read_text(encoding="utf-8"))["vulnerability"]
    return [
        Vulnerability(
            canonicalize_name(entry["package"]), Version(entry["fixed_in"]), entry["id"], entry["why"]
        )
        for entry in entries
    ]


def installed() -> Iterator[Use]:
    """What this environment has."""
    for distribution in distributions():
        yield Use(canonicalize_name(distribution.name), Version(distribution.version), "installed here")


def constrained(file: Path = ROOT / "constraints.txt") -> Iterator[Use]:
    """What the project is tested with."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            name, _, version = line.partition("==")
            yield Use(canonicalize_name(name), Version(version), file.name)


def allowed(file: Path) -> Iterator[Use]:
    """The lowest versions that a ``pyproject.toml`` allows, in its extras too."""
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    lists = {"dependencies": project.get("dependencies", []), **project.get("optional-dependencies", {})}
    own = canonicalize_name(project["name"])
    for name, requirements in lists.items():
        for requirement in map(Requirement, requirements):
            if canonicalize_name(requirement.name) == own:
                continue
            lowest = [
                Version(bound.version.removesuffix(".*"))
                for bound in requirement.specifier
                if bound.operator in (">=", "~=", "==")
            ]
            where = f"{file.parent.name}/{file.name}, {name}"
            yield Use(canonicalize_name(requirement.name), max(lowest, default=None), where)


def findings(uses: Iterable[Use], vulnerabilities: Iterable[Vulnerability]) -> list[str]:
    """One line for each use of a version that has a hole."""
    by_package: dict[str, list[Vulnerability]] = {}
    for vulnerability in vulnerabilities:
        by_package.setdefault(vulnerability.package, []).append(vulnerability)
    return [
        f"{use.package} {use.version or 'in any version'} ({use.where}): {hole.why} ({hole.id}); "
        f"fixed in {hole.fixed_in}"
        for use in uses
        for hole in by_package.get(use.package, [])
        if use.version is None or use.version < hole.fixed_in
    ]


def main(arguments: list[str]) -> int:
    """Print what was found; 1 where that is anything."""
    projects = [Path(argument).resolve() for argument in arguments] or [ROOT / "pyproject.toml"]
    uses = [*installed(), *constrained(), *(use for project in projects for use in allowed(project))]
    found = findings(uses, known())
    for line in found:
        print(line)
    print(f"{len(uses)} versions looked at, {len(found)} with a known vulnerability")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
