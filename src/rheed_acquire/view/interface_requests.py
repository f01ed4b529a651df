"""What clients of the station's interface may say; see `rheed_acquire.view.interface`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from rheed_acquire.channels.channel import LONGEST_UNIT, channel_name
from rheed_acquire.regions.regions import Regions
from rheed_acquire.settings.run_settings import LONGEST_NOTES, LONGEST_PRE_ROLL_S

MOST_WAIT_S = 60.0
LONGEST_CONDITION = 120
MOST_SENT = 500
"""Readings in one request."""

_Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
_Condition = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_CONDITION)]
_Wait = Annotated[
    float,
    Field(
        ge=0,
        le=MOST_WAIT_S,
        allow_inf_nan=False,
        description="seconds that the answer may wait for what was asked for to be done",
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartRequest(_Request):
    """What a run is told, each as the flag of that name; what is left out is as the station was told."""

    stream_name: _Name | None = Field(None, description="name of the stream")
    physical_sample: _Name | None = Field(None, description="physical sample, by name or UUID")
    project_id: _Name | None = Field(None, description="project that the stream belongs to")
    tags: Annotated[tuple[_Name, ...], Field(max_length=64)] | None = Field(
        None, description="tags of the stream"
    )
    azimuth: _Name | None = Field(None, description="azimuth of a stationary stage, such as [110]")
    rotations_per_min: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="rotation of the stage; 0 is a stationary one"
    )
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="end the run after so many seconds"
    )
    frames: Annotated[int, Field(ge=1)] | None = Field(None, description="end the run after so many frames")
    pre_roll_s: Annotated[float, Field(ge=0, le=LONGEST_PRE_ROLL_S, allow_inf_nan=False)] | None = Field(
        None,
        description="seconds before the request that the run reaches back, as far as the preview has kept "
        "the frames",
    )
    when: _Condition | None = Field(
        None,
        description="begin with the first frame for which this is true: a level of a region, such as "
        "`specular > 120` or `specular > 120 for 2 s`, a line of the camera, such as `line Line1 high`, or a "
        "time, such as `at 14:30`, `at 2026-11-29 14:30 UTC` or `in 90 s`",
    )
    until: _Condition | None = Field(
        None, description="end the run when this is true, for frames that came after it was to begin"
    )
    archive: bool | None = Field(
        None, description="keep the originals too, in the directory that the station's --archive names"
    )
    notes: Annotated[str, StringConstraints(max_length=LONGEST_NOTES)] | None = Field(
        None, description="what else is to be known of the run; it is kept in the report"
    )
    wait_s: _Wait = Field(10.0, description="seconds that the answer may wait for the run to record")


class StopRequest(_Request):
    """The end of a run."""

    run: str | None = Field(None, max_length=64, description="which run; without it, whichever goes on")
    wait_s: _Wait = Field(10.0, description="seconds that the answer may wait for the run's report")


class CameraRequest(_Request):
    """What is changed of the camera while it runs."""

    exposure_us: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="exposure time in microseconds"
    )
    gain: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="gain, in dB or in the camera's raw units where it has no dB"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.exposure_us is None and self.gain is None:
            raise ValueError("say exposure_us, gain, or both")
        return self


class MarkRequest(_Request):
    """Something that was done at the growth, or read from an instrument."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Field(
        description="what it was: shutter open, substrate temperature"
    )
    time_unix_ms: float | None = Field(
        None,
        allow_inf_nan=False,
        description="when, in ms since 1970, UTC; without it, when the request arrived",
    )
    value: float | None = Field(None, allow_inf_nan=False, description="a number that belongs to it")
    unit: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] | None = Field(
        None, description="what the value is in"
    )
    run: str | None = Field(None, max_length=64, description="of which run; without it, whichever goes on")


class SentReading(_Request):
    """What an instrument said."""

    channel: Annotated[str, StringConstraints(max_length=200), AfterValidator(channel_name)] = Field(
        description="what it was, 1 to 64 characters: substrate temperature"
    )
    value: float = Field(allow_inf_nan=False, description="a number, in the unit")
    unit: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_UNIT)] | None = Field(
        None, description="what it is in; the same for all of a channel"
    )
    time_unix_ms: float | None = Field(
        None,
        allow_inf_nan=False,
        description="when, in ms since 1970, UTC, within the last hour; without it, when the request arrived",
    )


class ReadingsRequest(_Request):
    """Readings of instruments that the station does not read itself."""

    readings: Annotated[tuple[SentReading, ...], Field(min_length=1, max_length=MOST_SENT)] = Field(
        description="at most 500; send what comes fast together"
    )
    run: str | None = Field(None, max_length=64, description="of which run; without it, whichever goes on")


class RegionsRequest(_Request):
    """Regions of interest, in the place of those before."""

    regions: Regions = Field(description="at most 12, each with a name of its own")
