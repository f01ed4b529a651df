"""How fast it grows, as a presign request brings it to this project's server and a run's record keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from rheed_acquire.regions.growth_watch import RegionGrowth
from rheed_acquire.regions.regions import MAX_REGIONS

GROWTH = "growth"
"""The key, of the request's body, of an answer that says that it is understood, and of the record."""
AT = "at_unix_ms"
REGIONS = "regions"
_LONGEST = 8192

_REGIONS: TypeAdapter[tuple[RegionGrowth, ...]] = TypeAdapter(
    Annotated[tuple[RegionGrowth, ...], Field(max_length=MAX_REGIONS)]
)


def encode_growth(growth: Sequence[RegionGrowth]) -> str:
    """Write down how fast regions grow."""
    return _REGIONS.dump_json(tuple(growth)).decode()


def decode_growth(text: object) -> tuple[RegionGrowth, ...] | None:
    """Read what `encode_growth` has written; None for anything else: no frame is to be lost by that."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    try:
        return _REGIONS.validate_json(text.encode("utf-8", "replace"))
    except ValidationError:
        return None


def growth_note(growth: Sequence[RegionGrowth], at_unix_ms: int) -> dict[str, Any]:
    """What a run's record says of it, as of that time."""
    return {AT: at_unix_ms, REGIONS: _REGIONS.dump_python(tuple(growth), mode="json")}


def read_growth_note(note: object) -> tuple[int, tuple[RegionGrowth, ...]] | None:
    """Read such a note: since when it is, in ms since 1970, and the regions; None where it is none."""
    if not isinstance(note, dict) or not isinstance(note.get(AT), int):
        return None
    try:
        return note[AT], _REGIONS.validate_python(note.get(REGIONS))
    except ValidationError:
        return None
