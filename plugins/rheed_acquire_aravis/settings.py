"""What a user can set on a camera that Aravis reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rheed_acquire import CameraSettings


class AravisSettings(CameraSettings):
    """The settings that cameras share, more ways to choose a device, and those of a GigE camera's network."""

    user_id: str | None = Field(
        None, description="choose a GigE camera by the name a user gave it (DeviceUserID)"
    )
    address: str | None = Field(
        None,
        description="choose the device by its address; a GigE camera in another subnet, which no search "
        "finds, by its IP address alone",
    )
    vendor: str | None = Field(None, description="choose the device by its vendor")
    model: str | None = Field(None, description="choose the device by its model")
    index: Annotated[int, Field(ge=0)] | None = Field(
        None, description="choose the device by its place, from 0, in the list of those that fit otherwise"
    )
    library: Path | None = Field(
        None, description="libaravis to load; otherwise the one that the system or Homebrew or MSYS2 has"
    )
    fake: bool = Field(False, description="add Aravis's fake camera to the list, to try without a camera")

    packet_size: Annotated[int, Field(ge=220, le=65535)] | None = Field(
        None,
        description="bytes of one packet of a GigE camera, headers included; otherwise the largest that a "
        "test finds to arrive",
    )
    packet_delay_ns: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="pause of a GigE camera between two packets in nanoseconds, so that cameras can share "
        "a link",
    )
    packet_resend: bool = Field(True, description="ask a GigE camera for lost packets again")
    packet_socket: bool = Field(
        True,
        description="take packets of a GigE camera past the system's firewall where this program may "
        "(Linux, CAP_NET_RAW)",
    )
