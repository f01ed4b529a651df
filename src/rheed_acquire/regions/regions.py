"""Regions of interest: rectangles of the frame whose intensity is followed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

PALETTE = ("#4fc3f7", "#ffb74d", "#aed581", "#f06292", "#ba68c8", "#fff176", "#4db6ac", "#e57373")
"""Colours that are told apart on a dark and on a light ground; a region that names none has one of these."""

MAX_REGIONS = 12
MAX_AREA_IN_FRAMES = 2
"""How many times the frame's own area all regions together may cover.

Their intensity is computed for every frame, at about 4,000 million pixels a second: at 1,000 frames of
500 x 300 a second, two whole frames are 7 % of one processor.
"""

_SPELLED = re.compile(
    r"(?P<name>.+)=(?P<width>\d+)x(?P<height>\d+)\+(?P<x>\d+)\+(?P<y>\d+)(?P<color>#[0-9A-Fa-f]{6})?"
)


class Region(BaseModel):
    """A rectangle of the frame, in pixels of the whole frame, from its upper left corner.

    As text, for a flag or a variable: ``specular=30x50+235+60``, which is width x height + x + y as in the
    X Window System, and at the end a colour where one is wanted: ``#ffb74d``.

    Attributes
    ----------
    name
        Shown beside the rectangle and its traces; no two regions of a run have the same.
    x, y
        Column and row of the upper left pixel, from 0.
    width, height
        In pixels.
    color
        ``#rrggbb``. Among several (`Regions`), those that name none get different ones of `PALETTE`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")
    x: int = Field(ge=0, lt=2**16)
    y: int = Field(ge=0, lt=2**16)
    width: int = Field(ge=1, le=2**16)
    height: int = Field(ge=1, le=2**16)
    color: str = Field(PALETTE[0], pattern=r"^#[0-9A-Fa-f]{6}$")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            spelled = _SPELLED.fullmatch(value.strip())
            if spelled is None:
                raise ValueError("must be NAME=WIDTHxHEIGHT+X+Y, such as specular=30x50+235+60")
            return {name: part for name, part in spelled.groupdict().items() if part is not None}
        return value

    def __str__(self) -> str:
        return f"{self.placed_name}{self.color}"

    @property
    def placed_name(self) -> str:
        """Its name and where it lies, as text: what tells one trace from another."""
        return f"{self.name}={self.width}x{self.height}+{self.x}+{self.y}"

    @property
    def area(self) -> int:
        """In pixels."""
        return self.width * self.height

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns, to cut the region out of a frame of shape (H, W)."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def within(self, width: int, height: int) -> Region | None:
        """The part of it that lies in a frame of this size; None where none does."""
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        if right <= self.x or bottom <= self.y:
            return None
        return self.model_copy(update={"width": right - self.x, "height": bottom - self.y})


def _told_apart(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    names = [region.name for region in regions]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise ValueError(f"two regions cannot both be named {', '.join(sorted(double))}")
    named = {region.color.lower() for region in regions if "color" in region.model_fields_set}
    free = itertools.cycle([color for color in PALETTE if color not in named] or PALETTE)
    return tuple(
        region if "color" in region.model_fields_set else region.model_copy(update={"color": next(free)})
        for region in regions
    )


Regions = Annotated[tuple[Region, ...], Field(max_length=MAX_REGIONS), AfterValidator(_told_apart)]
"""The regions of a run, each with a name of its own, and with a colour of its own unless it names one."""


def fit_regions(
    regions: Iterable[Region], width: int, height: int
) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Cut regions to a frame's size.

    Returns
    -------
    regions
        Those that can be followed, each within the frame.
    notes
        One sentence for each that was cut or left out.
    """
    fitting: list[Region] = []
    notes: list[str] = []
    left = MAX_AREA_IN_FRAMES * width * height
    for region in regions:
        inside = region.within(width, height)
        if inside is None:
            notes.append(f"region {region.name} lies outside the frame of {width} x {height}; it is left out")
            continue
        if inside.area > left:
            notes.append(
                f"region {region.name} is left out: all regions together may cover "
                f"{MAX_AREA_IN_FRAMES} times the frame's area; make them smaller"
            )
            continue
        left -= inside.area
        if inside != region:
            notes.append(
                f"region {region.name} reaches out of the frame of {width} x {height} and is cut to "
                f"{inside.width} x {inside.height}"
            )
        fitting.append(inside)
    return tuple(fitting), tuple(notes)


def same_places(one: Sequence[Region], other: Sequence[Region]) -> bool:
    """Whether two lists of regions cut out the same pixels, whatever their names and colours."""
    return [region.box for region in one] == [region.box for region in other]
