"""Versions of everything that a run's outcome may depend on."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions, version
from typing import TYPE_CHECKING

from rheed_acquire.host.plugins import name_and_version

if TYPE_CHECKING:
    from rheed_acquire.host.plugins import PluginHost

DISTRIBUTION = "rheed-acquire"


def versions(host: PluginHost, modules: Iterable[str] = ()) -> dict[str, str]:
    """Give versions by name, in the order in which a report shows them.

    Parameters
    ----------
    host
        Whose plugins are named where they are not of this distribution.
    modules
        Top-level modules that the run's backends need: their SDKs.
    """
    found = {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "operating system": platform.platform(),
        "processor": platform.machine(),
    }
    for record in host.plugins:
        if not record.disabled and record.failure is None:
            found[f"plugin {record.name}"] = record.provenance
    names = [DISTRIBUTION, *_needed()]
    if wanted := set(modules) & set(sys.modules):
        names += sorted(set(_distributions_of(wanted)))
    for name in names:
        try:
            known: str | None = version(name)
        except (PackageNotFoundError, FileNotFoundError, KeyError):  # the latter of one removed by halves
            continue
        if known:
            found[name] = known
    return found


def _distributions_of(modules: set[str]) -> Iterator[str]:
    """Names of the distributions that top-level modules came from, as far as they can be told."""
    for one in distributions():
        name, _ = name_and_version(one)
        if name and not modules.isdisjoint(_top_level(one)):
            yield name


def _top_level(one: Distribution) -> set[str]:
    """Modules that a distribution brings, by what it says or by its files."""
    declared = (one.read_text("top_level.txt") or "").split()
    return set(declared) or {file.parts[0].partition(".")[0] for file in one.files or ()}


def _needed() -> list[str]:
    """Names of the distributions that this one cannot do without."""
    try:
        needs = distribution(DISTRIBUTION).requires or []
    except PackageNotFoundError:
        return []
    names = (re.match(r"[A-Za-z0-9._-]+", need) for need in needs if "extra ==" not in need)
    return sorted({name[0] for name in names if name})
