"""A pytest plugin: skips on Wine what Wine cannot do, by the list in wine_cannot.toml and by nothing else.

An entry that fits no test of a file that was collected is an error, or what was renamed would stay on it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("wine_cannot.toml")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is listed: a file, a test of one, or one of the test's cases."""
    collected = {item.nodeid.partition("::")[0] for item in items}
    for entry in tomllib.loads(LIST.read_text("utf-8")).get("cannot", []):
        for place in entry["tests"]:
            fitting = [item for item in items if _is_at(item.nodeid, place)]
            if not fitting and place.partition("::")[0] in collected:
                raise pytest.UsageError(f"{LIST.name}: there is no test {place}")
            for item in fitting:
                item.add_marker(pytest.mark.skip(reason=f"Wine: {entry['why']}"))


def _is_at(nodeid: str, place: str) -> bool:
    return nodeid == place or nodeid.startswith((f"{place}::", f"{place}["))
