"""A client's requests to a station: asked again where an answer gets lost, refusals raised as errors."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.view.interface import ASKED_HEADER, KEY_HEADER, PREFIX
from rheed_acquire.view.station_choice import FoundStation, NoStationError

_TIMEOUT_S = 35.0
"""Longer than the station waits for its own acquisition."""
_TRIES = 3
_PAUSE_S = 0.3

_Model = TypeVar("_Model", bound=BaseModel)


class StationError(RheedAcquireError):
    """The station refused what was asked of it.

    Attributes
    ----------
    status
        Of HTTP.
    code
        A word for programs, as the interface's document lists them; empty where it gave none.
    """

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.exit_code = 4 if self.is_conflict else 2 if status == 422 else 1

    @property
    def is_conflict(self) -> bool:
        """Whether it could not be done as things stood: no run goes on, or another one does."""
        return self.status == 409


class StationConnection:
    """What asks a station, for one thread at a time.

    Parameters
    ----------
    station
        Where it answers, and what it is asked with.
    asked_ns
        When it is asked for all that it is to do, as ``time.perf_counter_ns``; None for when it is told.
    """

    def __init__(self, station: FoundStation, asked_ns: int | None = None) -> None:
        self.url, token, self._is_here = station
        self._asked_ns = asked_ns
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor .netrc has a part in this
        self._session.headers["Authorization"] = f"Bearer {token.get_secret_value()}"

    @property
    def headers(self) -> dict[str, str]:
        """What a request shows its right by."""
        return {"Authorization": str(self._session.headers["Authorization"])}

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def get(self, path: str, model: type[_Model], params: Mapping[str, Any] | None = None) -> _Model:
        """Ask for something."""
        return parsed(model, self.ask("GET", path, params=params))

    def post(self, path: str, body: Mapping[str, Any], model: type[_Model]) -> _Model:
        """Have something done, once, with a key of its own."""
        asked_ns = time.perf_counter_ns() if self._asked_ns is None else self._asked_ns
        headers = {KEY_HEADER: secrets.token_hex(16)}
        if self._is_here:
            headers[ASKED_HEADER] = str(asked_ns)
        return parsed(model, self.ask("POST", path, json=body, headers=headers))

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Ask, and give the answer as it comes.

        Raises
        ------
        StationError
            The station refuses; or a number is not finite, which is not sent.
        NoStationError
            It does not answer.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                answer = self._session.request(
                    method, f"{self.url}{PREFIX}{path}", timeout=_TIMEOUT_S, allow_redirects=False, **more
                )
            except requests.exceptions.InvalidJSONError as error:
                # JSON has neither NaN nor infinity. Nothing was sent: it says nothing of the station.
                why = next(_not_finite(more.get("json")), f"it cannot be asked as JSON: {error}")
                raise StationError(why, 422, "invalid") from None
            except requests.RequestException as error:
                if tries_left and not isinstance(error, requests.exceptions.InvalidURL):
                    time.sleep(_PAUSE_S)
                    continue
                raise NoStationError(
                    f"the station at {self.url} does not answer ({type(error).__name__}): is it running?"
                ) from None
            if answer.status_code in (429, 503) and tries_left:
                time.sleep(1.0 if answer.status_code == 429 else _PAUSE_S)
                continue
            if answer.status_code >= 300:
                raise _refusal(answer)
            return answer
        raise AssertionError("the last try returns or raises")


def _not_finite(body: object, place: str = "") -> Iterator[str]:
    """Say of each number of a request that is not finite that it must be."""
    if isinstance(body, float):
        if not math.isfinite(body):
            yield f"{place}: must be a finite number, not {body}"
    elif isinstance(body, Mapping | list):
        for name, value in body.items() if isinstance(body, Mapping) else enumerate(body):
            yield from _not_finite(value, f"{place}.{name}" if place else str(name))


def _refusal(answer: requests.Response) -> RheedAcquireError:
    try:
        problem = answer.json()
        text, code = str(problem["error"]), str(problem["code"])
    except (ValueError, KeyError, TypeError):
        text, code = answer.text.strip()[:300] or answer.reason, ""
    return StationError(text, answer.status_code, code)


def parsed(model: type[_Model], answer: requests.Response) -> _Model:
    """Read an answer of the station's."""
    try:
        return model.model_validate_json(answer.content)
    except ValidationError:
        raise StationError(
            f"what answers at {urlsplit(answer.url).netloc} is no station that this version understands",
            answer.status_code,
        ) from None
