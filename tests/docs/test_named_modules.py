"""Text that names a module, or something in one, names what is there: pages, docstrings, comments."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "rheed_acquire"
ROOMS = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}

FILES = (".py", ".toml", ".md", ".json", ".zarr")
"""Endings of files, some of which are called as a room is."""

_NAME = re.compile(r"`[~!]?((?:rheed_acquire|[a-z_]+)(?:\.[A-Za-z_]\w*)+)(?:\(\))?`")


def texts() -> list[Path]:
    pages = [
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "pyproject.toml",
    ]
    folders = ("src", "plugins", "hardware_mocks", "tests", "benchmarks", "docs", ".ci")
    sources = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return [file for file in (*pages, *sources) if file != Path(__file__).resolve()]


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, or leads from one to a class, a function or a field."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            fields = {**getattr(value, "__annotations__", {}), **getattr(value, "model_fields", {})}
            if name in fields:
                return True
            if not hasattr(value, name):
                return False
            value = getattr(value, name)
        return True
    return False


def lines() -> Iterator[tuple[str, str]]:
    for file in texts():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{file.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rheed_acquire.frames.ring.ChunkRing", True),
        ("rheed_acquire.cameras.camera.CameraInfo.recorded", True),
        ("rheed_acquire.ring.ChunkRing", False),
        ("rheed_acquire.frames.ring.ChunkRings", False),
    ],
)
def test_a_name_that_leads_nowhere_is_told_from_one_that_leads_somewhere(name: str, expected: bool) -> None:
    assert is_there(name) == expected


def test_every_dotted_name_of_the_package_is_there() -> None:
    named = {
        (place, name)
        for place, line in lines()
        for name in _NAME.findall(line)
        if name.split(".")[0] in ROOMS or name.startswith("rheed_acquire.")
        if not name.endswith(FILES)
    }
    whole = {
        (place, name if name.startswith("rheed_acquire.") else f"rheed_acquire.{name}")
        for place, name in named
    }
    assert len(whole) > 40
    assert sorted(f"{place}: {name}" for place, name in whole if not is_there(name)) == []


def test_the_page_shows_the_rooms_that_there_are_in_the_order_that_is_held() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    tree = page.partition("## Rooms")[2].partition("```text")[2].partition("```")[0]
    shown = [line[:28] for line in tree.splitlines() if re.match(r"  \w", line)]
    rooms = [name for line in shown for name in re.findall(r"\b([a-z]\w+)(?:/|\.py)", line)]
    assert sorted(rooms) == sorted({*ROOMS, "cli", "hookspecs", "errors", "findings", "scaffold"})
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    held = [name for layer in layers for name in re.findall(r"\w+", layer) if name in rooms]
    assert [name for name in rooms if name in held] == held
