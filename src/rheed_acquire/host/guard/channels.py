"""Channels that keep to their contract whatever their plugin does: what they raise is a `ChannelError`."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from rheed_acquire.channels.channel import (
    MOST_RATE_HZ,
    Channel,
    ChannelError,
    Reading,
    channel_name,
    channel_unit,
)
from rheed_acquire.errors import SettingsError
from rheed_acquire.hookspecs import ChannelBackend
from rheed_acquire.host.guard.calls import Patience, PluginCalls, kind_of
from rheed_acquire.text.told import told

logger = logging.getLogger(__name__)

OPEN_LIMIT_S = 10.0
MOST_AT_ONCE = 1_000
"""Readings that one call may return."""
MOST_OF_A_BACKEND = 32
AHEAD_MS = 5_000.0
"""How far the clock of a plugin's own times may be ahead."""
_NS_LIMIT_MS = 2**63 / 1e6


class GuardedChannelBackend:
    """A plugin's kind of instrument; what it does wrong costs its channels only.

    Parameters
    ----------
    backend
        As the plugin registered it.
    provenance
        The plugin's distribution and its version.
    """

    def __init__(self, backend: ChannelBackend, provenance: str, patience: Patience) -> None:
        self.name, self.description, self.settings = backend.name, backend.description, backend.settings
        self.requires, self.install = backend.requires, backend.install
        self._backend, self._patience = backend, patience
        self.who = f"channel {backend.name} ({provenance})"
        """As messages name it."""

    def open(self, settings: Any) -> list[GuardedChannel]:
        """Open what the settings describe.

        Raises
        ------
        ChannelError
            It failed, hangs, or returned what are no channels.
        SettingsError
            The settings cannot be used.
        """
        calls = PluginCalls(self.who, ChannelError, ChannelError, self._patience)

        def opened() -> list[GuardedChannel]:
            channels: object = self._backend.open(settings)
            if isinstance(channels, str | bytes) or not isinstance(channels, Iterable):
                raise calls.wrong("open", f"it returned {kind_of(channels)}, not a list of channels")
            return [self._guarded(one, calls) for one in islice(channels, MOST_OF_A_BACKEND)]

        try:
            return calls.within(OPEN_LIMIT_S, "open", opened, lets=(SettingsError,))
        finally:
            calls.end()

    def _guarded(self, channel: object, calls: PluginCalls) -> GuardedChannel:
        if not isinstance(channel, Channel):
            raise calls.wrong("open", f"it returned {kind_of(channel)}, not a Channel")
        try:
            name, unit = channel_name(channel.name), channel_unit(channel.unit)
            rate_hz = float(channel.rate_hz)
        except (ValueError, TypeError, AttributeError) as error:
            raise calls.wrong("open", told(error)) from None
        if not 0 < rate_hz <= MOST_RATE_HZ:
            raise calls.wrong(
                "open", f"channel {name!r} has a rate of {rate_hz:g}, not of up to {MOST_RATE_HZ:g} Hz"
            )
        if not callable(channel.read) or not (channel.close is None or callable(channel.close)):
            raise calls.wrong("open", f"read and close of channel {name!r} must be functions")
        return GuardedChannel(channel, name, unit, rate_hz, self.who)


class GuardedChannel:
    """A plugin's channel. Its calls are made in the caller's thread, which is one that can be left behind."""

    def __init__(self, channel: Channel, name: str, unit: str | None, rate_hz: float, who: str) -> None:
        self._channel = channel
        self.name, self.unit, self.rate_hz, self.who = name, unit, rate_hz, who

    def read(self, now_ms: float) -> list[Reading]:
        """Return what has come; none for nothing.

        Parameters
        ----------
        now_ms
            The time, in ms since 1970, UTC.

        Raises
        ------
        ChannelError
            The plugin raised it, or anything else, or has returned what are no readings.
        """
        try:
            given: object = self._channel.read()
            return list(_readings(given, now_ms))
        except ChannelError:
            raise
        # In this thread nothing but the plugin raises: a SystemExit or KeyboardInterrupt is its own too.
        except BaseException as error:
            logger.debug("channel %s of %s", self.name, self.who, exc_info=True)
            raise ChannelError(told(error)) from None

    def close(self) -> None:
        """Let the plugin close what it has opened; what it raises is worth a line for a debugger."""
        try:
            if self._channel.close is not None:
                self._channel.close()
        except BaseException:
            logger.debug("channel %s of %s", self.name, self.who, exc_info=True)


def _readings(given: object, now_ms: float) -> Iterator[Reading]:
    if given is None:
        return
    if isinstance(given, Reading):
        yield _reading(given, now_ms)
    elif isinstance(given, Iterable) and not isinstance(given, str | bytes | dict) and not _is_scalar(given):
        several = list(islice(given, MOST_AT_ONCE + 1))
        if len(several) > MOST_AT_ONCE:
            raise ChannelError(f"it returned more than {MOST_AT_ONCE} readings at once")
        for one in several:
            yield _reading(one if isinstance(one, Reading) else Reading(_number(one)), now_ms)
    else:
        yield Reading(_number(given))


def _is_scalar(given: object) -> bool:
    """Whether it is one of numpy's arrays without an axis, which are one number."""
    axes: object = getattr(given, "ndim", None)
    return axes == 0


def _reading(reading: Reading, now_ms: float) -> Reading:
    value = _number(reading.value)
    if reading.time_unix_ms is None:
        return Reading(value)
    time_unix_ms = _number(reading.time_unix_ms)
    if not -_NS_LIMIT_MS < time_unix_ms <= now_ms + AHEAD_MS:
        raise ChannelError(
            f"it says {time_unix_ms:.0f} for the time of a reading, in ms since 1970, UTC; now it is "
            f"{now_ms:.0f}"
        )
    return Reading(value, time_unix_ms)


def _number(value: object) -> float:
    """Make a plain number of what a plugin calls one; True is 1, of numpy's kinds any that is one number."""
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise ChannelError(f"it returned {kind_of(value)}, not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ChannelError(f"it returned {number}, which is no reading")
    return number
