"""Regions of interest, in each place that a user can write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources

TABLES = """
fps = 50

[[regions]]
name = "specular"
x = 235
y = 60
width = 30
height = 50

[[regions]]
name = "streak"
x = 1
y = 2
width = 3
height = 4
color = "#123456"

[pattern]
seed = 3
"""


def shown(sources: Sources, *argv: str, **given: object) -> list[str]:
    loaded = sources.load(*argv, **given)  # type: ignore[arg-type]
    return [str(region).partition("#")[0] for region in loaded.run.regions]


def test_tables_flags_and_a_variable_say_the_same(sources: Sources) -> None:
    same = ["specular=30x50+235+60", "streak=3x4+1+2"]
    assert shown(sources, toml=TABLES) == same
    assert sources.load().source_of("regions") == "rheed-acquire.toml line 4"
    assert shown(sources, toml="", environ={"RHEED_REGIONS": ",".join(same)}) == same
    assert shown(sources, "--region", same[0], "--region", same[1]) == same
    assert shown(sources, toml=f"regions = {same}") == same


def test_a_flag_wins_over_the_file_and_its_colour_is_kept(sources: Sources) -> None:
    (region,) = sources.load("--region", "a=1x2+3+4#ff0000", toml=TABLES).run.regions
    assert (region.name, region.color) == ("a", "#ff0000")


def test_a_wrong_region_says_which_and_what_is_wrong_with_it(sources: Sources) -> None:
    (problem,) = sources.problems(toml=TABLES.replace("width = 3\n", "width = 0\n"))
    assert "the width of number 2 must be greater than or equal to 1 (rheed-acquire.toml line 4)" in problem
    (problem,) = sources.problems(toml=TABLES.replace("x = 1\n", "left = 1\nx = 1\n"))
    assert "the left of number 2 is not known" in problem
    (problem,) = sources.problems("--region", "a=1x1", toml="")
    assert "must be NAME=WIDTHxHEIGHT+X+Y, such as specular=30x50+235+60 (command line)" in problem
    (problem,) = sources.problems("--region", "a=1x1+0+0", "--region", "a=2x2+0+0", toml="")
    assert "two regions cannot both be named a" in problem


def test_a_port_or_host_that_is_none_is_refused(sources: Sources) -> None:
    for flags in (("--view-port", "65536"), ("--view-port", "-1"), ("--view-host", "")):
        (problem,) = sources.problems(*flags)
        assert flags[0] in problem
