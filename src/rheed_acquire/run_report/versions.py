"""Versions of everything that a run's outcome may depend on."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version
from typing import TYPE_CHECKING

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
        names += _distributions_of(wanted)
    for name in names:
        try:
            known: str | None = version(name)
        except (PackageNotFoundError, FileNotFoundError):  # the second of one that was removed by halves
            continue
        if known:
            found[name] = known
    return found


def _distributions_of(modules: set[str]) -> list[str]:
    """Names of the distributions that top-level modules came from."""
    try:
        by_module = packages_distributions()
    except FileNotFoundError:  # some distribution was removed by halves: see `rheed_acquire.host.plugins`
        return []
    return [name for module in sorted(modules) for name in by_module.get(module, ()) if name]


def _needed() -> list[str]:
    """Names of the distributions that this one cannot do without."""
    try:
        needs = distribution(DISTRIBUTION).requires or []
    except PackageNotFoundError:
        return []
    names = (re.match(r"[A-Za-z0-9._-]+", need) for need in needs if "extra ==" not in need)
    return sorted({name[0] for name in names if name})
