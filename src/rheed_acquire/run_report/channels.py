"""The readings of other instruments in a run, put on record."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from rheed_acquire.recording.readings import ChannelReadings, ChannelSummary, read_readings, thinned
from rheed_acquire.run_report.record import ChannelRecord

logger = logging.getLogger(__name__)

POINTS = 1_024
"""Of each channel in a report; of more readings, neighbours are taken together."""


def channel_records(channels: Iterable[ChannelReadings]) -> list[ChannelRecord]:
    """Sum up each channel's readings."""
    return [_record(channel) for channel in channels]


def channel_records_of_run(
    folders: Iterable[Path], summaries: Iterable[ChannelSummary]
) -> list[ChannelRecord]:
    """Sum up the channels of a run that ends: what is in its folders, and how often each failed."""
    kept: tuple[ChannelReadings, ...] = ()
    for folder in folders:
        try:
            kept = kept or read_readings(folder)
        except OSError as error:
            logger.debug("the readings in %s: %s", folder, error)
    records = {record.name: record for record in channel_records(kept)}
    return [
        records.get(one.name, ChannelRecord(name=one.name, unit=one.unit)).model_copy(
            update={"failed": one.failed}
        )
        for one in summaries
    ]


def _record(channel: ChannelReadings) -> ChannelRecord:
    utc_ms, low, mean, high = thinned(channel, POINTS)
    return ChannelRecord(
        name=channel.name,
        unit=channel.unit,
        readings=len(channel),
        first=float(channel.value[0]) if len(channel) else None,
        last=float(channel.value[-1]) if len(channel) else None,
        utc_ms=utc_ms,
        low=low,
        mean=mean,
        high=high,
    )
