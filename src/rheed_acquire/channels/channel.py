"""What a channel is: its name, its unit, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.text.names import clean_name

MOST_RATE_HZ = 100.0
"""Calls of one channel's ``read`` a second; one that returns several readings may have more."""
LONGEST_NAME, LONGEST_UNIT = 64, 40
_OF_A_RUN = frozenset({"frames", "time", "y", "x", "c", "frame_id", "chunk", "region"})
_OF_REGIONS = "region_"
"""What a run that is opened as an xarray dataset has already."""
_TIMES = "_time"
"""The end of the names of a dataset's coordinates: when a channel was read."""


class ChannelError(RheedAcquireError):
    """A channel cannot be read just now; the message says why, for the person at the instrument."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an instrument said.

    Attributes
    ----------
    value
        A finite number, in the channel's unit.
    time_unix_ms
        When, in ms since 1970, UTC; None for when it was handed over, by the clock that dates the frames.
    """

    value: float
    time_unix_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A quantity that an instrument is asked for again and again.

    Attributes
    ----------
    name
        As the report, the files and `rheed_acquire.open_run` call it: ``substrate temperature``.
    read
        Returns a number, a `Reading`, several of either, or None where nothing new has come. It is called
        from a thread that is this channel's alone, ``rate_hz`` times a second where it returns in time, and
        may wait some seconds for its instrument. What it raises is noted, best a `ChannelError`; it is called
        again all the same, so that it can open its connection anew.
    unit
        As text, such as ``°C``; None for none.
    rate_hz
        How often a second to ask, up to `MOST_RATE_HZ`.
    close
        Called in the same thread when nothing is read any more.
    """

    name: str
    read: Callable[[], float | Reading | Iterable[float | Reading] | None]
    unit: str | None = None
    rate_hz: float = 1.0
    close: Callable[[], object] | None = None


def channel_name(name: str) -> str:
    """Trim a channel's name, and refuse one that cannot be.

    Raises
    ------
    ValueError
        The message says why.
    """
    cleaned = clean_name(name)
    if not 0 < len(cleaned) <= LONGEST_NAME:
        raise ValueError(f"a channel's name must have 1 to {LONGEST_NAME} characters")
    if cleaned in _OF_A_RUN or cleaned.startswith(_OF_REGIONS) or cleaned.endswith(_TIMES):
        raise ValueError(f"{cleaned!r} cannot be a channel's name: a run has other things by such a name")
    return cleaned


def times_of(name: str) -> str:
    """Name the coordinate that says when a channel was read."""
    return f"{name}{_TIMES}"


def channel_unit(unit: str | None) -> str | None:
    """Trim a channel's unit; None where there is none.

    Raises
    ------
    ValueError
        It is too long.
    """
    cleaned = clean_name(unit or "")
    if len(cleaned) > LONGEST_UNIT:
        raise ValueError(f"a channel's unit may have {LONGEST_UNIT} characters")
    return cleaned or None
