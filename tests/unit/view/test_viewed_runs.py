"""What a page and a station's clients are told over a preview and the runs before which it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region
from rheed_acquire.run.marks import RunMarks
from rheed_acquire.run.progress import Progress
from rheed_acquire.run.report import Journal
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.asked_runs import AskedRun
from rheed_acquire.view.viewed_runs import ViewedRuns

SIZE = WIDTH, HEIGHT = 32, 24
FROM = "127.0.0.1:1"
DARK = Region(name="spot", x=0, y=0, width=4, height=4)
BRIGHT = DARK.model_copy(update={"x": 20})
STREAK = Region(name="streak", x=8, y=8, width=4, height=4)
LOST = "One (serial 1) does not answer any more"


class Pages:
    """In the place of the view's process: takes what it would be told, and sends what pages ask for."""

    deaths = 0

    def __init__(self, host: str, port: int, *, on_command: Callable[[dict[str, Any]], None]) -> None:
        self.send = on_command
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.page: dict[str, Any] = {}

    def show_state(self, page: dict[str, Any], station: dict[str, Any]) -> None:
        self.page = page

    def answer(self, ask: int, status: int, body: dict[str, Any], *, is_replayed: bool) -> None:
        self.answers.append((status, body))

    def add_event(self, *event: Any) -> None:
        """Show nobody."""

    def add_points(self, *points: Any) -> None:
        """Show nobody."""

    def show_frame(self, *frame: Any) -> None:
        """Show nobody."""


class Going:
    """What is seen of an acquisition; a preview goes on behind runs."""

    def __init__(self, tap: FrameTap) -> None:
        self.journal, self.marks = Journal(), RunMarks()
        self.tap, self.source, self.phase, self._chunks = tap, None, "opening", 0

    def progress(self) -> Progress:
        return Progress(self.phase)

    def stop(self) -> None:
        """It is delivered for as long as a test takes."""

    def begin(self) -> None:
        self.phase = "capturing"
        self.tap.begin(*SIZE, lambda stamps, arrived_ns: arrived_ns / 1e6)

    def see(self, pixels: Any) -> None:
        """Have a frame."""
        now_ns = time.perf_counter_ns()
        ids, arrived_ns = np.array([self._chunks]), np.array([now_ns])
        chunk = Chunk(self._chunks, pixels, ids, arrived_ns, arrived_ns)
        self._chunks += 1
        self.tap.complete(chunk, np.array([process_clock().utc_ns(now_ns) / 1e6]))


class Station:
    """A station whose acquisitions are stepped by hand."""

    def __init__(self, folder: Path, regions: Sequence[Region]) -> None:
        settings = RunSettings(camera="simulated", regions=tuple(regions))
        self.view = ViewedRuns(settings, folder / "rheed-acquire.toml")
        self.pages: Pages = self.view._process  # type: ignore[assignment]
        self._begun: list[Going] = []

    def follow(self, run: AskedRun | None = None) -> Going:
        going = Going(self.view.tap())
        self._begun.append(going)
        self.view.follow(going, run)  # type: ignore[arg-type]
        return going

    def ask(self, do: str, **told: Any) -> tuple[int, dict[str, Any]]:
        self.pages.send({"do": do, "ask": 1, "origin": FROM, **told})
        self.view.update()
        return self.pages.answers[-1]

    def shown_error(self) -> str | None:
        self.view.show()
        error: str | None = self.pages.page["error"]
        return error

    def end(self) -> None:
        for going in self._begun:
            going.tap.stop()


@pytest.fixture
def make_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[..., Station]:
    monkeypatch.setattr("rheed_acquire.view.viewed_runs.ViewProcess", Pages)

    def make(*regions: Region) -> Station:
        station = Station(tmp_path, regions)
        request.addfinalizer(station.end)
        return station

    return make


def delivering(station: Station) -> Going:
    """Follow a run behind which the preview goes on, which is returned."""
    preview = station.follow()
    preview.begin()
    status, told = station.ask("start", settings={})
    assert status == 202, told
    run = station.view.desk.due_run
    assert run is not None
    station.follow(run).begin()
    return preview


@pytest.mark.parametrize(
    ("before", "drawn"),
    [((), (BRIGHT,)), ((DARK,), (BRIGHT,)), ((BRIGHT, STREAK), (BRIGHT,)), ((STREAK,), (STREAK, BRIGHT))],
    ids=["drawn", "moved", "taken away", "added"],
)
@pytest.mark.parametrize("by", ["a page", "a client"])
def test_regions_drawn_during_a_run_are_those_that_the_next_waits_for(
    make_station: Callable[..., Station], before: Sequence[Region], drawn: Sequence[Region], by: str
) -> None:
    station = make_station(*before)
    preview = delivering(station)
    regions = [region.model_dump(mode="json") for region in drawn]
    if by == "a page":
        station.pages.send({"do": "regions", "regions": regions, "origin": FROM})
        station.view.update()
    else:
        assert station.ask("regions", regions=regions)[0] == 200
    assert [(one.name, one.x) for one in preview.tap.regions] == [(one.name, one.x) for one in drawn]
    assert station.ask("stop")[0] == 202
    status, told = station.ask("start", settings={"when": "spot > 120"})
    assert status == 202, told
    pixels = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    pixels[:, :4, :4] = 255  # where the region was before it was moved
    preview.see(pixels)
    station.view.update()
    assert station.view.desk.due_run is None
    pixels[:, :4, 20:24] = 255
    preview.see(pixels)
    station.view.update()
    assert station.view.desk.due_run is not None


def test_why_a_run_could_not_begin_is_shown_until_the_next_is_granted(
    make_station: Callable[..., Station],
) -> None:
    station = make_station()
    preview = station.follow()
    preview.begin()
    station.view.refuse("the disk is full")
    assert station.shown_error() == "the disk is full"
    assert station.ask("stop")[0] == 409
    assert station.ask("start", settings={"when": "nowhere > 1"})[0] == 422
    assert station.shown_error() == "the disk is full"
    assert station.ask("start", settings={}, key="a")[0] == 202
    assert station.shown_error() is None
    station.view.refuse("the disk is full")
    assert station.ask("start", settings={}, key="a")[0] == 202
    assert station.shown_error() == "the disk is full", "an answer that is given again begins nothing"


def test_that_the_camera_is_away_is_shown_until_it_is_back(make_station: Callable[..., Station]) -> None:
    station = make_station()
    station.follow().phase = "failed"
    station.view.camera_is_away(LOST)
    assert station.shown_error() == LOST
    preview = station.follow()
    assert station.shown_error() == LOST
    preview.begin()
    assert station.shown_error() is None
    assert station.pages.page["camera_trouble"] is None


def test_what_was_refused_while_the_camera_was_away_is_shown_when_it_is_back(
    make_station: Callable[..., Station],
) -> None:
    station = make_station()
    station.follow().phase = "failed"
    station.view.camera_is_away(LOST)
    station.view.refuse("the disk is full")
    station.follow().begin()
    assert station.shown_error() == "the disk is full"
