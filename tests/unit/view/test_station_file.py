"""How a user's clients find a station, and that nobody else does."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from rheed_acquire.view.station_file import FOLDER_VARIABLE, StationFile, listed_stations

TOKEN = "a-token-that-is-no-secret"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "made" / "stations"))
    return tmp_path / "made" / "stations"


def listing(camera: str = "simulated") -> StationFile:
    return StationFile("http://127.0.0.1:4711", SecretStr(TOKEN), camera)


def test_a_station_is_found_while_it_lives_and_leaves_nothing(folder: Path) -> None:
    assert listed_stations() == []
    with listing("basler"), listing("video"):
        first, second = listed_stations()
        assert {first.camera, second.camera} == {"basler", "video"}
        assert (first.pid, first.url) == (os.getpid(), "http://127.0.0.1:4711")
        assert first.token.get_secret_value() == TOKEN
        assert TOKEN not in repr(first)
    assert listed_stations() == []
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folder from others by itself")
def test_only_its_user_can_read_it(folder: Path) -> None:
    with listing() as listed:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(listed.path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_a_folder_that_others_may_write_to_is_not_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with listing():
        assert list(folder.iterdir()) == []
    assert "others may write to it" in caplog.text
    assert TOKEN not in caplog.text


def test_a_station_that_was_killed_is_not_found_and_what_it_left_is_removed(folder: Path) -> None:
    program = f"""
import os
from pydantic import SecretStr
from rheed_acquire.view.station_file import StationFile
listed = StationFile("http://127.0.0.1:4711", SecretStr("{TOKEN}"), "simulated").__enter__()
print("listed", flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listed\n"
    (station,) = listed_stations()
    assert station.pid == process.pid
    process.kill()
    process.communicate()
    assert len(list(folder.glob("*.json"))) == 1
    assert listed_stations() == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', "{", "\x00"])
def test_what_is_no_listing_is_passed_over(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, mode=0o700)
    (folder / "1.json").write_text(text, encoding="utf-8")
    with listing():
        assert len(listed_stations()) == 1


def test_a_station_of_another_computer_with_the_same_home_is_left_alone(folder: Path) -> None:
    with listing() as listed:
        fields = json.loads(listed.path.read_text(encoding="utf-8"))
        other = folder / "1-abcd.json"
        other.write_text(json.dumps({**fields, "host": "elsewhere"}), encoding="utf-8")
        assert [station.pid for station in listed_stations()] == [os.getpid()]
        assert other.exists()
        other.unlink()
