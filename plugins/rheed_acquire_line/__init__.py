"""Instruments that speak in lines of text, over TCP or a serial port, as channels beside the frames.

pyserial is imported when a serial port is opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire import ChannelBackend, hookimpl
from rheed_acquire_line.settings import LineSettings

if TYPE_CHECKING:
    from rheed_acquire import Channel

__all__ = ["LineSettings", "open_channels", "rheed_register_channels"]


def open_channels(settings: LineSettings) -> Sequence[Channel]:
    """Make the channels that the settings describe; their instruments are connected to when they are read.

    Raises
    ------
    SettingsError
        One is a serial port, and pyserial is not installed; or two describe the same port differently.
    """
    if not settings.channels:
        return ()
    from rheed_acquire_line.channels import channels_of

    return channels_of(settings.channels)


@hookimpl
def rheed_register_channels(register: Callable[[ChannelBackend], None]) -> None:
    """Register the backend ``line``."""
    register(
        ChannelBackend(
            name="line",
            description="instruments that speak in lines of text, over TCP or a serial port",
            settings=LineSettings,
            open=open_channels,
            install='pip install "rheed-acquire[line]"',
        )
    )
