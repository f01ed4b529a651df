"""Columns of CSV files that other programs write, as channels beside the frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rheed_acquire import ChannelBackend, hookimpl
from rheed_acquire_csv.settings import CsvSettings

if TYPE_CHECKING:
    from rheed_acquire import Channel

__all__ = ["CsvSettings", "open_channels", "rheed_register_channels"]


def open_channels(settings: CsvSettings) -> Sequence[Channel]:
    """Make the channels that the settings describe: rows that are there already are passed over."""
    if not settings.channels:
        return ()
    from rheed_acquire_csv.follower import channel_of

    return [channel_of(described) for described in settings.channels]


@hookimpl
def rheed_register_channels(register: Callable[[ChannelBackend], None]) -> None:
    """Register the backend ``csv``."""
    register(
        ChannelBackend(
            name="csv",
            description="columns of CSV files that other programs write",
            settings=CsvSettings,
            open=open_channels,
        )
    )
