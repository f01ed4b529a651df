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
from dataclasses import replace
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
from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.frame_form import PLAIN
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.frames.stream_chunks import StreamChunks
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.camera import who_gives_frames
from rheed_acquire.host.guard.observers import COMPLETED, FINISHED, STARTED, Observers
from rheed_acquire.run.archive_uploader import ArchiveUploader
from rheed_acquire.run.archiver import Archiver, check_place, plan_archive
from rheed_acquire.run.capture import Capture, start_camera
from rheed_acquire.run.clock_watch import ClockWatch, judge_ids
from rheed_acquire.run.dispatcher import Dispatcher
from rheed_acquire.run.judgement import judge
from rheed_acquire.run.marks import RunMarks
from rheed_acquire.run.measured_rate import measure_fps
from rheed_acquire.run.progress import Progress
from rheed_acquire.run.pushed_frames import PushedFrames
from rheed_acquire.run.pusher import Pusher
from rheed_acquire.run.readings import RunReadings
from rheed_acquire.run.report import Journal, RunInfo, RunReport, run_folders
from rheed_acquire.run.run_plan import check_rate, plan_run
from rheed_acquire.run.run_stream import RunStream
from rheed_acquire.settings.run_settings import ArchiveFull
from rheed_acquire.streaming.streamer import Streamer

if TYPE_CHECKING:
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.run.lent_camera import CameraTurn
    from rheed_acquire.settings.run_settings import RunSettings

logger = logging.getLogger(__name__)

LATE_S, LATE_PERIODS = 0.05, 3
"""A run that begins later than it was to by both of them says so."""


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
        self._info: RunInfo | None = None
        self._capture: Capture | None = None
        self._pusher: Pusher | None = None
        self._archiver: Archiver | None = None
        self._uploader: ArchiveUploader | None = None
        self._begun_s: float | None = None
        self._journal = Journal()
        self._undeliverable = False
        self._has_told_reach = False

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
        capture, info, stream = self._capture, self._info, self._stream
        away = self._turn.away if self._turn is not None and self._turn.waits else None
        if capture is None or info is None or stream is None:
            return Progress(self._phase, away=away)
        delivery = stream.status()
        return Progress(
            phase=self._phase,
            info=info,
            elapsed_s=0.0 if self._begun_s is None else time.monotonic() - self._begun_s,
            frames_received=capture.received,
            frames_overrun=capture.overrun,
            frames_not_taken=0 if self._pusher is None else self._pusher.frames_not_taken,
            frames_not_archived=0 if self._archiver is None else self._archiver.frames_missed,
            archive_trouble=None if self._uploader is None else self._uploader.trouble,
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
        return None if self._capture is None else self._capture.temperature_c()

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change the camera's exposure or gain; see `rheed_acquire.run.capture.Capture.adjust`."""
        capture = self._capture
        if capture is None:
            raise CameraLostError("the camera is being opened just now")
        return capture.adjust(changes)

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
            if self._capture is None:
                try:
                    camera.close()
                except CameraError as error:  # what kept the run from beginning is told already
                    logger.warning("%s", error)
            else:  # it may have opened the camera anew, and it does not wait for one that hangs
                self._capture.close()

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
        measured_fps = None if settings.fps else self._measured_fps(camera, info)
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
            planned = plan_archive(settings, data_id, plan.fps, frame, output, started_utc)
            self._info = RunInfo(
                data_id=data_id,
                camera=info,
                fps=plan.fps,
                rotations_per_min=settings.rotations_per_min,
                chunk_size=plan.chunk_size,
                started_utc=started_utc,
                output=output,
                reduction=settings.reduction,
                archive=None if planned is None else planned.folder,
                archive_bucket=None if planned is None else planned.bucket,
            )
            form = replace(plan.form, archive=self._info.archive)
            self._phase = "making the ring"
            # Where the streamer wants it, else in plain memory.
            what = None if form == PLAIN and not form.waits else form
            ring = streamer.open_ring(data_id, plan.ring_chunks, info.height, info.width, what) or ChunkRing(
                plan.ring_chunks,
                plan.chunk_size,
                info.height,
                info.width,
                given_up=self._stop.is_set,
                form=form,
            )
            pushed = PushedFrames(
                round((1 / plan.fps + settings.gap_tolerance) * 1e9),
                1e9 / plan.fps,
                # A preview goes on for days, and nobody asks what became of its chunks.
                remembers=self._turn is None or self._turn.run_start is not None,
            )
            clock = CaptureClock(
                process_clock(),
                plan.fps,
                wraps_ns=info.timestamp_wraps_ns,
                ptp=info.ptp_synchronized,
                utc=info.utc_timestamps,
                recorded=info.can_wait,
            )
            watch = ClockWatch(clock.judge, plan.fps, settings.fps_tolerance, self._journal)
            archiver = self._archiver = None
            if planned is not None:  # made once the spool has its name, with the ring
                archive, waiting = planned.make()
                if waiting is not None:
                    self._uploader = ArchiveUploader(waiting, planned.spool, self._journal, self._patience)
                archiver = self._archiver = Archiver(
                    archive,
                    plan.chunk_size,
                    process_clock().utc_ns,
                    self._journal,
                    ring.for_archive,
                    self._patience,
                    stops_run=settings.archive_full is ArchiveFull.STOP,
                    waits=info.can_wait,
                )
            pusher = self._pusher = Pusher(
                streamer,
                data_id,
                self._journal,
                pushed,
                watch,
                StreamChunks(settings.reduction, plan.stream_fps, plan.stream_chunk_size),
                self._patience,
                None if archiver is None else ring.count - ring.for_archive - 1,  # one is being filled
                waits=info.can_wait,
            )
            dispatcher = Dispatcher(self._info, self._show, self._journal, clock, self.tap, pusher, archiver)

            def make_accumulator(info: CameraInfo, before: list[ChunkAccumulator]) -> ChunkAccumulator:
                taken = sum(accumulator.accumulated for accumulator in before)
                accumulator = ChunkAccumulator(
                    ring,
                    plan.copy,
                    plan.layout,
                    plan.fps,
                    dispatcher.put,
                    self._unusable_frame,
                    gap_tolerance_s=plan.date_tolerance_s,
                    frame_id_cycle=info.frame_id_cycle,
                    frame_limit=None if settings.frames is None else settings.frames - taken,
                    first_chunk_index=sum(accumulator.chunks for accumulator in before),
                    first_frame=sum(accumulator.received for accumulator in before),
                    waits=info.can_wait,
                    source=who_gives_frames(camera),
                )
                if self.tap is not None:
                    self.tap.watch(accumulator, taken)
                return accumulator

            self._capture = Capture(
                settings,
                camera,
                plan.fps,
                reopen,
                make_accumulator,
                self._journal,
                dispatcher.interrupt,
                self._start_camera,
                lambda: self._turn is not None and self._turn.rests,
            )
            return self._capture_and_deliver(stream, self._capture, self._info, dispatcher, pusher)
        except BaseException:
            stream.end_if_begun()
            raise
        finally:
            self._observers.abandon()
            stream.close()

    def _measured_fps(self, camera: Camera, info: CameraInfo) -> float | None:
        """Watch the frames of a camera that does not say how fast it is; None where nothing comes of it."""
        if info.fps is not None or info.recorded:
            return None
        held = None if self._turn is None else self._turn.held
        measured = None if held is None else held.measured_fps
        if measured is None:
            self._phase = "measuring the camera's frame rate"
            measured = measure_fps(camera, self._stop)
            if held is not None:
                held.measured_fps = measured
        if self._stop.is_set():
            raise CameraError(f"the run was ended while the frame rate of {info.device} was measured")
        if measured is None:
            return None
        fps, frames = measured
        self._journal.event(
            f"{info.device} does not say its frame rate: {fps:.6g} frames/s measured over {frames} frames "
            "before the run"
        )
        return fps

    def _capture_and_deliver(
        self,
        stream: RunStream,
        capture: Capture,
        info: RunInfo,
        dispatcher: Dispatcher,
        pusher: Pusher,
    ) -> RunReport:
        """From the first frame to the report, once the stream exists: it is finalized on every way out."""
        self._notify(STARTED, run=info)
        self._observers.started(info, self._journal, self._stop.is_set)
        dispatcher.start()
        pusher.start()
        archiver, uploader = self._archiver, self._uploader
        if archiver is not None:
            archiver.start()
        if uploader is not None:
            uploader.start()
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
            capture.run(self._stop, lambda: self._stop_reason(stream))
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
        archive_waits = uploader is not None and not uploader.is_complete
        chunks_waiting, bytes_waiting = uploader.waiting() if uploader is not None else (0, 0)
        pushed = pusher.pushed
        report = RunReport(
            info=info,
            ended_utc=datetime.now(UTC),
            frames_received=capture.received,
            frames_pushed=pushed.frames,
            frames_reduced=pushed.reduced,
            frames_dropped_by_camera=capture.frames_missing,
            frames_overrun=capture.overrun,
            frames_rejected=capture.rejected,
            frames_not_taken=pusher.frames_not_taken,
            frames_archived=0 if archiver is None else archiver.frames,
            frames_not_archived=0 if archiver is None else archiver.frames_missed,
            archive_waits=archive_waits,
            archive_chunks_waiting=chunks_waiting,
            archive_bytes_waiting=bytes_waiting,
            chunks_pushed=pushed.chunks,
            chunks_uploaded=int(delivery.get("chunks_uploaded", status.chunks_uploaded)),
            chunks_not_uploaded=int(delivery.get("chunks_not_uploaded", status.chunks_queued)),
            bytes_uploaded=int(delivery.get("bytes_uploaded", status.bytes_uploaded)),
            fps_measured=pushed.fps_measured,
            gaps=tuple(pushed.gaps),
            gap_count=capture.gap_count,
            camera_statistics=capture.statistics,
            delivery=delivery,
            events=self._journal.events,
            problems=self._journal.problems,
            warnings=self._journal.warnings,
            pauses=tuple(pushed.pauses),
            marks=self.marks.items,
            channels=self._readings.summaries,
            stretches=capture.stretches,
        )
        if not capture.has_ids:
            report.frames_dropped_by_camera = capture.statistics.get("frames_lost", 0)
        judge_ids(capture, self._journal)
        judge(
            report,
            self._settings,
            self._journal,
            capture.silences,
            pushed,
            numbered=capture.has_ids,
            meanwhile=self._observers.slowness(),
        )
        self._phase = "telling the observers"
        self._notify(FINISHED, run=info, report=report)
        self._observers.finished(info, report, self._journal)
        self._phase = "finished"
        return report

    def _start_camera(self, camera: Camera, accumulator: ChunkAccumulator, on_fault: OnFault) -> float | None:
        if self._turn is None:
            start_camera(camera, accumulator, on_fault)
            return None
        begun_s = self._turn.start(camera, accumulator, on_fault)
        self._note_wait(self._turn)
        self._note_reach(self._turn)
        # Whoever is told so may rely on it that what the run reaches back to is in its own ring.
        self._phase = "capturing"
        return begun_s

    def _note_wait(self, turn: CameraTurn) -> None:
        """Say how long the run has waited for its camera, which it was asked for without."""
        start, info = turn.run_start, self._info
        if turn.away is None or start is None or info is None or self._has_told_reach:
            return
        self._has_told_reach = True  # there was nothing to reach back to
        late_s = (time.perf_counter_ns() - start.asked_ns) / 1e9
        self._journal.problem(
            FindingCode.LATE_START,
            f"the camera was away when the run was asked for, and came {late_s:.1f} s later: {turn.away}",
            frames=round(late_s * info.fps),
        )

    def _note_reach(self, turn: CameraTurn) -> None:
        """Say how far the run reaches back, once, and whether that is less than it was to."""
        start, reached_ns = turn.run_start, turn.reached_ns
        info = self._info
        if start is None or reached_ns is None or info is None or self._has_told_reach:
            return
        self._has_told_reach = True
        late_s = (reached_ns - start.since_ns) / 1e9
        before_s = (start.asked_ns - reached_ns) / 1e9
        if before_s > 0:
            self._journal.event(f"the run begins {before_s:.3f} s before it was asked for")
        if late_s > max(LATE_S, LATE_PERIODS / info.fps):
            self._journal.warn(
                FindingCode.SHORT_PRE_ROLL,
                f"the run was to begin {late_s:.2f} s earlier, and the preview kept no frame of that time",
            )

    def _show(self, info: RunInfo, chunk: Chunk) -> None:
        """Show a chunk to whoever looks on."""
        self._notify(COMPLETED, run=info, chunk=chunk)
        self._observers.completed(info, chunk, self._journal)

    def _stop_reason(self, stream: RunStream) -> str | None:
        """Why the run has to end, or None."""
        reason = None if self._archiver is None else self._archiver.stop_reason
        return reason or stream.status().stop_reason

    def _drain_timeout_s(self) -> float:
        return 0.0 if self._undeliverable else self._settings.drain_timeout

    def _unusable_frame(self, error: CameraError) -> None:
        """End the run: no frame after this one could be used either."""
        self._journal.problem(FindingCode.FRAME_UNUSABLE, str(error))
        self._stop.set()
