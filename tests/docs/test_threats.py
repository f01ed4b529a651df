"""The page of threats names tests: each must be there, and each threat has one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "threats.md"


def named_tests() -> set[str]:
    return set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))


def defined_tests() -> set[str]:
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_test_that_the_page_names_is_there() -> None:
    named = named_tests()
    assert len(named) > 25
    assert named - defined_tests() == set()


def test_every_threat_names_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    threats = [row for row in rows if not row.startswith("| threat |")]
    assert len(threats) > 15
    assert [row for row in threats if "`test_" not in row] == []
