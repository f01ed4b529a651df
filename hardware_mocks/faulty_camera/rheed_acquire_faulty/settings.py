"""Which faults happen, and when. A frame's number counts from 0 over the whole run, with reconnections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class FaultySettings(BaseModel):
    """Every fault is off at 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Count = Field(0, description="of the pixels and of whatever is random")
    width: Annotated[int, Field(ge=8, le=8192)] = Field(48, description="width of a frame in pixels")
    height: Annotated[int, Field(ge=1, le=8192)] = Field(32, description="height of a frame in pixels")
    pixel_format: Literal["Mono8", "Mono12", "Mono12p", "RGB8"] = Field(
        "Mono8",
        description="of 12 bits the upper eight, and in RGB8 each colour, are those of Mono8; Mono12p takes "
        "an even number of pixels",
    )
    speed: Annotated[float, Field(gt=0)] = Field(
        1.0, description="how many times faster frames come than the camera's clock says"
    )
    witness: Path | None = Field(
        None, description="file that is kept mapped and tells how many callbacks have returned"
    )

    gap_every: Count = Field(0, description="before every so many frames the id jumps")
    gap_length: Annotated[int, Field(ge=1)] = Field(1, description="ids that such a jump leaves out")
    duplicate_every: Count = Field(0, description="every so many frames one bears the id of the one before")
    backward_every: Count = Field(0, description="every so many frames the ids go back")
    backward_by: Annotated[int, Field(ge=1)] = Field(5, description="ids that they go back by")
    id_cycle: Count = Field(0, description="ids count from 0 to below this and begin anew")
    timestamp_wrap_bits: Annotated[int, Field(ge=0, le=62)] = Field(
        0, description="the clock counts so many bits of nanoseconds and begins anew"
    )

    jitter_ms: Seconds = Field(0.0, description="frames are delivered up to so late, at random")
    burst: Count = Field(0, description="frames are held back and delivered so many at once")

    shape_change_at: Count = Field(0, description="from this frame on frames are one row shorter")
    raise_at: Count = Field(0, description="an exception ends the grab thread here, and is reported")
    raise_again: bool = Field(False, description="and again whenever the camera is opened anew")
    die_at: Count = Field(0, description="an exception ends the grab thread here, and nobody is told")
    stall_at: Count = Field(0, description="before this frame nothing comes for a while")
    stall_s: Seconds = Field(0.0, description="how long; 0: until the camera is opened anew")
    vanish_at: Count = Field(0, description="before this frame the device is unplugged")
    vanish_s: Seconds = Field(0.0, description="how long it cannot be opened; 0: for ever")
    vanish_every: Count = Field(0, description="it vanishes again after every so many further frames")
    silent: bool = Field(False, description="a device that vanishes does not say so")
    hang_s: Seconds = Field(0.0, description="how long stop and close hang once it has vanished or stalled")
