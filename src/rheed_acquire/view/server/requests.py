"""What a page may say, and in which shape."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rheed_acquire.regions.regions import Regions

LONGEST_REQUEST = 1 << 16
"""Bytes; a WebSocket that sends more at once is closed."""

Pixel = Annotated[int, Field(ge=0, lt=1 << 16)]
WindowS = Literal[10, 30, 60, 120, 300, 900, 3600, 0]
"""Seconds of traces that a page shows; 0 for all that there are."""
Oscillations = Literal[0, 5, 10, 20, 50]
"""The latest how many the growth rate is taken from; 0 for all that are shown."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Drawn(_Request):
    """The page has drawn what it was sent and wants the next: nothing is sent before."""

    do: Literal["drawn"]
    what: Literal["frame", "traces"]


class Look(_Request):
    """What of the newest frame, how much of the traces, and what of the growth this page wants to see."""

    do: Literal["look"]
    pixel: tuple[Pixel, Pixel] | None = None
    line: tuple[Pixel, Pixel, Pixel, Pixel] | None = None
    window_s: WindowS = 60
    oscillations: Oscillations = 0
    since_ms: Annotated[float, Field(ge=0, lt=1e14)] | None = None


class SetRegions(_Request):
    """Follow these regions, in the place of those before.

    The acquisition is told; the rest stays between page and server. Runs are asked for through the interface.
    """

    do: Literal["regions"]
    regions: Regions


_REQUEST: TypeAdapter[Drawn | Look | SetRegions] = TypeAdapter(
    Annotated[Drawn | Look | SetRegions, Field(discriminator="do")]
)


class BadRequestError(Exception):
    """A request of a shape that no page sends; the message says what is wrong with it."""


def parse_request(text: str) -> Drawn | Look | SetRegions:
    """Read a request.

    Raises
    ------
    BadRequestError
        It has not the shape of one.
    """
    try:
        return _REQUEST.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        reason = first["msg"].removeprefix("Value error, ")
        raise BadRequestError(f"{place}: {reason}" if place else reason) from None


def as_command(request: SetRegions, origin: str) -> dict[str, Any]:
    """Write as a command for the acquisition what it is told, with the address that it came from."""
    return {**request.model_dump(mode="json"), "origin": origin}
