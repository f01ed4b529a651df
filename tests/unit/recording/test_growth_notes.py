"""What stations say of the growth is read back, and nothing else is taken for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.recording.growth_notes import decode_growth, encode_growth, growth_note, read_growth_note
from rheed_acquire.regions.growth_watch import RegionGrowth

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
GROWTHS = st.builds(
    RegionGrowth, region=NAMES, period_s=st.floats(1e-3, 1e6), uncertainty_s=st.floats(0, 1e6)
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(GROWTHS, max_size=12), st.integers(0, 2**42))
def test_what_is_written_is_read(growth: list[RegionGrowth], at_ms: int) -> None:
    text = encode_growth(growth)
    if len(text) <= 8192:
        assert decode_growth(text) == tuple(growth)
    note = json.loads(json.dumps(growth_note(growth, at_ms)))
    assert read_growth_note(note) == (at_ms, tuple(growth))


@given(ANYTHING | ANYTHING.map(lambda value: json.dumps(value)) | st.binary().map(lambda raw: str(raw)))
def test_nothing_else_is_taken_for_it_and_nothing_fails(value: Any) -> None:
    for growth in (
        decode_growth(value),
        read_growth_note(value),
        read_growth_note({"at_unix_ms": 1, "regions": value}),
    ):
        assert growth is None or isinstance(growth, tuple)


@pytest.mark.parametrize(
    "entry",
    [
        {"region": "a", "period_s": 0, "uncertainty_s": 0},
        {"region": "a", "period_s": -1, "uncertainty_s": 0},
        {"region": "a", "period_s": 1e300, "uncertainty_s": 0},
        {"region": "", "period_s": 1, "uncertainty_s": 0},
        {"region": "a" * 41, "period_s": 1, "uncertainty_s": 0},
        {"region": "a\nb", "period_s": 1, "uncertainty_s": 0},
        {"period_s": 1, "uncertainty_s": 0},
    ],
)
def test_what_no_station_says_is_not_taken(entry: dict[str, Any]) -> None:
    assert decode_growth(json.dumps([entry])) is None
    assert decode_growth('[{"region": "a", "period_s": NaN, "uncertainty_s": 0}]') is None
    assert decode_growth('[{"region": "\\ud800", "period_s": 1, "uncertainty_s": 0}]') is None
    good = {"region": "a", "period_s": 1, "uncertainty_s": 0}
    assert decode_growth(json.dumps([good] * 13)) is None
