"""How things stand at a station, in the figures that its page shows and in the words of its interface."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rheed_acquire.clocks.rate import Rate
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.view.camera_figures import CameraFigures
from rheed_acquire.view.desk import Desk
from rheed_acquire.view.interface import Adjustable, CameraState, StationPhase, StationState

if TYPE_CHECKING:
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.progress import Progress

FRAME_WINDOW_S, UPLOAD_WINDOW_S = 2.0, 10.0


class StateTeller:
    """Says how the acquisition stands that is followed, and the runs that the desk knows.

    Attributes
    ----------
    away
        Why there is no camera for a preview; None once a preview or a run has one.
    error
        Why what was asked for last was not done, or that the camera is away; None where it was done, and once
        the camera is back.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._acquisition: Acquisition | None = None
        self.away: str | None = None
        self.error: str | None = None
        self._figures = CameraFigures()
        self._begin_rates()

    def follow(self, acquisition: Acquisition) -> None:
        """Tell of this acquisition from now on."""
        self._acquisition = acquisition
        self._figures.look_again()
        self._begin_rates()

    def camera_was_changed(self) -> None:
        """Ask the camera with the next state what it holds."""
        self._figures.look_again()

    @property
    def _tap(self) -> FrameTap:
        assert self._acquisition is not None
        assert self._acquisition.tap is not None
        return self._acquisition.tap

    def page(self, progress: Progress) -> dict[str, Any]:
        """The figures of the acquisition as the page shows them; None stands for what is not known."""
        run, waiting = self._desk.going, self._desk.next_run
        info, delivery = progress.info, progress.delivery
        camera = None if info is None else info.camera
        if progress.phase == "capturing" and self.away is not None:
            if self.error == self.away:  # else it is of what was asked for meanwhile
                self.error = None
            self.away = None
        is_capturing = progress.state == "capturing"
        absence, away = progress.absence, progress.away or self.away
        is_present = False if away else None if info is None else absence is None
        self._figures.look(self._desk.with_camera, is_there=is_present)
        fps = self._frame_rate.update(progress.frames_received)
        upload_rate = self._upload_rate.update(delivery.bytes_uploaded)
        return {
            "phase": self._shown_phase(progress),
            "running": run is not None,
            "waits_for": None if waiting is None or waiting.is_due else waiting.view().when,
            "stream_name": None if run is None else run.settings.stream_name,
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
            "camera_present": is_present,
            "camera_away_s": None if absence is None else absence.lasted_s(time.perf_counter()),
            "camera_away_why": away if absence is None else absence.reason,
            "camera_attempts": None if absence is None else absence.attempts,
            "camera_trouble": self.away or progress.camera_trouble,
            "silent_s": progress.silent_s,
            "temperature_c": self._figures.temperature_c,
            "elapsed_s": progress.elapsed_s,
            "regions": [region.model_dump() for region in self._tap.regions],
            "last_error": delivery.last_error,
            "error": self.error,
        }

    def station(self, page: dict[str, Any]) -> dict[str, Any]:
        """The same for clients of the interface."""
        desk = self._desk
        camera = CameraState(
            name=page["camera"],
            width=page["width"],
            height=page["height"],
            pixel_format=page["pixel_format"],
            fps=page["fps_asked"],
            fps_measured=page["fps_measured"],
            frames=page["frames"],
            frames_missing=page["missing"],
            frames_overrun=page["overruns"],
            is_present=page["camera_present"],
            trouble=page["camera_trouble"],
            temperature_c=page["temperature_c"],
            exposure_us=self._adjustable("exposure_us"),
            gain=self._adjustable("gain"),
        )
        going, then, last = (
            None if run is None else run.view() for run in (desk.going, desk.next_run, desk.last)
        )
        state = StationState(
            software=f"rheed-acquire {version('rheed-acquire')}",
            phase=self._phase(page),
            camera=camera,
            run=going,
            next_run=then,
            last_run=last,
            regions=self._tap.regions,
        )
        return state.model_dump(mode="json")

    def _shown_phase(self, progress: Progress) -> str:
        if self.away is not None:
            return "camera lost"
        if self._desk.going is None and progress.state == "capturing":
            return "preview"
        return progress.state

    def _phase(self, page: dict[str, Any]) -> StationPhase:
        run = self._desk.going
        if run is None:
            return "preview" if page["phase"] == "preview" else "opening"
        if run.phase in ("waiting", "starting"):
            return "starting"
        return "recording" if run.phase == "recording" else "ending"

    def _begin_rates(self) -> None:
        self._frame_rate, self._upload_rate = Rate(FRAME_WINDOW_S), Rate(UPLOAD_WINDOW_S)

    def _adjustable(self, name: str) -> Adjustable | None:
        assert self._acquisition is not None
        return self._figures.adjustable(name, self._acquisition.source, self._desk.adjustments.asked)
