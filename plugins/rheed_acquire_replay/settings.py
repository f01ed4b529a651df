"""Which recording is replayed, how much of it, and how fast."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from rheed_acquire import BucketPath

RAW_FORM = r"(\d{1,6})x(\d{1,6}):([a-z0-9]+)(?::(\d{1,18}))?(?::(\d{1,18}))?"
FrameNumber = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def parse_scale(text: str) -> tuple[float, float]:
    """Read ``MIN:MAX``.

    Raises
    ------
    ValueError
        It is not spelled so, or the second is not above the first.
    """
    low, colon, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (0.0, 0.0)
    if not colon or not ends[0] < ends[1] or not math.isfinite(ends[1] - ends[0]):
        raise ValueError("must be two numbers MIN:MAX, the first below the second, such as 0:1")
    return ends


def _check_scale(text: str) -> str:
    parse_scale(text)
    return text


ScaleText = Annotated[str, AfterValidator(_check_scale)]
"""Text that `parse_scale` reads."""


class ReplaySettings(BaseModel):
    """The recording, the part of it, its pace and its stamps."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    path: Annotated[BucketPath | Path, Field(union_mode="left_to_right")] | None = Field(
        None,
        description="recording: a run's folder or its frames.zarr, or one in a bucket "
        "(s3://BUCKET/PREFIX/RUN); any other Zarr array, an HDF5, TIFF, kSA 400 (.imm, .img), NumPy (.npy, "
        ".npz) or video file, or a folder of images",
    )
    dataset: str | None = Field(
        None,
        description="which array of a Zarr group, HDF5 or .npz file, or which series of a TIFF file; not "
        "needed where only one can be meant",
    )
    axes: str | None = Field(
        None,
        description="which axis of an array is which, such as TYX: T frames, Y rows, X columns, S colours",
        json_schema_extra={"metavar": "AXES"},
    )
    bits: Annotated[int, Field(ge=8, le=16)] | None = Field(
        None,
        description="significant bits of a sample, the lowest ones, where the recording does not tell them",
    )
    scale: ScaleText | None = Field(
        None,
        description="what is black and what is white, such as 0:1, for samples that are no whole numbers of "
        "16 bits",
        json_schema_extra={"metavar": "MIN:MAX"},
    )
    raw: str | None = Field(
        None,
        description="how frames lie in a file without a header, such as 640x480:u16be; types are u8, u16le, "
        "u16be, i16le ... f64be, OFFSET and STRIDE are bytes",
        json_schema_extra={"metavar": "WIDTHxHEIGHT:TYPE[:OFFSET[:STRIDE]]"},
    )
    skip_bad: bool = Field(
        False, description="leave out files and frames that cannot be read; they are counted and named"
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
    keep_timestamps: bool | None = Field(
        None,
        description="let the stream say when the recording was captured, not when it is replayed; on by "
        "itself with --replay.speed 0 where the recording tells when",
    )
    start: AwareDatetime | None = Field(
        None,
        description="when the recording's first frame was captured, such as 2026-03-01T14:05:00+01:00, for "
        "recordings that do not tell; it implies --replay.keep-timestamps",
        json_schema_extra={"metavar": "TIME"},
    )

    @field_validator("raw")
    @classmethod
    def _check_raw(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(RAW_FORM, text.strip(), re.IGNORECASE):
            raise ValueError("must be spelled WIDTHxHEIGHT:TYPE[:OFFSET[:STRIDE]], such as 640x480:u16be")
        return text

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last ({self.last}) comes before first ({self.first}); both count from 0")
        return self
