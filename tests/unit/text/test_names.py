"""Names as users give them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.server.wire import check_text
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.text.names import clean_name

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@pytest.mark.parametrize(
    ("given_as", "meant"),
    [
        (b"caf\xe9".decode(errors="surrogateescape"), "café"),
        (b"Lab\x92s \x80".decode(errors="surrogateescape"), "Lab\N{RIGHT SINGLE QUOTATION MARK}s €"),
        (b"\x81".decode(errors="surrogateescape"), "\N{REPLACEMENT CHARACTER}"),
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        (" a\tb\0c\n", "a b c"),
        ("成長 😀 [110]", "成長 😀 [110]"),
        (" \t ", ""),
    ],
)
def test_what_cannot_be_written_is_mended_as_it_was_meant(given_as: str, meant: str) -> None:
    assert clean_name(given_as) == meant


@given(ANY_TEXT)
def test_every_clean_name_can_be_written_is_taken_by_the_server_and_stays_as_it_is(name: str) -> None:
    cleaned = clean_name(name)
    cleaned.encode()
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in cleaned)
    assert clean_name(cleaned) == cleaned
    if cleaned:
        assert check_text("name", cleaned) == cleaned


@given(ANY_TEXT)
def test_no_name_costs_a_run_in_the_settings(name: str) -> None:
    settings = RunSettings(
        stream_name=name, physical_sample=name, project_id=name, azimuth=name, tags=(name, "b")
    )
    expected = clean_name(name) or None
    assert settings.stream_name == settings.physical_sample == settings.project_id == expected
    assert settings.tags == ((expected, "b") if expected else ("b",))
