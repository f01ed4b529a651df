"""A run: camera to accumulator to streamer, from opening to the report.

`Acquisition.run` blocks until the run is over and is meant for a thread of its own, so that whoever started
it can show progress and take signals. It ends by `Acquisition.stop`, by its duration or number of frames, or
by a fault of the camera; whichever it is, the chunk begun is pushed, the uploads are drained and the stream
is finalized.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.cameras.camera import (
    Camera,
    CameraError,
    CameraInfo,
    CameraLostError,
    CaptureRequest,
    OnFault,
)
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.observers import COMPLETED, FINISHED, STARTED, Observers
from rheed_acquire.run.archiver import check_place, plan_archive
from rheed_acquire.run.beginning import Beginning
from rheed_acquire.run.capture import Capture, start_camera
from rheed_acquire.run.final_report import make_report
from rheed_acquire.run.marks import RunMarks
from rheed_acquire.run.measured_rate import fps_before_run
from rheed_acquire.run.progress import Progress
from rheed_acquire.run.readings import RunReadings
from rheed_acquire.run.report import Journal, RunInfo, RunReport, run_folders
from rheed_acquire.run.run_parts import RunParts, make_parts
from rheed_acquire.run.run_plan import check_rate, plan_run
from rheed_acquire.run.run_stream import RunStream
from rheed_acquire.streaming.streamer import Streamer

if TYPE_CHECKING:
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.run.archiver import Archiver
    from rheed_acquire.run.lent_camera import CameraTurn
    from rheed_acquire.settings.run_settings import RunSettings

logger = logging.getLogger(__name__)


class Acquisition:
    """One run.

    Parameters
    ----------
    settings
        What the user asked for.
    open_camera
        Opens the camera that was chosen. Like the streamer it keeps to its contract: what a plugin does
        beyond that is dealt with before it comes here (see `rheed_acquire.host.guard`).
    open_streamer
        Opens the streamer, given what says whether the run is to end; called once the camera is open, so that
        a missing camera leaves no stream.
    notify
        Called with the name of each observer hook, and its arguments by name, before the observers are.
    observers
        The plugins that are told of the run.
    locate_output
        Tells where the recording of a data_id lies, if on this computer.
    tap
        Looks at the frames from beside their way; None where nobody does.
    patience
        Whether the user still waits; `abandon` ends it.
    max_fps
        Frames per second that a stream may declare, or None for any number.
    mark_folders
        Tells in which folders the run's marks and readings are kept.
    readings
        Takes what other instruments say while it records; None where there is none.
    turn
        Its way to a camera that is held open, by which ``open_camera`` borrows it; None where the camera is
        the run's own.

    Attributes
    ----------
    marks
        What is noted of the growth while it goes.
    """

    def __init__(
        self,
        settings: RunSettings,
        open_camera: Callable[[CaptureRequest], Camera],
        open_streamer: Callable[[Callable[[], bool]], Streamer],
        notify: Callable[..., None] = lambda hook, **arguments: None,  # noqa: ARG005
        locate_output: Callable[[str], Path | None] = lambda data_id: None,  # noqa: ARG005
        tap: FrameTap | None = None,
        observers: Observers | None = None,
        patience: Patience | None = None,
        max_fps: float | None = None,
        mark_folders: Callable[[RunInfo], Iterable[Path]] = run_folders,
        readings: RunReadings | None = None,
        turn: CameraTurn | None = None,
    ) -> None:
        self._turn = turn
        self._mark_folders, self.marks = mark_folders, RunMarks()
        self._readings = readings or RunReadings()
        self._settings, self._max_fps = settings, max_fps
        self._open_camera, self._open_streamer = open_camera, open_streamer
        self._notify, self._locate_output = notify, locate_output
        self.source: CameraInfo | None = None
        """The camera once it is open, before there is a stream."""
        self._observers, self._patience = observers or Observers(), patience or Patience()
        self.tap = tap
        self._stop = threading.Event()
        self._phase = "opening the camera"
        self._stream: RunStream | None = None
        self._parts: RunParts | None = None
        self._begun_s: float | None = None
        self._journal = Journal()
        self._beginning = None if turn is None else Beginning(turn, self._journal)
        self._undeliverable = False

    def stop(self) -> None:
        """End the run cleanly; may be called at any time, from any thread and more than once."""
        self._stop.set()

    def abandon(self) -> None:
        """Wait no longer for uploads, nor for a plugin: the run ends with what has been delivered."""
        self._stop.set()
        self._patience.end()
        if self._stream is not None:
            self._stream.close()

    def expect_no_delivery(self, code: FindingCode, why: str) -> None:
        """Note that no more chunks can be delivered: the run goes on, and at its end waits for none."""
        self._journal.problem(code, why, frames=0)
        self._undeliverable = True
        if self._stream is not None and self._stream.is_finalized:
            self._stream.close()  # it waits already

    def progress(self) -> Progress:
        """How far the run has come; may be called from any thread."""
        parts, stream = self._parts, self._stream
        away = self._turn.away if self._turn is not None and self._turn.waits else None
        if parts is None or stream is None:
            return Progress(self._phase, away=away)
        capture, archiver, uploader = parts.capture, parts.archiver, parts.uploader
        delivery = stream.status()
        return Progress(
            phase=self._phase,
            info=parts.info,
            elapsed_s=0.0 if self._begun_s is None else time.monotonic() - self._begun_s,
            frames_received=capture.received,
            frames_overrun=capture.overrun,
            frames_not_taken=parts.pusher.frames_not_taken,
            frames_not_archived=0 if archiver is None else archiver.frames_missed,
            archive_trouble=None if uploader is None else uploader.trouble,
            frames_missing=capture.frames_missing,
            gap_count=capture.gap_count,
            away=away,
            absence=capture.absence,
            silent_s=capture.silent_s,
            delivery=delivery,
        )

    @property
    def journal(self) -> Journal:
        """What has happened so far."""
        return self._journal

    def temperature_c(self) -> float | None:
        """The camera's temperature in degrees Celsius; None where it has none or does not answer soon."""
        return None if self._parts is None else self._parts.capture.temperature_c()

    def adjustable(self) -> Mapping[str, float]:
        """What can be changed of the camera, as it holds it now; empty where it can or does tell nothing."""
        return {} if self._parts is None else self._parts.capture.adjustable()

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change the camera's exposure or gain; see `rheed_acquire.run.capture.Capture.adjust`."""
        return self._camera_side.adjust(changes)

    def line_is_high(self, line: str) -> bool:
        """Whether a line of the camera is high; see `rheed_acquire.run.capture.Capture.line_is_high`."""
        return self._camera_side.line_is_high(line)

    @property
    def _camera_side(self) -> Capture:
        if self._parts is None:
            raise CameraLostError("the camera is being opened just now")
        return self._parts.capture

    def run(self) -> RunReport:
        """Make the run.

        Raises
        ------
        RheedAcquireError
            It could not begin. No stream is left open.
        """
        settings = self._settings

        check_place(settings, self._journal)
        if settings.fps is not None:  # what cannot be is said before the camera is opened
            check_rate(settings, settings.fps, self._max_fps)

        def open_camera(given_up: Callable[[], bool]) -> Camera:
            request = CaptureRequest(settings.fps, settings.rotations_per_min, given_up)
            return self._open_camera(request)

        camera = open_camera(self._stop.is_set)
        try:
            return self._run_with(camera, open_camera)
        finally:
            if self._parts is None:
                try:
                    camera.close()
                except CameraError as error:  # what kept the run from beginning is told already
                    logger.warning("%s", error)
            else:  # it may have opened the camera anew, and it does not wait for one that hangs
                self._parts.capture.close()

    def _run_with(self, camera: Camera, reopen: Callable[[Callable[[], bool]], Camera]) -> RunReport:
        settings, info = self._settings, camera.info
        for setting in info.settings:
            if setting.differs:
                self._journal.warn(
                    FindingCode.SETTING_DIFFERS,
                    f"{setting.name} is {setting.actual}, not {setting.asked} as asked for",
                )
        self.source = info
        for name, text in info.notes:
            self._journal.event(f"{name}: {text}")
        for warning in info.warnings:
            self._journal.warn(FindingCode.SOURCE, warning)
        measured_fps = None
        if not settings.fps:
            measured_fps = fps_before_run(camera, info, self._stop, self._journal, self._measuring)
        plan = plan_run(settings, info, measured_fps, self._max_fps)
        self._phase = "opening the stream"
        streamer = self._open_streamer(self._stop.is_set)
        stream = self._stream = RunStream(streamer, self._journal, self._patience, self._drain_timeout_s)
        try:
            data_id = streamer.initialize(
                fps=plan.stream_fps,
                rotations_per_min=settings.rotations_per_min,
                chunk_size=plan.stream_chunk_size,
                stream_name=plan.stream_name,
                physical_sample=settings.physical_sample,
                project_id=settings.project_id,
                tags=list(settings.tags) or None,
                azimuth=settings.azimuth,
            )
            stream.begin(data_id)
            output = self._locate_output(data_id)
            started_utc = datetime.now(UTC)
            frame = plan.form.frame(info.height, info.width)
            archive = plan_archive(settings, data_id, plan.fps, frame, output, started_utc)
            run = RunInfo(
                data_id=data_id,
                camera=info,
                fps=plan.fps,
                rotations_per_min=settings.rotations_per_min,
                chunk_size=plan.chunk_size,
                started_utc=started_utc,
                output=output,
                reduction=settings.reduction,
                archive=None if archive is None else archive.folder,
                archive_bucket=None if archive is None else archive.bucket,
            )
            self._phase = "making the ring"
            parts = self._parts = make_parts(
                settings,
                plan,
                run,
                archive,
                camera,
                streamer,
                self._journal,
                self._patience,
                self.tap,
                # A preview goes on for days, and nobody asks what became of its chunks.
                remembers=self._turn is None or self._turn.run_start is not None,
                given_up=self._stop.is_set,
                reopen=reopen,
                start=self._start_camera,
                rests=lambda: self._turn is not None and self._turn.rests,
                show=self._show,
                unusable=self._unusable_frame,
            )
            return self._capture_and_deliver(stream, parts)
        except BaseException:
            stream.end_if_begun()
            raise
        finally:
            self._observers.abandon()
            stream.close()

    def _capture_and_deliver(self, stream: RunStream, parts: RunParts) -> RunReport:
        """From the first frame to the report, once the stream exists: it is finalized on every way out."""
        info, capture, dispatcher, pusher = parts.info, parts.capture, parts.dispatcher, parts.pusher
        archiver, uploader = parts.archiver, parts.uploader
        self._notify(STARTED, run=info)
        self._observers.started(info, self._journal, self._stop.is_set)
        parts.start()
        try:
            if self.tap is not None:
                for note in self.tap.begin(
                    info.camera.width, info.camera.height, dispatcher.clock.foresee_ms
                ):
                    self._journal.warn(FindingCode.REGIONS, note)
            start = None if self._turn is None else self._turn.run_start
            self.marks.begin(self._mark_folders(info), None if start is None else start.since_ns)
            self._readings.begin(self.marks.folders, self._journal)
            self._phase = "capturing" if start is None else "reaching back"
            self._begun_s = time.monotonic()
            capture.run(self._stop, lambda: self._stop_reason(stream, archiver))
            self._phase = "closing the camera"
            capture.close()
        finally:
            self._phase = "uploading"
            self.marks.close()  # before the recording and the archive are, which take them along
            self._readings.close()
            dispatcher.finish(self._patience)
            pusher.finish()
            if self.tap is not None:
                self.tap.stop()
            ended_s = time.monotonic()
            if archiver is not None:
                self._phase = "archiving"
                archiver.finish(self._settings.drain_timeout)
                self._phase = "uploading"
            delivery = stream.finalize()
            status = stream.status()
            if uploader is not None:  # after the stream, which knows by it that its archive is closed
                self._phase = "archiving"
                uploader.finish(max(0.0, ended_s + self._settings.drain_timeout - time.monotonic()))
        report = make_report(
            parts,
            self._settings,
            self._journal,
            delivery,
            status,
            self.marks.items,
            self._readings.summaries,
            self._observers.slowness(),
        )
        self._phase = "telling the observers"
        self._notify(FINISHED, run=info, report=report)
        self._observers.finished(info, report, self._journal)
        self._phase = "finished"
        return report

    def _measuring(self) -> None:
        self._phase = "measuring the camera's frame rate"

    def _start_camera(self, camera: Camera, accumulator: ChunkAccumulator, on_fault: OnFault) -> float | None:
        if self._turn is None:
            start_camera(camera, accumulator, on_fault)
            return None
        begun_s = self._turn.start(camera, accumulator, on_fault)
        parts, beginning = self._parts, self._beginning
        assert parts is not None
        assert beginning is not None
        beginning.tell(parts.info)
        # Whoever is told so may rely on it that what the run reaches back to is in its own ring.
        self._phase = "capturing"
        return begun_s

    def _show(self, info: RunInfo, chunk: Chunk) -> None:
        """Show a chunk to whoever looks on."""
        self._notify(COMPLETED, run=info, chunk=chunk)
        self._observers.completed(info, chunk, self._journal)

    @staticmethod
    def _stop_reason(stream: RunStream, archiver: Archiver | None) -> str | None:
        """Why the run has to end, or None."""
        reason = None if archiver is None else archiver.stop_reason
        return reason or stream.status().stop_reason

    def _drain_timeout_s(self) -> float:
        return 0.0 if self._undeliverable else self._settings.drain_timeout

    def _unusable_frame(self, error: CameraError) -> None:
        """End the run: no frame after this one could be used either."""
        self._journal.problem(FindingCode.FRAME_UNUSABLE, str(error))
        self._stop.set()
