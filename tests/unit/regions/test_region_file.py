"""Regions written back into somebody's settings file."""

from __future__ import annotations

import stat
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.errors import SettingsError
from rheed_acquire.regions.region_file import save_regions, with_regions
from rheed_acquire.regions.regions import Region

MINE = """\
# my microscope
camera = "simulated"  # the best

[[regions]]
# the brightest
name = "specular"
x = 235 # by eye
y = 60
width = 30
height = 50

[simulated]
seed = 3 # of course
"""
SPECULAR = Region(name="specular", x=5, y=60, width=30, height=50)
OTHER = Region(name='a "b" ü\\', x=1, y=2, width=3, height=4)


def test_everything_else_stays_as_it_was_comments_and_all(tmp_path: Path) -> None:
    file = tmp_path / "rheed-acquire.toml"
    file.write_text(MINE, encoding="utf-8")
    save_regions(file, [SPECULAR, OTHER])
    text = file.read_text(encoding="utf-8")
    for kept in (
        "# my microscope",
        "# the best",
        "# the brightest",
        "x = 5 # by eye",
        "seed = 3 # of course",
    ):
        assert kept in text
    assert tomllib.loads(text) == {
        "camera": "simulated",
        "regions": [SPECULAR.model_dump(), OTHER.model_dump()],
        "simulated": {"seed": 3},
    }
    save_regions(file, [])
    assert tomllib.loads(file.read_text(encoding="utf-8")) == {
        "camera": "simulated",
        "simulated": {"seed": 3},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["rheed-acquire.toml"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "fps = 3\n",
        'fps = 3\nregions = ["a=1x1+1+1"]\nduration = 3\n[basler]\nx = 1\n',
        'regions = [{name = "specular", x = 1, y = 1, width = 1, height = 1}]\n[basler]\nx = 1\n',
        "[basler]\nx = 1\n[basler.features]\nGain = 1\n",
        '[[regions]]\nname = "q"\n[a]\nb = 1\n[[regions]]\nname = "specular"\nold = 1\n',
        MINE.replace("\n", "\r\n"),
    ],
)
@pytest.mark.parametrize("regions", [[], [OTHER], [SPECULAR, OTHER]])
def test_every_form_of_file_takes_them(text: str, regions: list[Region]) -> None:
    if "old" in text and SPECULAR in regions:
        regions = [OTHER]  # a key that is unknown is the user's to take out
    after = tomllib.loads(with_regions(text, regions))
    before = tomllib.loads(text)
    assert after.pop("regions", []) == [region.model_dump() for region in regions]
    before.pop("regions", None)
    assert after == before


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40), unique=True))
def test_any_name_is_read_back(names: list[str]) -> None:
    regions = [Region(name=name, x=1, y=2, width=3, height=4) for name in names]
    written = with_regions(MINE, regions)
    assert tomllib.loads(with_regions(written, regions)).get("regions", []) == [
        region.model_dump() for region in regions
    ]


@pytest.mark.parametrize("content", [b"camera = \n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_left_alone_and_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"mine\.toml is not valid TOML"):
        save_regions(file, [SPECULAR])
    assert file.read_bytes() == content


def test_a_folder_that_is_not_there_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"could not be saved in .*nowhere.*No such file"):
        save_regions(tmp_path / "nowhere" / "mine.toml", [SPECULAR])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_file_that_others_may_not_read_stays_so_and_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "real.toml", tmp_path / "link.toml"
    file.write_text('api_key = "secret"\n', encoding="utf-8")
    file.chmod(0o600)
    link.symlink_to(file)
    save_regions(link, [SPECULAR])
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tomllib.loads(file.read_text(encoding="utf-8"))["regions"] == [SPECULAR.model_dump()]
