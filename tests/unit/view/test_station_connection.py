"""What a client's own mistake is told as, before any station is asked."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rheed_acquire import Station, StationError

NOBODY = "http://127.0.0.1:9/?token=abc"
"""Where no station listens: whoever asks it is told so."""


def record_many(station: Station) -> object:
    values = [*map(float, range(499)), math.nan]
    return station.record_all({"channel": "flux", "value": value} for value in values)


@pytest.mark.parametrize(
    ("ask", "place"),
    [
        (lambda station: station.mark("T", math.nan), "value"),
        (lambda station: station.start(duration=math.inf), "duration"),
        (lambda station: station.adjust_camera(gain=-math.inf), "gain"),
        (lambda station: station.record("T", math.nan), "readings.0.value"),
        (record_many, "readings.499.value"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_at_once_and_by_its_place(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[Station], object], place: str
) -> None:
    def refuse_to_wait(seconds: float) -> None:
        pytest.fail("it is tried again")

    monkeypatch.setattr("rheed_acquire.view.station_connection.time.sleep", refuse_to_wait)
    with Station(NOBODY) as station, pytest.raises(StationError) as refused:
        ask(station)
    told = str(refused.value)
    assert told.startswith(f"{place}: must be a finite number, not "), told
    assert (refused.value.status, refused.value.code, refused.value.exit_code) == (422, "invalid", 2)
