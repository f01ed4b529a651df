"""What a user can set on a GenICam camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rheed_acquire import CameraSettings


class GenicamSettings(CameraSettings):
    """The settings that cameras share, where the GenTL producers are, and more ways to choose a device."""

    cti: tuple[Path, ...] = Field(
        (),
        description="GenTL producer (.cti file) to use, and no others; "
        "otherwise those of GENICAM_GENTL64_PATH and of the vendors' default folders",
    )
    vendor: str | None = Field(None, description="choose the device by its vendor")
    model: str | None = Field(None, description="choose the device by its model")
    index: Annotated[int, Field(ge=0)] | None = Field(
        None, description="choose the device by its place, from 0, in the list of those that fit otherwise"
    )
    chunk_timestamps: bool = Field(
        False,
        description="take time stamps from the chunk data that the camera appends to each frame "
        "(ChunkTimestamp), rather than from the driver's buffer",
    )
