"""What can be set on the simulated camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Pixels = Annotated[int, Field(ge=8, le=16384)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SimulatedSettings(BaseModel):
    """The pattern, or the image files to play instead of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    seed: Annotated[int, Field(ge=0)] = Field(
        0, description="same seed and settings: the same frame for the same frame number"
    )
    width: Pixels = Field(500, description="width of a frame in pixels; with images, theirs counts")
    height: Pixels = Field(300, description="height of a frame in pixels; with images, theirs counts")
    pixel_format: Literal["Mono8", "Mono12", "Mono16"] = Field(
        "Mono8", description="of the computed pattern, as PFNC spells it; with images, theirs counts"
    )
    noise: NonNegative = Field(
        1.0, description="shot and readout noise: 1 as a good sensor has it, 0 for none"
    )
    oscillation_period_s: NonNegative = Field(
        2.0, description="growth time of one layer in seconds, in which the spots dim once; 0: no growth"
    )
    oscillation_damping_s: Positive | None = Field(
        None, description="time constant in seconds with which the oscillation dies away; unset: it does not"
    )
    line_period_s: NonNegative = Field(
        0.0, description="its Line1 is low for half of so many seconds, and then high; 0: it is always low"
    )
    images: Path | None = Field(
        None, description="folder of BMP, PNG or TIFF files to play in a loop, sorted by name"
    )
    stamp: bool = Field(
        False, description="write the frame number, 8 bytes little endian, into the first 8 pixels"
    )
