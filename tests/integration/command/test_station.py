"""The station as recipe software has it: another process that speaks HTTP starts, marks and stops runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import zarr

from rheed_acquire import RecordedRun
from rheed_acquire.recording.readings import read_readings
from rheed_acquire.view.interface import MarkTaken, Run, StationState

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

LIMIT_S = 60.0
SMALL = ("--camera", "simulated", "--fps", "200", "--simulated.width", "96", "--simulated.height", "64")
WITHIN_MS = 5.0


class Recipe:
    """What a recipe does: it finds the station's file, and asks."""

    def __init__(self, command: Command, process: subprocess.Popen[str]) -> None:
        self.command, self.process = command, process
        deadline = time.monotonic() + LIMIT_S
        while not (found := list((command.folder / "stations").glob("*.json"))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no station was listed"
            time.sleep(0.05)
        listed = json.loads(found[0].read_text(encoding="utf-8"))
        self.url, self.token = f"{listed['url']}/api/v1", listed["token"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> requests.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self._session.request(method, self.url + path, json=body, headers=headers, timeout=LIMIT_S)

    def state(self) -> StationState:
        return StationState.model_validate(self.ask("GET", "/state").json())

    def start(self, key: str | None = None, **told: Any) -> Run:
        answer = self.ask("POST", "/start", {"wait_s": 60, **told}, key=key)
        assert answer.status_code == 201, answer.text
        return Run.model_validate(answer.json())

    def stop(self) -> Run:
        answer = self.ask("POST", "/stop", {"wait_s": 60})
        assert answer.status_code == 200, answer.text
        return Run.model_validate(answer.json())

    def mark(self, text: str, key: str | None = None, **told: Any) -> tuple[float, MarkTaken, float]:
        """Set a mark; when it was sent, what was kept, and when that was answered, in ms since 1970."""
        sent_ms = time.time() * 1e3
        answer = self.ask("POST", "/marks", {"text": text, **told}, key=key)
        answered_ms = time.time() * 1e3
        assert answer.status_code == 201, answer.text
        return sent_ms, MarkTaken.model_validate(answer.json()), answered_ms

    def wait_for(self, phase: str) -> StationState:
        deadline = time.monotonic() + LIMIT_S
        while (state := self.state()).phase != phase or (phase == "preview" and not state.camera.frames):
            assert time.monotonic() < deadline, state
            time.sleep(0.05)
        return state

    def end(self) -> tuple[int, str, str]:
        self.command.interrupt(self.process)
        out, err = self.process.communicate(timeout=LIMIT_S)
        assert not list((self.command.folder / "stations").iterdir())
        return self.process.returncode, out, err


@pytest.fixture
def recipe(command: Command) -> Recipe:
    return Recipe(command, command.start("view", *SMALL, "--region", "spot=20x30+40+5"))


def test_runs_one_after_another_are_started_marked_and_stopped_by_a_recipe(recipe: Recipe) -> None:
    assert recipe.wait_for("preview").run is None
    marked: dict[str, list[tuple[float, MarkTaken, float]]] = {}
    runs: list[Run] = []
    for number in range(5):
        run = recipe.start(stream_name=f"layer {number}", tags=["recipe"], notes="by night")
        assert (run.phase, run.stream_name) == ("recording", f"layer {number}")
        marked[run.run] = [
            recipe.mark("shutter open"),
            recipe.mark("substrate", value=650.5, unit="\N{DEGREE SIGN}C"),
        ]
        ended = recipe.stop()
        assert (ended.run, ended.phase, ended.exit_code, ended.marks) == (run.run, "ended", 0, 2)
        assert (ended.problems, ended.frames_lost) == ((), 0)
        runs.append(ended)
    assert len({run.data_id for run in runs}) == 5
    again = Run.model_validate(recipe.ask("GET", f"/runs/{runs[0].run}").json())
    assert again == runs[0]
    code, out, err = recipe.end()
    assert code == 0, err
    assert out.count("delivered: all") == 5
    for run in runs:
        assert run.output is not None
        folder = Path(run.output)
        stored = RecordedRun(folder).marks()
        assert [(mark.text, mark.value, mark.unit) for mark in stored] == [
            ("shutter open", None, None),
            ("substrate", 650.5, "\N{DEGREE SIGN}C"),
        ]
        for mark, (sent_ms, taken, answered_ms) in zip(stored, marked[run.run], strict=True):
            assert mark.time_unix_ms == taken.time_unix_ms
            # It lies between the two, but for what the two clocks of a computer differ.
            assert sent_ms - WITHIN_MS <= mark.time_unix_ms <= answered_ms + WITHIN_MS
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        assert report["marks"] == report["run"]["marks"] == [mark.as_json() for mark in stored]
        told = {setting["key"]: setting["value"] for setting in report["settings"]}
        assert told["notes"] == "by night"
        events = [event["text"] for event in report["run"]["events"]]
        assert sum("through the interface, from 127.0.0.1:" in text for text in events) == 2
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "substrate = 650.5" in page
        group = zarr.open_group(folder / "frames.zarr", mode="r")
        times: Any = group["mark_time_unix_ms"]
        assert times[:].tolist() == [mark.time_unix_ms for mark in stored]
        assert times.attrs["text"] == ["shutter open", "substrate"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_plain_curl_is_enough(recipe: Recipe) -> None:
    recipe.wait_for("preview")

    def curl(path: str, *more: str) -> Any:
        line = ["curl", "--silent", "--noproxy", "*", "--header", f"Authorization: Bearer {recipe.token}"]
        body = ["--header", "Content-Type: application/json"]
        done = subprocess.run(
            [*line, *body, *more, recipe.url + path], capture_output=True, check=True, timeout=LIMIT_S
        )
        return json.loads(done.stdout)

    run = curl("/start", "--data", '{"stream_name": "by curl", "frames": 40, "wait_s": 60}')
    assert run["phase"] in ("recording", "ending", "ended"), run
    ended = curl("/stop", "--data", f'{{"run": "{run["run"]}", "wait_s": 60}}')
    assert (ended["phase"], ended["frames"] > 0, ended["exit_code"]) == ("ended", True, 0)
    assert recipe.end()[0] == 0


def test_what_was_asked_twice_is_done_once_and_conflicts_say_why(recipe: Recipe) -> None:
    recipe.wait_for("preview")
    for path, body in (("/stop", {}), ("/marks", {"text": "too early"})):
        refused = recipe.ask("POST", path, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "no-run")
    first = recipe.start("start-1", stream_name="once")
    again = recipe.ask("POST", "/start", {"stream_name": "once", "wait_s": 5}, key="start-1")
    assert (again.status_code, again.json()["run"]) == (201, first.run)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = recipe.ask("POST", "/start", {"stream_name": "another"}, key="start-1")
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    busy = recipe.ask("POST", "/start", {"stream_name": "another"})
    assert (busy.status_code, busy.json()["code"]) == (409, "run-going-on")
    _, taken, _ = recipe.mark("once", "mark-1")
    _, repeated, _ = recipe.mark("once", "mark-1")
    assert repeated == taken
    assert [mark["text"] for mark in recipe.ask("GET", "/marks").json()["marks"]] == ["once"]
    wrong = recipe.ask("POST", "/marks", {"text": "x", "run": "of-yesterday"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "another-run")
    refused = recipe.ask("POST", "/start", {"archive": True})
    assert refused.status_code in (409, 422)
    stopped = recipe.stop()
    assert (stopped.run, stopped.marks) == (first.run, 1)
    assert recipe.ask("GET", "/runs/none").status_code == 404
    recipe.wait_for("preview")
    bad = recipe.ask("POST", "/start", {"azimuth": "[110]", "rotations_per_min": 5})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid")
    assert len(list((recipe.command.folder / "runs").glob("*/frames.zarr"))) == 1
    assert recipe.end()[0] == 0


def test_a_run_that_ends_by_itself_leaves_the_station_in_its_preview(recipe: Recipe) -> None:
    recipe.wait_for("preview")
    run = recipe.start(frames=60)
    ended = Run.model_validate(recipe.ask("POST", "/stop", {"run": run.run, "wait_s": 60}).json())
    assert (ended.phase, ended.frames >= 1) == ("ended", True)
    state = recipe.wait_for("preview")
    assert state.last_run == ended
    regions = recipe.ask("GET", "/regions").json()["regions"]
    assert [region["name"] for region in regions] == ["spot"]
    assert recipe.ask("POST", "/marks", {"text": "late"}).status_code == 409
    assert recipe.end()[0] == 0


def test_marks_that_were_answered_survive_the_stations_death_and_are_in_what_recover_makes(
    recipe: Recipe,
) -> None:
    recipe.wait_for("preview")
    run = recipe.start(stream_name="killed")
    taken = [recipe.mark(f"step {number}", value=float(number))[1] for number in range(20)]
    readings = [{"channel": "flux", "value": number} for number in range(20)]
    assert recipe.ask("POST", "/channels", {"readings": readings}).json() == {"run": run.run, "readings": 20}
    assert run.output is not None
    folder = Path(run.output)
    deadline = time.monotonic() + LIMIT_S
    while not [one for one in read_readings(folder) if len(one) == 20]:  # within a second or so
        assert time.monotonic() < deadline
        time.sleep(0.05)
    recipe.process.kill()
    recipe.process.communicate()
    kept = [(mark.time_unix_ms, mark.text, mark.value) for mark in taken]
    done = recipe.command("recover")
    assert done.returncode == 0, done.stderr
    recording = RecordedRun(folder)
    assert recording.state == "closed"
    assert [(mark.time_unix_ms, mark.text, mark.value) for mark in recording.marks()] == kept
    group = zarr.open_group(folder / "frames.zarr", mode="r")
    values: Any = group["mark_value"]
    assert values[:].tolist() == [float(number) for number in range(20)]
    fluxes: Any = group["channel_0_value"]
    assert fluxes[:].tolist() == values[:].tolist()
    done = recipe.command("report", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert [mark["text"] for mark in report["marks"]] == [mark.text for mark in taken]
    # The next client finds no station, and no file of the dead one.
    assert recipe.command("status", "--json").returncode == 5
    assert not list((recipe.command.folder / "stations").iterdir())
