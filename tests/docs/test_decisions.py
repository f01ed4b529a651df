"""Each decision has a number of its own, which its file's name and its heading agree on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

DECISIONS = sorted((Path(__file__).resolve().parents[2] / "docs" / "explanation" / "decisions").glob("0*.md"))


def test_no_two_decisions_have_one_number() -> None:
    numbers = Counter(path.name[:4] for path in DECISIONS)
    assert {number: count for number, count in numbers.items() if count > 1} == {}


def test_a_decision_is_headed_by_its_number() -> None:
    for path in DECISIONS:
        heading = path.read_text(encoding="utf-8").partition("\n")[0]
        assert heading.startswith(f"# {path.name[:4]}: "), path.name
