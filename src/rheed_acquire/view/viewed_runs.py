"""What the page shows of the runs of one command, and what it asks for.

Everything here but the tap's callbacks runs in the thread that attends the runs, a few times a second. The
page's commands arrive in another thread and wait until then.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError

from rheed_acquire.clocks.rate import Rate
from rheed_acquire.errors import SettingsError
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.region_file import save_regions
from rheed_acquire.regions.regions import Region, Regions
from rheed_acquire.system.browser import open_in_browser
from rheed_acquire.view.process import ViewProcess

if TYPE_CHECKING:
    from rheed_acquire.regions.traces import Points
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.settings.run_settings import RunSettings

logger = logging.getLogger(__name__)

STATE_INTERVAL_S = 0.25
TEMPERATURE_INTERVAL_S = 5.0
FRAME_WINDOW_S, UPLOAD_WINDOW_S = 2.0, 10.0

_REGIONS: TypeAdapter[tuple[Region, ...]] = TypeAdapter(Regions)

Next: TypeAlias = Literal["run", "preview"]


@dataclass(frozen=True, slots=True)
class _AskedRun:
    """A run that a page has asked for, and the address of that page."""

    stream_name: str | None
    origin: str


class ViewedRuns:
    """The runs of one command and the page that shows them, for the time of a ``with``.

    Parameters
    ----------
    settings
        Of the command: where the page is served, whether it is opened in a browser, and the regions to begin
        with.
    settings_file
        Where regions that are drawn in the page are saved.

    Raises
    ------
    RheedAcquireError
        On entering: the page cannot be served.
    """

    def __init__(self, settings: RunSettings, settings_file: Path) -> None:
        self._settings_file = settings_file
        self._regions: tuple[Region, ...] = settings.regions
        self._commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = ViewProcess(settings.view_host, settings.view_port, on_command=self._commands.put)
        self._opens_browser = settings.view_open
        self.url = ""
        self._acquisition: Acquisition | None = None
        self._is_preview = True
        self._stream_name: str | None = None
        self._stopped = False
        self._start: _AskedRun | None = None
        self._regions_noted = False
        self._error: str | None = None
        self._events_told = 0
        self._deaths_told = 0
        self._state_due_s = 0.0
        self._begin_rates()

    def __enter__(self) -> Self:
        self.url = self._process.start()
        if self._opens_browser and not open_in_browser(self._process.url_for_one_visit):
            logger.warning("no browser could be opened here: open the URL of the view in one")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.stop()

    def tap(self) -> FrameTap:
        """Make the tap of the next acquisition."""
        return FrameTap(self._regions, self._process.show_frame, self._add_points)

    def follow(self, acquisition: Acquisition, *, stream_name: str | None = None, preview: bool) -> None:
        """Show this acquisition from now on, which has a tap of `tap`."""
        self._acquisition, self._is_preview, self._stream_name = acquisition, preview, stream_name
        if self._start is not None and not preview:
            named = f" under the name {self._start.stream_name}" if self._start.stream_name else ""
            acquisition.journal.event(f"started{named} in the view, from {self._start.origin}")
        self._stopped, self._start = False, None
        self._regions_noted = False
        self._events_told = 0
        self._begin_rates()
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
        self._tell_events()
        now = time.monotonic()
        if now >= self._state_due_s:
            self._state_due_s = now + STATE_INTERVAL_S
            self._process.show_state(self.state())

    def refuse(self, text: str) -> None:
        """Say in the page why what it asked for was not done."""
        self._error = text
        self._process.add_event(time.time() * 1e3, "error", text)

    def next(self) -> tuple[Next, str | None] | None:
        """What the page wants now that the acquisition has ended: a run of a name, a preview, or nothing."""
        self.update()
        if self._start is not None:
            return "run", self._start.stream_name
        return ("preview", None) if self._stopped else None

    def state(self) -> dict[str, Any]:
        """The figures of the acquisition as the page shows them; None stands for what is not known."""
        assert self._acquisition is not None
        progress = self._acquisition.progress()
        info, delivery = progress.info, progress.delivery
        camera = None if info is None else info.camera
        is_capturing = progress.state == "capturing"
        absence = progress.absence
        fps = self._frame_rate.update(progress.frames_received)
        upload_rate = self._upload_rate.update(delivery.bytes_uploaded)
        return {
            "phase": "preview" if self._is_preview and is_capturing else progress.state,
            "running": not self._is_preview,
            "stream_name": self._stream_name,
            "data_id": None if info is None else info.data_id or None,
            "camera": None if camera is None else str(camera.device),
            "width": None if camera is None else camera.width,
            "height": None if camera is None else camera.height,
            "pixel_format": None if camera is None else camera.pixel_format,
            "fps_asked": None if info is None else info.fps,
            "fps_measured": fps if is_capturing else None,
            "frames": progress.frames_received,
            "gaps": progress.gap_count,
            "missing": progress.frames_missing,
            "overruns": progress.frames_overrun,
            "not_taken": progress.frames_not_taken,
            "chunks_queued": delivery.chunks_queued,
            "chunks_uploaded": delivery.chunks_uploaded,
            "chunks_spooled": delivery.chunks_spooled,
            "spool_bytes": delivery.spool_bytes,
            "upload_rate_bytes_s": upload_rate,
            "clock_offset_ms": delivery.clock_offset_ms,
            "clock_uncertainty_ms": delivery.clock_uncertainty_ms,
            "camera_present": None if info is None else absence is None,
            "camera_away_s": None if absence is None else absence.lasted_s(time.perf_counter()),
            "camera_away_why": None if absence is None else absence.reason,
            "camera_attempts": None if absence is None else absence.attempts,
            "camera_trouble": progress.camera_trouble,
            "silent_s": progress.silent_s,
            "temperature_c": self._temperature(),
            "elapsed_s": progress.elapsed_s,
            "regions": [region.model_dump() for region in self._tap.regions],
            "last_error": delivery.last_error,
            "error": self._error,
        }

    @property
    def _tap(self) -> FrameTap:
        assert self._acquisition is not None
        assert self._acquisition.tap is not None
        return self._acquisition.tap

    def _begin_rates(self) -> None:
        self._frame_rate, self._upload_rate = Rate(FRAME_WINDOW_S), Rate(UPLOAD_WINDOW_S)
        self._temperature_c: float | None = None
        self._temperature_due_s = 0.0

    def _add_points(self, points: Points, regions: Sequence[Region]) -> None:
        self._process.add_points(points.utc_ms, points.mean, points.maximum, regions)

    def _obey(self, command: dict[str, Any]) -> None:
        assert self._acquisition is not None
        self._error = None
        origin = str(command.get("origin") or "an unknown address")
        try:
            match command.get("do"):
                case "stop":
                    self._obey_stop(self._acquisition, origin)
                case "start":
                    self._obey_start(self._acquisition, command.get("stream_name"), origin)
                case "regions":
                    self._obey_regions(self._acquisition, command.get("regions"), origin)
                case unknown:
                    self.refuse(f"there is no command {unknown!r}")
        except SettingsError as error:
            self.refuse(str(error))

    def _obey_stop(self, acquisition: Acquisition, origin: str) -> None:
        if self._is_preview:
            self.refuse("there is no run to stop: this is a preview")
            return
        if not self._stopped:
            acquisition.journal.event(f"stopped in the view, from {origin}")
        self._stopped, self._start = True, None
        acquisition.stop()

    def _obey_start(self, acquisition: Acquisition, stream_name: object, origin: str) -> None:
        if not self._is_preview and not self._stopped:
            self.refuse("a run is going on: stop it before you start another")
            return
        name = stream_name.strip() if isinstance(stream_name, str) else ""
        self._start = _AskedRun(name or None, origin)
        if self._is_preview:
            acquisition.stop()

    def _obey_regions(self, acquisition: Acquisition, regions: object, origin: str) -> None:
        try:
            asked = _REGIONS.validate_python(regions)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, detail["loc"]))
            self.refuse(f"the regions cannot be used: {f'{place}: ' if place else ''}{detail['msg']}")
            return
        notes = self._tap.follow(asked)
        if notes:
            self.refuse("; ".join(notes))
        self._regions = self._tap.regions
        if not self._regions_noted:  # once a run: whoever drags a region sends many
            self._regions_noted = True
            acquisition.journal.event(f"regions are drawn in the view, from {origin}")
        save_regions(self._settings_file, self._regions)

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

    def _temperature(self) -> float | None:
        assert self._acquisition is not None
        now = time.monotonic()
        if now >= self._temperature_due_s:
            self._temperature_due_s = now + TEMPERATURE_INTERVAL_S
            self._temperature_c = self._acquisition.temperature_c()
        return self._temperature_c
