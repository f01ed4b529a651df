"""What the page shows of the runs of one command, and what it asks for.

Everything here but the tap's callbacks runs in the thread that attends the runs, a few times a second. The
page's commands arrive in another thread and wait until then.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter, ValidationError

from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.marks import Mark
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.region_file import save_regions
from rheed_acquire.regions.regions import Region, Regions
from rheed_acquire.regions.traces import Points
from rheed_acquire.system.browser import open_in_browser
from rheed_acquire.view.asked_runs import AskedRun
from rheed_acquire.view.conditions import Watch
from rheed_acquire.view.desk import Desk
from rheed_acquire.view.process import ViewProcess
from rheed_acquire.view.refusal import RefusedRequestError
from rheed_acquire.view.state_teller import StateTeller
from rheed_acquire.view.station_file import StationFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.adjustments import Adjustments
    from rheed_acquire.run.channels import Channels
    from rheed_acquire.settings.run_settings import RunSettings

logger = logging.getLogger(__name__)

STATE_INTERVAL_S = 0.25
REACH_MS = 6e5
"""A run's first frames may be so much older than the preview's latest; else a clock was set."""

_REGIONS: TypeAdapter[tuple[Region, ...]] = TypeAdapter(Regions)


class ViewedRuns:
    """The runs of one command and the page that shows them, for the time of a ``with``.

    Parameters
    ----------
    settings
        Of the command: where the page is served, whether it is opened in a browser, and the regions to begin
        with.
    settings_file
        Where regions that are drawn in the page are saved.
    channels
        Other instruments, which clients are told of.
    adjustments
        Remembers what clients change of the camera.

    Attributes
    ----------
    desk
        Knows which runs there are, and what is asked of them.
    news
        Set when a page or a client has asked for something.

    Raises
    ------
    RheedAcquireError
        On entering: the page cannot be served.
    """

    def __init__(
        self,
        settings: RunSettings,
        settings_file: Path,
        channels: Channels | None = None,
        adjustments: Adjustments | None = None,
    ) -> None:
        self._settings_file = settings_file
        self._regions: tuple[Region, ...] = settings.regions
        self._commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.desk, self.news = Desk(settings, channels, adjustments), threading.Event()
        self._process = ViewProcess(settings.view_host, settings.view_port, on_command=self._take)
        self._camera, self._file = settings.camera or "", contextlib.ExitStack()
        self._opens_browser = settings.view_open
        self.url = ""
        self._acquisition: Acquisition | None = None
        self._regions_noted = False
        self._events_told = 0
        self._told_of: WeakKeyDictionary[Acquisition, int] = WeakKeyDictionary()
        self._teller = StateTeller(self.desk)
        self._on_air: FrameTap | None = None
        self._preview_tap: FrameTap | None = None
        self._watched: tuple[FrameTap | None, Watch | None] = (None, None)
        """By whose frames which condition comes true."""
        self._latest_ms = self._not_before_ms = -math.inf
        self._deaths_told = 0
        self._state_due_s = 0.0
        self._phase_told = ""

    def __enter__(self) -> Self:
        self.url = self._process.start()
        address, token = self._process.access
        self._file.enter_context(StationFile(address, token, self._camera))
        if self._opens_browser and not open_in_browser(self._process.url_for_one_visit):
            logger.warning("no browser could be opened here: open the URL of the view in one")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._process.stop()

    def tap(self) -> FrameTap:
        """Make the tap of the next acquisition."""

        def show_frame(*frame: Any) -> None:
            if self._is_on_air(tap):
                self._process.show_frame(*frame)

        def add_points(points: Points, regions: Sequence[Region], arrived_ns: NDArray[np.int64]) -> None:
            watched, watch = self._watched
            if tap is watched and watch is not None and watch.see(arrived_ns, points.mean, regions):
                self.news.set()
            if self._is_on_air(tap):
                self._add_points(points, regions)

        tap = FrameTap(self._regions, show_frame, add_points)
        return tap

    def follow(self, acquisition: Acquisition, run: AskedRun | None) -> None:
        """Show this acquisition from now on, a run or a preview, which has a tap of `tap`."""
        if self._acquisition is not None:
            self._told_of[self._acquisition] = self._events_told
        self._acquisition = acquisition
        self._tap.follow(self._regions)
        self.desk.follow(acquisition, run)
        if run is None:
            self._preview_tap = acquisition.tap
        elif run.origin is not None:
            name = run.settings.stream_name
            acquisition.journal.event(f"started{f' under the name {name}' if name else ''} {run.origin}")
            if run.when is not None:
                acquisition.journal.event(f"it begins by its condition, {run.when.condition}")
        self._regions_noted = False
        self._events_told = self._told_of.get(acquisition, 0)
        self._teller.follow(acquisition)
        self._state_due_s = 0.0

    def update(self) -> None:
        """Do what the page asks for and show what there is to show; called often, returns soon."""
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                break
            self._obey(command)
            self._state_due_s = 0.0
        self._heed_conditions()
        self._tell_events()
        now = time.monotonic()
        if now >= self._state_due_s or self._acquisition_phase() != self._phase_told:
            self._state_due_s = now + STATE_INTERVAL_S
            self.show()

    def show(self) -> None:
        """Tell pages and clients how things stand."""
        assert self._acquisition is not None
        progress = self._acquisition.progress()
        self._phase_told = progress.phase
        self.desk.update(progress)
        page = self._teller.page(progress)
        self._process.show_state(page, self._teller.station(page))

    def refuse(self, text: str) -> None:
        """Say in the page why what it asked for was not done."""
        self._teller.error = text
        self._process.add_event(time.time() * 1e3, "error", text)

    def camera_is_away(self, why: str) -> None:
        """Show that there is no camera, until a preview or a run has one."""
        self._teller.away = why
        self.refuse(why)

    def next(self) -> AskedRun | None:
        """The run that is to begin now that the acquisition has ended; None for none."""
        self.update()
        return self.desk.due_run

    def _acquisition_phase(self) -> str:
        assert self._acquisition is not None
        return self._acquisition.progress().phase

    def _take(self, command: dict[str, Any]) -> None:
        """Take a command, in the thread that reads them."""
        command.setdefault("at_ns", time.perf_counter_ns())
        self._commands.put(command)
        self.news.set()

    @property
    def _tap(self) -> FrameTap:
        assert self._acquisition is not None
        assert self._acquisition.tap is not None
        return self._acquisition.tap

    def _is_on_air(self, tap: FrameTap) -> bool:
        """Whether what a tap sees is shown: the one of before goes on until the next has its first frame."""
        if tap is self._on_air:
            return True
        if self._acquisition is None or tap is not self._acquisition.tap:
            return False
        info = self._acquisition.source
        is_recorded = info is not None and info.can_wait
        # A run that reaches back has frames that the preview has shown.
        self._not_before_ms = -math.inf if is_recorded else self._latest_ms
        self._on_air = tap
        return True

    def _add_points(self, points: Points, regions: Sequence[Region]) -> None:
        latest_ms = float(points.utc_ms[-1])
        if self._not_before_ms - REACH_MS < latest_ms:
            fresh = points.utc_ms > self._not_before_ms
            points = Points(points.utc_ms[fresh], points.mean[:, fresh], points.maximum[:, fresh])
        self._latest_ms = latest_ms
        if not len(points.utc_ms):
            return
        self._process.add_points(points.utc_ms, points.mean, points.maximum, regions)

    def _obey(self, command: dict[str, Any]) -> None:
        ask = command.get("ask")
        address = str(command.get("origin") or "an unknown address")
        if ask is None:
            self._teller.error = None
            try:
                notes = self._follow_regions(command.get("regions"), f"in the view, from {address}")
            except SettingsError as error:
                self.refuse(str(error))
            else:
                if notes:
                    self.refuse("; ".join(notes))
            return
        try:
            status, body, is_replayed = self._answer(command, f"through the interface, from {address}")
        except RefusedRequestError as error:
            status, body, is_replayed = error.status, error.body, False
        except SettingsError as error:
            status, body, is_replayed = 422, {"code": "invalid", "error": str(error)}, False
        except Exception as error:
            # A bug of ours, which a run must not end by.
            logger.exception("a client's request failed")
            failed = f"this is a bug of rheed-acquire: {type(error).__name__}"
            status, body, is_replayed = 500, {"code": "bug", "error": failed}, False
        self._process.answer(ask, status, body, is_replayed=is_replayed)

    def _answer(self, command: dict[str, Any], origin: str) -> tuple[int, dict[str, Any], bool]:
        if command.get("do") == "regions":
            notes = self._follow_regions(command.get("regions"), origin)
            regions = [region.model_dump(mode="json") for region in self._regions]
            return 200, {"regions": regions, "notes": list(notes)}, False
        answer = self.desk.answer(command, origin)
        if command.get("do") == "start" and not answer[2]:
            self._teller.error = None
        if command.get("do") == "adjust":
            self._teller.camera_was_changed()
        if command.get("do") == "mark" and not answer[2]:
            body = answer[1]
            mark = Mark(body["time_unix_ms"], body["text"], body["value"], body["unit"])
            self._process.add_event(body["time_unix_ms"], "info", f"mark: {mark}")
        return answer

    def _follow_regions(self, regions: object, origin: str) -> tuple[str, ...]:
        """Follow other regions, and save them; one sentence for each that could not be taken as it is."""
        assert self._acquisition is not None
        try:
            asked = _REGIONS.validate_python(regions)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, detail["loc"]))
            raise SettingsError(
                f"the regions cannot be used: {f'{place}: ' if place else ''}{detail['msg']}"
            ) from None
        notes = tuple(self._tap.follow(asked))
        self._regions = self._tap.regions
        if self._preview_tap is not None and self._preview_tap is not self._tap:
            # Behind a run it goes on, and it is by its frames that the next run's condition comes true.
            self._preview_tap.follow(asked)
        if not self._regions_noted:  # once a run: whoever drags a region sends many
            self._regions_noted = True
            self._acquisition.journal.event(f"regions are drawn {origin}")
        save_regions(self._settings_file, self._regions)
        return notes

    def _heed_conditions(self) -> None:
        self.desk.heed(self._tap.regions)
        waiting, going = self.desk.next_run, self.desk.going
        if waiting is not None and not waiting.is_due:
            # The preview's frames, also while a run is being delivered: none that it waits for is missed.
            self._watched = self._preview_tap, waiting.when
        else:
            self._watched = (None, None) if going is None else (self._tap, going.until)

    def _tell_events(self) -> None:
        assert self._acquisition is not None
        journal = self._acquisition.journal
        if self._process.deaths > self._deaths_told:
            self._deaths_told = self._process.deaths
            again = "has been started again" if self._deaths_told == 1 else "is gone"
            journal.event(f"the view ended by itself and {again}; the run goes on")
        for event in journal.events[self._events_told :]:
            self._events_told += 1
            self._process.add_event(event.time_utc.timestamp() * 1e3, event.level, event.text)
