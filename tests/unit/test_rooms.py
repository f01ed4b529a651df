"""The package's rooms: few things stand outside them, and nothing anywhere imports itself in a circle.

That a room imports from rooms below it only is `lint-imports`' to check, by the contracts in pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "rheed_acquire"
MOCKS = {
    "faulty_server": ROOT / "hardware_mocks",
    "rheed_acquire_faulty": ROOT / "hardware_mocks" / "faulty_camera",
    "rheed_mock_gentl": ROOT / "hardware_mocks" / "gentl_producer" / "python",
}


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return each set of modules that import one another, directly or through others of the set."""
    imported = {module: graph.find_downstream_modules(module) for module in graph.modules}
    found = {
        frozenset({module, *(other for other in importers if module in imported[other])})
        for module, importers in imported.items()
    }
    return sorted(sorted(circle) for circle in found if len(circle) > 1)


def test_at_most_six_modules_stand_outside_the_rooms() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 6


def test_a_circle_is_found() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "a")]:
        graph.add_import(importer=importer, imported=imported)
    assert circles(graph) == [["a", "b", "c"]]


@pytest.mark.parametrize("package", ["rheed_acquire", *MOCKS])
def test_no_module_imports_itself_in_a_circle(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if package in MOCKS:
        monkeypatch.syspath_prepend(str(MOCKS[package]))
    # Hooks name the types of what they are called with; the contracts list those arrows.
    only_at_run_time = package == "rheed_acquire"
    graph = grimp.build_graph(package, exclude_type_checking_imports=only_at_run_time, cache_dir=None)
    assert circles(graph) == []
