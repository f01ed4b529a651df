"""Runs of a station whose camera goes on: what each has of the frames, and what is left of a killed one."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.command.station_campaign import FPS, make_run, make_runs, numbers_in
from tests.integration.command.test_station import Recipe

from rheed_acquire import RecordedRun, Station

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

THIRD_PARTY = ("--camera", "thirdparty")


@pytest.fixture
def station(command: Command, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    recipe = Recipe(command, command.start("view", *THIRD_PARTY))
    recipe.wait_for("preview")
    monkeypatch.setenv("RHEED_STATIONS", str(command.folder / "stations"))
    return recipe


def test_runs_in_a_row_have_what_they_reach_back_to_and_lose_no_frame(station: Recipe) -> None:
    with Station() as client:
        made = make_runs(client, 4, pre_roll_s=0.4, pause_s=0.6, seconds=0.2)
        close = make_run(client, "at once", 60.0, 0.1)
    # All that came since the run before is in it, whose end the preview's frames go on from.
    assert close.ids[0] == made[-1].ids[-1] + 1
    assert ["begin" in warning for warning in close.run.warnings] == [True]
    assert close.run.output is not None
    report = json.loads(Path(close.run.output, "report.json").read_text(encoding="utf-8"))
    sources = {setting["key"]: setting["source"] for setting in report["settings"]}
    assert (sources["pre_roll"], sources["stream_name"]) == ("interface", "interface")
    for one in made:
        assert len(one.ids) >= 0.4 * FPS
    assert station.end()[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Linux and macOS do")
def test_what_a_run_reached_back_to_survives_the_station_that_is_killed(station: Recipe) -> None:
    time.sleep(1.2)
    run = station.start(stream_name="killed", pre_roll_s=1.0)
    station.process.send_signal(signal.SIGKILL)
    station.process.communicate()
    done = station.command("recover")
    assert done.returncode == 0, done.stderr
    assert run.output is not None
    recorded = RecordedRun(Path(run.output))
    ids = numbers_in(recorded)
    assert recorded.state == "closed"
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(ids) >= round(0.9 * FPS)


def test_a_camera_that_goes_while_nobody_records_is_waited_for(command: Command) -> None:
    goes = ("--thirdparty.vanish-after", "30", "--thirdparty.away-s", "5")
    recipe = Recipe(command, command.start("view", *THIRD_PARTY, *goes))
    recipe.wait_for("preview")
    deadline = time.monotonic() + 60
    while not (state := recipe.state()).camera.trouble:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)
    assert (state.camera.is_present, state.phase) == (False, "opening")
    assert recipe.wait_for("preview").camera.is_present
    run = recipe.start(frames=5, stream_name="in spite of it")
    recipe.ask("POST", "/stop", {"run": run.run, "wait_s": 60})
    assert recipe.wait_for("preview").last_run is not None
    assert recipe.end()[0] == 0
