"""Which station a client means: the one of its user, one that is named, or the one at a URL."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.system.addresses import is_loopback
from rheed_acquire.view.station_file import ListedStation, listed_stations

STATION_VARIABLE = "RHEED_STATION"
"""The URL of a station, with its token."""
_OF_A_URL = re.compile(r"[:/?=]")
_SHORTEST_TOKEN = 16
"""What is as long may be one that was given without its URL: it is not repeated."""


class NoStationError(RheedAcquireError):
    """There is no station, or it does not answer."""

    exit_code = 5


class FoundStation(NamedTuple):
    """Where a station answers, its token, and whether it certainly runs on this computer."""

    url: str
    token: SecretStr
    is_here: bool


def find_station(station: str | None) -> FoundStation:
    """Say where a station answers; see `rheed_acquire.view.station.Station`.

    Raises
    ------
    NoStationError
        There is none, or none like this.
    SettingsError
        There are several, or ``station`` is no URL.
    """
    wanted, source = station, "the station"
    if wanted is None and (named := os.environ.get(STATION_VARIABLE, "").strip()):
        wanted, source = named, STATION_VARIABLE
    listed = listed_stations()
    if wanted is None:
        if len(listed) == 1:
            return _found(listed[0])
        if not listed:
            raise NoStationError(
                "there is no station of this user on this computer: rheed-acquire view --camera NAME starts "
                f"one; one elsewhere is named by its URL in {STATION_VARIABLE}"
            )
        raise SettingsError(f"there are several stations; choose one: {_listing(listed)}")
    if _OF_A_URL.search(wanted):
        return _by_url(wanted, source, listed)
    fitting = [one for one in listed if wanted in (one.camera, str(one.pid))]
    if len(fitting) == 1:
        return _found(fitting[0])
    if not fitting:
        here = f"there are {_listing(listed)}" if listed else "there is none on this computer"
        raise NoStationError(f"there is no station {_shown(wanted)}; {here}")
    raise SettingsError(f"there are several stations {_shown(wanted)}; choose one: {_listing(fitting)}")


def _shown(wanted: str) -> str:
    # Somebody may have given the token alone.
    return repr(wanted) if len(wanted) < _SHORTEST_TOKEN else "of the name that was given"


def _found(station: ListedStation) -> FoundStation:
    # A home folder may be another computer's too, and a tunnel ends at 127.0.0.1: it takes both.
    return FoundStation(station.url, station.token, is_here=is_loopback(urlsplit(station.url).hostname or ""))


def _by_url(url: str, source: str, listed: list[ListedStation]) -> FoundStation:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        _ = parts.port  # a port that is no number raises here
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{source} is no URL such as http://127.0.0.1:41873/?token=...")
    base = f"{parts.scheme}://{parts.netloc}"
    tokens = parse_qs(parts.query).get("token")
    for one in listed:
        if one.url == base and (not tokens or one.token.get_secret_value() == tokens[0]):
            return _found(one)
    if tokens:
        return FoundStation(base, SecretStr(tokens[0]), is_here=False)
    raise SettingsError(
        f"the station at {base} needs its token: put the whole URL, with its ?token=, into the environment's "
        f"{STATION_VARIABLE}"
    )


def _listing(stations: Iterable[ListedStation]) -> str:
    return ", ".join(f"{one.camera} ({one.pid}, {one.url})" for one in stations)
