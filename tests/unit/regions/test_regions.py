"""Regions as text, and regions against a frame's size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rheed_acquire.regions.regions import (
    MAX_AREA_IN_FRAMES,
    MAX_REGIONS,
    PALETTE,
    Region,
    Regions,
    fit_regions,
)

names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
places = st.integers(0, 2000)
sizes = st.integers(1, 2000)


def regions_of(*texts: str) -> tuple[Region, ...]:
    return TypeAdapter(Regions).validate_python(texts)


@st.composite
def some_regions(draw: st.DrawFn) -> list[Region]:
    drawn = draw(st.lists(st.tuples(places, places, sizes, sizes), max_size=MAX_REGIONS))
    return [
        Region(name=f"r{number}", x=x, y=y, width=width, height=height)
        for number, (x, y, width, height) in enumerate(drawn)
    ]


@given(names, places, places, sizes, sizes)
def test_a_region_reads_back_from_its_own_text(name: str, x: int, y: int, width: int, height: int) -> None:
    region = Region(name=name, x=x, y=y, width=width, height=height)
    assert Region.model_validate(str(region)) == region
    assert Region.model_validate(region.model_dump()) == region


def test_regions_without_a_colour_are_told_apart_from_each_other_and_from_those_that_have_one() -> None:
    regions = regions_of("specular=30x50+235+60", f"streak=1x1+0+0{PALETTE[0]}", "background=9x9+0+0")
    assert regions[1].color == PALETTE[0]
    assert len({region.color for region in regions}) == 3
    many = regions_of(*[f"r{number}=1x1+0+0" for number in range(len(PALETTE))])
    assert sorted(region.color for region in many) == sorted(PALETTE)
    assert regions_of("specular=30x50+235+60#123abc")[0].color == "#123abc"


@pytest.mark.parametrize(
    "text",
    ["", "specular", "30x50+235+60", "a=30x50", "a=30x-5+1+1", "a=0x5+1+1", "a=1x1+70000+0", "a=1x1+1+1#12"],
)
def test_text_that_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Region.model_validate(text)


def test_two_regions_of_one_name_and_too_many_of_them_are_refused() -> None:
    with pytest.raises(ValidationError, match="two regions cannot both be named a"):
        regions_of("a=1x1+0+0", "a=2x2+0+0")
    with pytest.raises(ValidationError, match=f"at most {MAX_REGIONS}"):
        regions_of(*[f"r{n}=1x1+0+0" for n in range(MAX_REGIONS + 1)])


@given(some_regions(), sizes, sizes)
def test_what_is_followed_lies_within_the_frame_and_whatever_was_changed_is_said(
    regions: list[Region], width: int, height: int
) -> None:
    fitting, notes = fit_regions(regions, width, height)
    asked = {region.name: region for region in regions}
    for region in fitting:
        assert region.x + region.width <= width
        assert region.y + region.height <= height
        wanted = asked[region.name]
        assert (region.x, region.y) == (wanted.x, wanted.y)
        assert region.width == min(wanted.width, width - wanted.x)
        assert region.height == min(wanted.height, height - wanted.y)
    assert sum(region.area for region in fitting) <= MAX_AREA_IN_FRAMES * width * height
    unchanged = [region.name for region in fitting if region == asked[region.name]]
    assert len(notes) == len(regions) - len(unchanged)
    assert not [note for note in notes for name in unchanged if note.startswith(f"region {name} ")]


def test_all_regions_together_cover_no_more_than_can_be_followed() -> None:
    whole = [Region(name=f"whole {n}", x=0, y=0, width=10, height=10) for n in range(MAX_AREA_IN_FRAMES + 1)]
    small = Region(name="small", x=0, y=0, width=1, height=1)
    fitting, notes = fit_regions([whole[0], small, *whole[1:]], 10, 10)
    assert [region.name for region in fitting] == ["whole 0", "small"]
    assert all("make them smaller" in note for note in notes)
    assert len(notes) == MAX_AREA_IN_FRAMES
