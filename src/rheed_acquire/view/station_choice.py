"""Which station a client means: the one of its user, one that is named, or the one at a URL."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.view.station_file import ListedStation, listed_stations

STATION_VARIABLE = "RHEED_STATION"
"""The URL of a station, with its token."""


class NoStationError(RheedAcquireError):
    """There is no station, or it does not answer."""

    exit_code = 5


def find_station(station: str | None) -> tuple[str, SecretStr]:
    """Say where a station answers, and its token; see `rheed_acquire.view.station.Station`.

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
            return listed[0].url, listed[0].token
        if not listed:
            raise NoStationError(
                "there is no station of this user on this computer: rheed-acquire view --camera NAME starts "
                f"one; one elsewhere is named by its URL in {STATION_VARIABLE}"
            )
        raise SettingsError(f"there are several stations; choose one: {_listing(listed)}")
    if "://" in wanted:
        return _by_url(wanted, source, listed)
    fitting = [one for one in listed if wanted in (one.camera, str(one.pid))]
    if len(fitting) == 1:
        return fitting[0].url, fitting[0].token
    if not fitting:
        here = f"there are {_listing(listed)}" if listed else "there is none on this computer"
        raise NoStationError(f"there is no station {wanted!r}; {here}")
    raise SettingsError(f"there are several stations {wanted!r}; choose one: {_listing(fitting)}")


def _by_url(url: str, source: str, listed: list[ListedStation]) -> tuple[str, SecretStr]:
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
    if tokens:
        return base, SecretStr(tokens[0])
    for one in listed:
        if one.url == base:
            return base, one.token
    raise SettingsError(
        f"the station at {base} needs its token: put the whole URL, with its ?token=, into the environment's "
        f"{STATION_VARIABLE}"
    )


def _listing(stations: Iterable[ListedStation]) -> str:
    return ", ".join(f"{one.camera} ({one.pid}, {one.url})" for one in stations)
