"""Runs of a station whose camera goes on: what each has of the frames, and what is left of a killed one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.integration.command.station_campaign import FPS, make_run, make_runs, numbers_in
from tests.integration.command.test_station import SMALL, Recipe

from rheed_acquire import RecordedRun, Station
from rheed_acquire.view.interface import Adjustable

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


def test_what_a_run_reached_back_to_survives_the_station_that_is_killed(station: Recipe) -> None:
    time.sleep(1.2)
    run = station.start(stream_name="killed", pre_roll_s=1.0)
    station.process.kill()
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
    goes = ("--thirdparty.vanish-after", "60", "--thirdparty.away-s", "5")
    recipe = Recipe(command, command.start("view", *THIRD_PARTY, *goes))
    recipe.wait_for("preview")
    adjusted = recipe.ask("POST", "/camera", {"gain": 2.4})
    deadline = time.monotonic() + 60
    while not (state := recipe.state()).camera.trouble:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)
    assert (state.camera.is_present, state.phase) == (False, "opening")
    assert state.camera.gain is None
    assert recipe.wait_for("preview").camera.is_present
    if adjusted.status_code == 200:  # else it was gone already
        assert adjusted.json() == {"gain": 2.0, "run": None}
        # The one that was opened anew has been told it again.
        while (gain := recipe.state().camera.gain) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert gain == Adjustable(asked=2.4, actual=2.0)
    run = recipe.start(frames=5, stream_name="in spite of it")
    recipe.ask("POST", "/stop", {"run": run.run, "wait_s": 60})
    assert recipe.wait_for("preview").last_run is not None
    assert recipe.end()[0] == 0


def test_a_run_begins_with_the_very_frame_that_reaches_a_level_and_ends_by_another(command: Command) -> None:
    # The first byte of the number that the camera writes into its frames.
    fast = ("--thirdparty.fps", "200", "--region", "count=1x1+0+0")
    recipe = Recipe(command, command.start("view", *THIRD_PARTY, *fast))
    recipe.wait_for("preview")
    conditions = {"when": "count > 200", "until": "count < 100 for 0.2 s"}
    answer = recipe.ask("POST", "/start", {**conditions, "pre_roll_s": 0.2, "wait_s": 0})
    answered_ms = time.time() * 1e3
    assert answer.status_code == 202, answer.text
    assert {name: answer.json()[name] for name in conditions} == conditions
    run = answer.json()["run"]
    deadline = time.monotonic() + 60
    while (state := recipe.state()).last_run is None:
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    ended = state.last_run
    assert (ended.run, ended.phase, ended.exit_code, ended.frames_lost) == (run, "ended", 0, 0)
    assert ended.output is not None
    recorded = RecordedRun(Path(ended.output))
    ids = numbers_in(recorded)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    first = next(n for n in ids[20:] if n % 256 > 200)
    times_ms = recorded.time_unix_ms()[: first - ids[0] + 1]
    if times_ms[-1] > answered_ms + 50:  # else it was so when it was asked
        assert first % 256 == 201
        # On a busy computer the camera's thread sleeps longer than a frame's time, just before these too.
        assert times_ms[-1] - times_ms[0] == pytest.approx(200, abs=10 + 2 * np.diff(times_ms).max())
    # Low for the first time in what it reached back to at most: it ends by the next time, after 0.2 s.
    low = next(n for n in ids if n > first and n % 256 < 100)
    assert low + round(0.2 * 200) <= ids[-1] + 2
    report = json.loads(Path(ended.output, "report.json").read_text(encoding="utf-8"))
    told = [event["text"] for event in report["run"]["events"]]
    assert "it begins by its condition, count > 200" in told
    assert "stopped by its condition, count < 100 for 0.2 s" in told
    assert recipe.end()[0] == 0


def test_a_run_begins_and_ends_by_a_line_of_the_camera(command: Command) -> None:
    recipe = Recipe(
        command, command.start("view", *SMALL, "--simulated.stamp", "--simulated.line-period-s", "1")
    )
    recipe.wait_for("preview")
    refused = recipe.ask("POST", "/start", {"when": "line Line7 high"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert "no line Line7: it has Line1" in refused.json()["error"]
    conditions = {"when": "line Line1 high", "until": "line line1 low"}
    answer = recipe.ask("POST", "/start", {**conditions, "wait_s": 30})
    assert answer.status_code == 201, answer.text
    deadline = time.monotonic() + 60
    while (state := recipe.state()).last_run is None:
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    ended = state.last_run
    assert (ended.phase, ended.exit_code, ended.frames_lost, ended.until) == ("ended", 0, 0, "line line1 low")
    assert ended.output is not None
    ids = numbers_in(RecordedRun(Path(ended.output)))
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    report = json.loads(Path(ended.output, "report.json").read_text(encoding="utf-8"))
    told = [event["text"] for event in report["run"]["events"]]
    assert "it begins by its condition, line Line1 high" in told
    assert "stopped by its condition, line line1 low" in told
    assert recipe.end()[0] == 0


def test_a_run_waits_for_its_condition_until_somebody_stops_it(command: Command) -> None:
    recipe = Recipe(command, command.start("view", *THIRD_PARTY, "--region", "dark=4x4+20+20"))
    recipe.wait_for("preview")
    listed = str(command.folder / "stations")
    assert "no region" in command.error("start", "--when", "bright > 3", RHEED_STATIONS=listed)
    started = command("start", "--when", "dark > 3", "--stream-name", "beam on", RHEED_STATIONS=listed)
    assert (started.returncode, "waiting" in started.stdout) == (0, True), started.stderr
    told = command("status", RHEED_STATIONS=listed).stdout
    assert "dark > 3" in told
    state = recipe.state()
    assert state.next_run is not None
    assert (state.phase, state.next_run.phase, state.next_run.when) == ("preview", "waiting", "dark > 3")
    refused = recipe.ask("POST", "/start", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "run-waiting")
    assert "dark > 3" in refused.json()["error"]
    stopped = command("stop", RHEED_STATIONS=listed)
    assert (stopped.returncode, "stopped before it began" in stopped.stdout) == (0, True), stopped.stderr
    assert recipe.state().next_run is None
    assert recipe.end()[0] == 0


def test_exposure_and_gain_are_changed_while_the_camera_runs_and_marked_in_the_run(command: Command) -> None:
    # A period of 5,000 us.
    recipe = Recipe(command, command.start("view", *SMALL, "--region", "all=96x64+0+0"))
    recipe.wait_for("preview")
    listed = str(command.folder / "stations")
    before = recipe.ask("POST", "/camera", {"exposure_us": 4000})
    assert (before.status_code, before.json()) == (200, {"exposure_us": 4000.0, "run": None})
    assert "exposure 4000 us\n  gain     0\n" in command("status", RHEED_STATIONS=listed).stdout
    run = recipe.start(stream_name="dim")
    changed = command("set", "--exposure-us", "1000", "--gain", "2", RHEED_STATIONS=listed)
    assert changed.returncode == 0, changed.stderr
    assert changed.stdout.strip() == f"exposure 1000 us, gain 2, marked in run {run.run}"
    marks = recipe.ask("GET", "/marks").json()["marks"]
    assert [(mark["text"], mark["value"], mark["unit"]) for mark in marks] == [
        ("exposure", 1000.0, "us"),
        ("gain", 2.0, None),
    ]
    assert "0 to 5000" in command.error("set", "--exposure-us", "5001", RHEED_STATIONS=listed)
    for nothing in ({}, {"exposure_us": 0}, {"offset": 1}):
        assert recipe.ask("POST", "/camera", nothing).status_code == 422
    camera = recipe.state().camera
    assert camera.exposure_us == Adjustable(asked=1000.0, actual=1000.0)
    assert camera.gain == Adjustable(asked=2.0, actual=2.0)
    ended = recipe.stop()
    assert (ended.exit_code, ended.frames_lost) == (0, 0)
    assert ended.output is not None
    recorded = RecordedRun(Path(ended.output))
    frames: Any = recorded.read(0, len(recorded))
    means = frames[:, 1:].reshape(len(frames), -1).mean(axis=1)
    # 0.8 of a period's light first, and 0.2 at 2 dB then: 0.31 of that.
    assert means[-1] < 0.6 * means[0]
    assert recipe.end()[0] == 0
