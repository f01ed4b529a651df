"""Which station is meant: what is said of one that cannot be found holds no token."""

from __future__ import annotations

from pathlib import Path

import pytest

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.view.station_choice import STATION_VARIABLE, find_station
from rheed_acquire.view.station_file import FOLDER_VARIABLE

TOKEN = "Xk3-5ecret-5ecret-5ecret-5ecret"


@pytest.fixture(autouse=True)
def no_stations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.delenv(STATION_VARIABLE, raising=False)


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        f"127.0.0.1:41873/?token={TOKEN}",
        f"//127.0.0.1:41873/?token={TOKEN}",
        f"http:/127.0.0.1:41873/?token={TOKEN}",
        f"htp://127.0.0.1:41873/?token={TOKEN}",
        f"http://me:{TOKEN}@127.0.0.1:41873/",
        f"http://127.0.0.1:no/?token={TOKEN}",
        f"http://[::1/?token={TOKEN}",
        f"?token={TOKEN}",
        f"token={TOKEN}",
        TOKEN,
    ],
)
def test_a_station_that_is_named_in_a_wrong_way_is_refused_without_its_token(
    monkeypatch: pytest.MonkeyPatch, given: str, *, by_environment: bool
) -> None:
    monkeypatch.setenv(STATION_VARIABLE, given)
    with pytest.raises(RheedAcquireError) as raised:
        find_station(None if by_environment else given)
    assert "5ecret" not in str(raised.value)


def test_a_name_that_no_station_has_is_repeated() -> None:
    with pytest.raises(RheedAcquireError, match="no station 'basler'; there is none on this computer"):
        find_station("basler")
