"""Which file or folder is followed, from where on, and when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rheed_acquire_replay.settings import ScaleText


class GrowingSettings(BaseModel):
    """The file or folder, from where on it is followed, and when it is over."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    path: Path | None = Field(
        None,
        description="what another program writes: a TIFF, AVI, kSA 400 (.imm) or HDF5 (SWMR) file, or a "
        "folder in which images or such files appear; it need not be there yet",
    )
    from_start: bool = Field(
        False, description="take the frames too that are there already, and not only those that come"
    )
    idle: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None,
        description="end the run after so many seconds in which no frame has come, counted from the first "
        "frame on",
        json_schema_extra={"metavar": "SECONDS"},
    )
    dataset: str | None = Field(
        None, description="which dataset of an HDF5 file; not needed where only one can be meant"
    )
    bits: Annotated[int, Field(ge=8, le=16)] | None = Field(
        None, description="significant bits of a sample, the lowest ones, where the files do not tell them"
    )
    scale: ScaleText | None = Field(
        None,
        description="what is black and what is white, such as 0:1, for samples that are no whole numbers of "
        "16 bits",
        json_schema_extra={"metavar": "MIN:MAX"},
    )
