"""The clients of a station: the commands, and `rheed_acquire.Station` in a process of its own."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.command.test_station import SMALL, WITHIN_MS, Recipe

from rheed_acquire import NoStationError, RecordedRun, SettingsError, Station, StationError, StationRun
from rheed_acquire.regions.regions import Region

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

SPOT = Region(name="spot", x=40, y=5, width=20, height=30)


@pytest.fixture
def recipe(command: Command, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    recipe = Recipe(command, command.start("view", *SMALL, "--region", "spot=20x30+40+5"))
    recipe.wait_for("preview")
    monkeypatch.setenv("RHEED_STATIONS", str(command.folder / "stations"))
    return recipe


def break_off(station: Station) -> StationRun:
    """Make a run whose block ends by an exception."""
    begun: list[StationRun] = []
    with suppress(ZeroDivisionError), station.run(stream_name="broken off") as run:
        begun.append(run)
        _ = 1 / 0
    return begun[0]


def said(command: Command, *arguments: str, code: int = 0, **variables: str) -> Any:
    done = command(*arguments, "--json", **variables)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_the_commands_drive_a_station_and_their_exit_codes_say_how_it_went(
    recipe: Recipe, command: Command
) -> None:
    assert said(command, "mark", "too early", code=4)["exit_code"] == 4
    run = said(command, "start", "--stream-name", "by command", "--tag", "a", "--notes", "n")
    assert (run["phase"], run["stream_name"]) == ("recording", "by command")
    assert "going on" in said(command, "start", code=4)["error"]
    mark = said(command, "mark", "substrate", "--value", "650", "--unit", "K", "--run", run["run"])
    assert (mark["text"], mark["value"], mark["unit"]) == ("substrate", 650.0, "K")
    state = said(command, "status", "--station", "simulated")
    assert (state["phase"], state["run"]["marks"]) == ("recording", 1)
    # Whoever names a station of its own is not led to another.
    address, token = recipe.url.removesuffix("/api/v1"), recipe.token
    assert said(command, "status", "--station", address)["phase"] == "recording"
    elsewhere = str(command.folder / "none")
    url = f"{address}/?token="
    assert said(command, "status", code=5, RHEED_STATIONS=elsewhere)["exit_code"] == 5
    assert said(command, "status", RHEED_STATIONS=elsewhere, RHEED_STATION=url + token)["run"]
    assert said(command, "status", code=1, RHEED_STATIONS=elsewhere, RHEED_STATION=f"{url}wrong")["error"]
    assert said(command, "start", "--rotations-per-min", "-1", code=2)["error"]
    not_finite = said(command, "mark", "substrate", "--value", "nan", code=2)
    assert not_finite["error"] == "value: must be a finite number, not nan"
    ended = said(command, "stop")
    assert (ended["run"], ended["phase"], ended["marks"], ended["exit_code"]) == (run["run"], "ended", 1, 0)
    assert recipe.end()[0] == 0


def test_a_token_on_the_command_line_is_refused_and_not_repeated(command: Command) -> None:
    message = command.error("status", "--station", "http://127.0.0.1:1/?token=abcdef0123456789")
    assert "RHEED_STATION" in message
    assert "abcdef0123456789" not in message


def test_a_recipe_in_python_makes_runs_and_knows_what_became_of_them(recipe: Recipe) -> None:
    with Station() as station:
        assert station.record("flux", 1.5, "nA").run is None  # in a preview it is shown, and not kept
        with station.run(stream_name="in Python", tags=["x"]) as run:
            assert run.record("flux", 2.5).run == run.latest.run
            now_ms = time.time() * 1e3
            sent = [{"channel": "flux", "value": 3.5 + n, "time_unix_ms": now_ms + n} for n in range(3)]
            assert station.record_all(sent).readings == 3
            with pytest.raises(StationError, match="in nA, not in A") as refused:
                station.record("flux", 1.0, "A")
            assert refused.value.code == "channel-taken"
            (flux,) = station.channels()
            assert (flux.unit, flux.value) == ("nA", (1.5, 2.5, 3.5, 4.5, 5.5))
            assert station.channels(now_ms + 1)[0].value == (5.5,)
            run.mark("shutter open")
            kept = run.mark("substrate", 650, "K")
            assert [mark.text for mark in station.marks()] == ["shutter open", "substrate"]
            with pytest.raises(StationError, match="going on") as refused:
                station.start()
            assert (refused.value.code, refused.value.is_conflict) == ("run-going-on", True)
            assert station.frame_png(16).startswith(b"\x89PNG")
            assert station.regions() == (SPOT.model_copy(update={"color": station.regions()[0].color}),)
            assert station.set_regions([SPOT]).notes == ()
            traces = station.traces()
            assert [trace.region.name for trace in traces.traces] == ["spot"]
            events = station.events()
            assert next(events)["type"] == "state"
            events.close()  # type: ignore[attr-defined]
        ended = run.latest
        assert (ended.phase, ended.exit_code, ended.marks) == ("ended", 0, 2)
        assert ended.output is not None
        recording = RecordedRun(Path(ended.output))
        assert recording.marks()[1].time_unix_ms == kept.time_unix_ms
        assert [one.value.tolist() for one in recording.readings()] == [[2.5, 3.5, 4.5, 5.5]]
        assert run.stop() == ended  # again does nothing
        broken_off = break_off(station)
        assert broken_off.wait().phase == "ended"
    assert recipe.end()[0] == 0


def test_a_run_and_a_mark_are_of_when_they_were_asked_for(
    recipe: Recipe, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(1.0)
    asked_ms, asked_ns = time.time() * 1e3, time.perf_counter_ns()
    time.sleep(0.5)  # the time that a command needs before it asks, on a slow computer
    with Station(asked_ns=asked_ns) as station:
        run = station.start(stream_name="reaches back")
    # What has been asked for longer ago than the run is old belongs to its first frame.
    with Station(asked_ns=asked_ns - 10**9) as station:
        assert asked_ms - WITHIN_MS <= station.mark("early").time_unix_ms <= asked_ms + WITHIN_MS
    marked_ms, marked_ns = time.time() * 1e3, time.perf_counter_ns()
    time.sleep(0.1)
    with Station(asked_ns=marked_ns) as station:
        assert abs(station.mark("shutter open").time_unix_ms - marked_ms) <= WITHIN_MS
        assert station.mark("later", time_unix_ms=marked_ms + 50).time_unix_ms == round(marked_ms + 50, 4)
    # A tunnel to another computer looks just like this, and that one has other clocks.
    monkeypatch.setenv("RHEED_STATIONS", str(command.folder / "none"))
    sent_ms = time.time() * 1e3
    with Station(recipe.url.removesuffix("api/v1") + f"?token={recipe.token}", asked_ns=marked_ns) as station:
        assert station.mark("from elsewhere").time_unix_ms >= sent_ms - WITHIN_MS
        ended = station.stop(run=run.latest.run)
    assert ended.output is not None
    first_ms = float(RecordedRun(Path(ended.output)).time_unix_ms(0, 1)[0])
    assert asked_ms - WITHIN_MS <= first_ms < asked_ms + 500
    assert recipe.end()[0] == 0


def test_without_a_station_the_client_says_how_to_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHEED_STATIONS", str(tmp_path))
    with pytest.raises(NoStationError, match="rheed-acquire view"):
        Station()
    with pytest.raises(NoStationError, match="no station 'basler'"):
        Station("basler")
    with pytest.raises(SettingsError, match="needs its token"):
        Station("http://127.0.0.1:1")
    for wrong in ("ftp://127.0.0.1/?token=a", "http://", "http://127.0.0.1:no/?token=a"):
        with pytest.raises(SettingsError, match="is no URL"):
            Station(wrong)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoStationError, match="does not answer"):
        Station(f"http://127.0.0.1:{port}/?token=a").state()


def test_attacks_on_the_interface_cost_a_run_no_frame(recipe: Recipe) -> None:
    """Strangers, wrong requests, large ones, many at once, and clients that never read."""
    host, _, port = recipe.url.removeprefix("http://").removesuffix("/api/v1").rpartition(":")
    run = recipe.start(stream_name="attacked")
    over = threading.Event()
    knocked = 0

    def attack(lines: str, body: bytes) -> None:
        nonlocal knocked
        while not over.is_set():
            try:
                with socket.create_connection((host, int(port)), 10) as connection:
                    connection.sendall(lines.encode() + body)
                    connection.recv(100)
                knocked += 1
            except OSError:
                continue

    head = f"HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {recipe.token}\r\n"
    length = "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    attacks = [
        (f"GET /api/v1/state HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n", b""),
        (f"GET /api/v1/state {head}\r\n", b""),
        (f"POST /api/v1/stop {head}Origin: http://evil.example\r\n{length.format(2)}", b"{}"),
        (f"POST /api/v1/stop {head}{length.format(1000)}", b"[" * 1000),
        (f"POST /api/v1/marks {head}{length.format(10**9)}", b"x" * 100_000),
    ]
    threads = [threading.Thread(target=attack, args=attack_, daemon=True) for attack_ in attacks]
    idle = []
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            connection = socket.create_connection((host, int(port)), 10)
            connection.sendall(
                f"GET /api/v1/events {head}Upgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            idle.append(connection)
        while knocked < 300:
            over.wait(0.05)
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for connection in idle:
            connection.close()
    station = Station(f"http://{host}:{port}/?token={recipe.token}")
    assert station.find_run(run.run).phase == "recording"  # no attack has stopped it
    ended = station.stop()
    assert (ended.frames_lost, ended.exit_code, ended.problems) == (0, 0, ())
    assert ended.frames > 0
    assert ended.report is not None
    report = json.loads(Path(ended.report).with_name("report.json").read_text(encoding="utf-8"))
    assert (report["run"]["frames_overrun"], report["run"]["frames_dropped_by_camera"]) == (0, 0)
    station.close()
    assert recipe.end()[0] == 0
