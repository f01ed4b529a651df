"""The settings that cameras share, under one vocabulary: SFNC's, in snake case and with units.

A backend for a real device derives its settings model from `CameraSettings` and adds what only it has. A
backend that lacks a feature refuses the setting with a `rheed_acquire.cameras.camera.CameraSettingError`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Trigger(StrEnum):
    """What starts a frame."""

    OFF = "off"
    LINE = "line"
    SOFTWARE = "software"


class TriggerEdge(StrEnum):
    """Which edge of the trigger line counts."""

    RISING = "rising"
    FALLING = "falling"


def _single(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("must be one value: text, a number, true or false")  # noqa: TRY004 - pydantic's way
    return value


FeatureValue = Annotated[Any, AfterValidator(_single)]
"""What a feature can be set to; text is turned into whatever the device's feature holds."""

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]


class CameraSettings(BaseModel):
    """Which device, and how it shall take pictures. What is left out keeps the device's own value."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    serial: str | None = Field(None, description="choose the device by its serial number")
    user_id: str | None = Field(
        None, description="choose the device by the name a user gave it (DeviceUserID)"
    )

    exposure_us: Annotated[float, Field(gt=0)] | None = Field(
        None, description="exposure time in microseconds"
    )
    gain: float | None = Field(
        None, description="gain, in dB or in the device's raw units where it has no dB"
    )
    pixel_format: str | None = Field(None, description="PFNC name, such as Mono8 or Mono12p")

    width: PositiveInt | None = Field(None, description="width of the region of interest in pixels")
    height: PositiveInt | None = Field(None, description="height of the region of interest in pixels")
    offset_x: NonNegativeInt | None = Field(None, description="left edge of the region of interest")
    offset_y: NonNegativeInt | None = Field(None, description="upper edge of the region of interest")
    binning_horizontal: PositiveInt | None = Field(None, description="pixels binned into one, across")
    binning_vertical: PositiveInt | None = Field(None, description="pixels binned into one, down")

    trigger: Trigger = Field(
        Trigger.OFF,
        description="off: free-running; line: an electrical edge; software: paced by --fps",
    )
    trigger_line: str = Field("Line1", description="input that carries the trigger")
    trigger_edge: TriggerEdge = Field(TriggerEdge.RISING, description="edge that starts a frame")

    buffers: PositiveInt | None = Field(None, description="frame buffers given to the driver")
    features: dict[str, FeatureValue] = Field(
        default_factory=dict,
        description="any other feature of the device by its GenICam name, in the order given; "
        "NAME[VALUE] for one value of its selector, as in ChunkEnable[Timestamp]",
    )
