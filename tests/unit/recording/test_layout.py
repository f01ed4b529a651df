"""Folders of runs are named so that every system takes them, and a person finds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.recording.layout import folder_name, slug


@given(name=st.text(max_size=80))
def test_any_name_makes_a_folder_name_that_every_system_takes(name: str) -> None:
    folder = folder_name(name, "0123abcd-0000-0000-0000-000000000000", datetime.now(UTC))
    assert folder.isascii()
    assert len(folder) <= 60
    assert folder.endswith("-0123abcd")
    assert not set(folder) & set('<>:"/\\|?* \t\n.')


@given(name=st.text(max_size=80), seconds=st.lists(st.integers(0, 86_399), min_size=2, max_size=9))
def test_folders_of_one_day_sort_by_the_time_of_day(name: str, seconds: list[int]) -> None:
    midnight = datetime(2026, 11, 28, tzinfo=UTC).astimezone().replace(hour=0)
    names = [
        folder_name(name, f"{9 - number:08}-0000", midnight + timedelta(seconds=second))
        for number, second in enumerate(sorted(set(seconds)))
    ]
    assert names == sorted(names)


def test_names_become_readable_slugs() -> None:
    assert slug("Growth run 42") == "growth-run-42"
    assert slug("  Größe: Ä/B  ") == "groe-a-b"
    assert slug("日本") == "stream"
