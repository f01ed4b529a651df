"""What clients of the station send of other instruments, and what they are told of all channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rheed_acquire.channels.channel import Reading
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.run.channels import Channels, SentReadingError

MOST_TOLD = 1_024
"""Readings of each channel in an answer, the latest."""
AHEAD_MS, BEHIND_MS = 5_000.0, 3_600_000.0
"""How far a reading's time may be from the station's own: a client may send what it has gathered."""


class StrangeReadingError(Exception):
    """A reading that cannot be meant so; the message says why."""


def take_sent(channels: Channels, sent: Sequence[Mapping[str, Any]], at_ns: int) -> None:
    """Hand on what a request has brought.

    Parameters
    ----------
    sent
        Each with ``channel`` and ``value``, and perhaps ``unit`` and ``time_unix_ms``.
    at_ns
        When it arrived, as ``perf_counter_ns``.

    Raises
    ------
    StrangeReadingError
        The time of one is not of today; nothing of the request is taken.
    SentReadingError
        A channel is told in two units, and nothing of the request is taken; or it cannot be taken, and those
        before it are.
    """
    arrived_ms = round(process_clock().utc_ns(at_ns) / 1e6, 4)
    of_channels: dict[str, list[Reading]] = {}
    units: dict[str, str | None] = {}
    for number, one in enumerate(sent):
        time_ms = one.get("time_unix_ms", arrived_ms)
        if not arrived_ms - BEHIND_MS <= time_ms <= arrived_ms + AHEAD_MS:
            raise StrangeReadingError(
                f"readings.{number}.time_unix_ms: {time_ms:.0f} is not of the last hour; now it is "
                f"{arrived_ms:.0f}"
            )
        name = one["channel"]
        told, unit = units.get(name), one.get("unit") or None
        if None not in (told, unit) and told != unit:
            raise SentReadingError(f"channel {name!r} is told in two units, {told} and {unit}")
        of_channels.setdefault(name, []).append(Reading(one["value"], time_ms))
        units[name] = told or unit
    for name, readings in of_channels.items():
        channels.take_sent(name, units[name], readings)


def told_channels(channels: Channels, since_ms: float) -> dict[str, Any]:
    """Say what each channel has read since a time, as a `rheed_acquire.view.interface.ChannelList`."""
    told = []
    for state in channels.states:
        recent = [reading for reading in state.recent if (reading.time_unix_ms or 0.0) > since_ms][
            -MOST_TOLD:
        ]
        told.append(
            {
                "name": state.name,
                "unit": state.unit,
                "trouble": state.trouble,
                "time_unix_ms": [reading.time_unix_ms for reading in recent],
                "value": [reading.value for reading in recent],
            }
        )
    return {"channels": told}


__all__ = ["SentReadingError", "StrangeReadingError", "take_sent", "told_channels"]
