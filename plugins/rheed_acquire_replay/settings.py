"""Which recording is replayed, how much of it, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

FrameNumber = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ReplaySettings(BaseModel):
    """The recording, the part of it, its pace and its stamps."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    path: Path | None = Field(
        None,
        description="recording: a run's folder or its frames.zarr, any other Zarr array, an HDF5, TIFF, "
        "NumPy (.npy, .npz) or video file, or a folder of images",
    )
    dataset: str | None = Field(
        None,
        description="which array of a Zarr group, HDF5 or .npz file; not needed where only one can be meant",
    )
    fps: Annotated[Finite, Field(gt=0)] | None = Field(
        None,
        description="frames per second of the recording, where it does not tell them or tells them wrong",
    )
    speed: Annotated[Finite, Field(ge=0)] = Field(
        1.0,
        description="1 for the recording's own pace, 10 for ten times that, 0 for as fast as frames can be "
        "delivered",
    )
    first: FrameNumber = Field(0, description="first frame to replay, counted from 0")
    last: FrameNumber | None = Field(
        None, description="last frame to replay, itself included; without it, the recording's last"
    )
    keep_timestamps: bool = Field(
        False, description="let the stream say when the recording was captured, not when it is replayed"
    )
    start: AwareDatetime | None = Field(
        None,
        description="when the recording's first frame was captured, such as 2026-03-01T14:05:00+01:00, for "
        "recordings that do not tell; it implies --replay.keep-timestamps",
        json_schema_extra={"metavar": "TIME"},
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last ({self.last}) comes before first ({self.first}); both count from 0")
        return self
