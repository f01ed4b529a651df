"""What a user can set on a Basler camera."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rheed_acquire import CameraSettings


class BaslerSettings(CameraSettings):
    """The settings that cameras share, and what only Basler's have."""

    ip: str | None = Field(None, description="choose a GigE camera by its IP address")
    index: Annotated[int, Field(ge=0)] | None = Field(
        None, description="choose the camera by its place, from 0, in the list of those that fit otherwise"
    )
