"""``rheed-acquire view`` and ``--view`` as a user has them: the command, its page, and what the page does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
import zarr
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

LIMIT_S = 60.0
SMALL = ("--camera", "simulated", "--fps", "200", "--simulated.width", "96", "--simulated.height", "64")


class Page:
    """What a browser does, without drawing anything."""

    def __init__(self, connection: ClientConnection, url: str) -> None:
        self._connection, self._url = connection, url
        self.state: dict[str, Any] = {}
        self.events: list[str] = []
        self.frames = 0

    def send(self, **command: Any) -> None:
        self._connection.send(json.dumps(command))

    def ask(self, path: str, **told: Any) -> tuple[int, str]:
        """Ask through the interface, as the page's buttons do; the status, and why it was refused."""
        base, _, token = self._url.partition("/?token=")
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(
            f"{base}/api/v1/{path}", json={"wait_s": 0, **told}, headers=headers, timeout=LIMIT_S
        )
        return answer.status_code, str(answer.json().get("error"))

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Listen, and draw what comes, until a state is told of which this holds."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            assert time.monotonic() < deadline, self.state
            message = self._connection.recv(LIMIT_S)
            if isinstance(message, bytes):
                header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
                what = "frame" if header["type"] == "frame" else "traces"
                self.frames += what == "frame"
                self.send(do="drawn", what=what)
                continue
            content = json.loads(message)
            if content["type"] == "events":
                self.events += [event["text"] for event in content["events"]]
            elif content["type"] == "state":
                self.state = content["state"]
                if self.state and holds(self.state):
                    return self.state


class Watched:
    """A command with a view, its lines on stderr as they come, and its page."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._url = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if line.startswith("view "):
                self._url.set()

    @property
    def url(self) -> str:
        assert self._url.wait(LIMIT_S), self.lines
        return next(line for line in self.lines if line.startswith("view ")).removeprefix("view ")

    @contextmanager
    def page(self) -> Iterator[Page]:
        with connect(self.url.replace("http", "ws").replace("/?", "/live?"), max_size=None) as connection:
            yield Page(connection, self.url)

    def finish(self) -> tuple[int, str]:
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code, out


def recordings(command: Command) -> list[zarr.Group]:
    return [
        zarr.open_group(path, mode="r")
        for path in sorted(
            (command.folder / "runs").glob("*/frames.zarr"), key=lambda path: path.stat().st_mtime
        )
    ]


def test_runs_are_started_named_and_stopped_from_the_page_with_previews_between(command: Command) -> None:
    command.write("rheed-acquire.toml", "# mine\nring_chunks = 3 # enough\n")
    watched = Watched(command.start("view", *SMALL))
    with watched.page() as page:
        state = page.until(lambda state: state["phase"] == "preview" and state["frames"] > 20)
        assert (state["running"], state["data_id"], state["width"], state["fps_asked"]) == (
            False,
            None,
            96,
            200.0,
        )
        assert not (command.folder / "runs").exists() or not recordings(command)
        status, refusal = page.ask("stop")
        assert (status, "no run to stop" in refusal) == (409, True)

        spot = {"name": "spot", "x": 40, "y": 5, "width": 20, "height": 30, "color": "#ffffff"}
        page.send(do="regions", regions=[spot, {**spot, "name": "off", "x": 500}])
        state = page.until(lambda state: state["regions"])
        assert state["regions"] == [spot]
        assert "off lies outside the frame" in state["error"]
        text = (command.folder / "rheed-acquire.toml").read_text(encoding="utf-8")
        assert tomllib.loads(text) == {"ring_chunks": 3, "regions": [spot]}
        assert "# enough" in text

        assert page.ask("start", stream_name=" Growth 7 ")[0] == 202
        state = page.until(lambda state: state["phase"] == "capturing" and state["frames"] > 50)
        assert (state["running"], state["stream_name"], state["regions"]) == (True, "Growth 7", [spot])
        assert state["data_id"]
        status, refusal = page.ask("start")
        assert (status, "stop it before" in refusal) == (409, True)
        page.ask("stop")
        page.until(lambda state: state["phase"] == "preview" and state["frames"] > 0)
        page.ask("start")
        page.until(lambda state: state["running"] and state["frames"] > 50 and page.frames > 3)
    command.interrupt(watched.process)
    code, out = watched.finish()
    assert code == 0, watched.lines
    assert out.count("delivered: all") == 2
    first, second = recordings(command)
    assert first.attrs["name"] == "Growth 7"
    assert second.attrs["name"] != "Growth 7"
    told = "\n".join(page.events)
    for done in (
        "regions are drawn in the view",
        "started under the name Growth 7 through the interface",
        "stopped through the interface",
        "started through the interface",
    ):
        assert re.search(rf"^{done}, from 127\.0\.0\.1:\d+$", told, re.MULTILINE), told
    report = Path(first.store_path.store.root).parent / "report.json"  # type: ignore[attr-defined]
    noted = [event["text"] for event in json.loads(report.read_text(encoding="utf-8"))["run"]["events"]]
    assert [text.partition(", from ")[0] for text in noted if "the interface" in text] == [
        "started under the name Growth 7 through the interface",
        "stopped through the interface",
    ]
    assert not [line for line in watched.lines if "Traceback" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the view's process in /proc")
@pytest.mark.parametrize("end", ["SIGKILL", "SIGSTOP"], ids=["killed", "hung"])
def test_a_view_that_is_killed_or_hangs_changes_nothing_in_a_run_at_1000_frames_a_second(
    command: Command, end: str
) -> None:
    """And the traces of that run are those of its recording, with the period of the simulated growth."""
    watched = Watched(
        command.start(
            *("--camera", "simulated", "--fps", "1000", "--duration", "4", "--json", "--view"),
            *("--simulated.width", "250", "--simulated.height", "150"),
            *("--region", "specular=15x25+117+30", "--simulated.oscillation-period-s", "0.4"),
        )
    )
    with watched.page() as page:
        page.until(lambda state: state["phase"] == "capturing" and state["frames"] > 1000 and page.frames > 1)
    os.kill(command.child(watched.process, "rheed_acquire.view"), getattr(signal, end))
    code, out = watched.finish()
    report = json.loads(out)
    assert code == 0, (watched.lines, report["problems"])
    assert (report["frames_overrun"], report["frames_dropped_by_camera"], report["gap_count"]) == (0, 0, 0)
    assert report["frames_received"] == report["frames_pushed"] > 3900
    told = [event["text"] for event in report["events"] if "view ended by itself" in event["text"]]
    assert len(told) == (end == "SIGKILL")

    (recording,) = recordings(command)
    frames: Any = recording["frames"]
    assert isinstance(frames, zarr.Array)
    pixels = np.asarray(frames[:])[:, 30:55, 117:132]
    mean = pixels.mean(axis=(1, 2)).astype(np.float32)
    region = json.loads((Path(report["report"]).with_suffix(".json")).read_text(encoding="utf-8"))["regions"][
        0
    ]
    expected = {"lowest": mean.min(), "highest": mean.max(), "mean": mean.astype(np.float64).mean()}
    assert {name: region[name] for name in expected} == pytest.approx(expected, abs=0.0006)
    assert region["brightest"] == pixels.max()
    assert region["period"]["period_s"] == pytest.approx(0.4, rel=0.02)


def test_a_run_that_the_page_cannot_start_is_told_in_the_page_and_the_preview_goes_on(
    command: Command,
) -> None:
    command.write("runs", "a file where the folder should be")
    watched = Watched(command.start("view", *SMALL, "--verbosity", "4", "--log-file", "run.log"))
    with watched.page() as page:
        page.until(lambda state: state["phase"] == "preview")
        page.ask("start")
        assert "runs" in page.until(lambda state: state["error"])["error"]
        page.until(lambda state: state["phase"] == "preview" and state["frames"] > 0)
    command.interrupt(watched.process)
    code, out = watched.finish()
    assert (code, out) == (1, "")
    assert any(re.match(r"error: .*runs", line) for line in watched.lines)
    # The URL's token is said once, where the user reads it.
    token = watched.url.partition("token=")[2]
    assert len(token) >= 32
    assert token not in (command.folder / "run.log").read_text(encoding="utf-8")
    assert [line for line in watched.lines if token in line] == [f"view {watched.url}"]


def test_a_camera_that_cannot_be_opened_ends_the_view_with_its_message(command: Command) -> None:
    done = command("view", "--camera", "simulated", "--simulated.images", "nowhere")
    assert done.returncode != 0
    assert "error: " in done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_message(command: Command) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = command.error("--camera", "simulated", "--view", "--view-port", str(port), code=1)
    assert str(port) in message
