"""What takes a run's frames on their way, put together before the first one comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.frame_form import PLAIN
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.frames.stream_chunks import StreamChunks
from rheed_acquire.host.guard.camera import who_gives_frames
from rheed_acquire.run.archive_uploader import ArchiveUploader
from rheed_acquire.run.archiver import Archiver
from rheed_acquire.run.capture import Capture
from rheed_acquire.run.clock_watch import ClockWatch
from rheed_acquire.run.dispatcher import Dispatcher
from rheed_acquire.run.pushed_frames import PushedFrames
from rheed_acquire.run.pusher import Pusher
from rheed_acquire.settings.run_settings import ArchiveFull

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import Camera, CameraError, CameraInfo
    from rheed_acquire.host.guard.calls import Patience
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.run.archiver import PlannedArchive
    from rheed_acquire.run.capture import StartCamera
    from rheed_acquire.run.report import Journal, RunInfo
    from rheed_acquire.run.run_plan import RunPlan
    from rheed_acquire.settings.run_settings import RunSettings
    from rheed_acquire.streaming.streamer import Streamer


@dataclass(frozen=True, slots=True)
class RunParts:
    """The parts, in the order in which a frame meets them.

    Attributes
    ----------
    archiver
        None where no archive is kept.
    uploader
        None where the archive belongs into no bucket.
    """

    info: RunInfo
    capture: Capture
    dispatcher: Dispatcher
    pusher: Pusher
    archiver: Archiver | None = None
    uploader: ArchiveUploader | None = None

    def start(self) -> None:
        """Begin to take frames; the camera is started by `Capture.run`."""
        self.dispatcher.start()
        self.pusher.start()
        if self.archiver is not None:
            self.archiver.start()
        if self.uploader is not None:
            self.uploader.start()


def make_parts(
    settings: RunSettings,
    plan: RunPlan,
    info: RunInfo,
    archive: PlannedArchive | None,
    camera: Camera,
    streamer: Streamer,
    journal: Journal,
    patience: Patience,
    tap: FrameTap | None,
    *,
    remembers: bool,
    given_up: Callable[[], bool],
    reopen: Callable[[Callable[[], bool]], Camera],
    start: StartCamera,
    rests: Callable[[], bool],
    show: Callable[[RunInfo, Chunk], None],
    unusable: Callable[[CameraError], None],
) -> RunParts:
    """Put them together; the streamer has opened the stream.

    Parameters
    ----------
    archive
        What the archive will be; None where there is none.
    remembers
        Whether somebody will ask what became of chunks.
    given_up
        Whether the run is to end.
    reopen, start, rests
        See `Capture`.
    show
        See `Dispatcher`.
    unusable
        Called once with why a frame, and all after it, cannot be used.

    Raises
    ------
    RheedAcquireError
        The ring or the archive cannot be made.
    """
    source = info.camera
    form = replace(plan.form, archive=info.archive)
    # Where the streamer wants it, else in plain memory.
    what = None if form == PLAIN and not form.waits else form
    ring = streamer.open_ring(info.data_id, plan.ring_chunks, source.height, source.width, what) or ChunkRing(
        plan.ring_chunks,
        plan.chunk_size,
        source.height,
        source.width,
        given_up=given_up,
        form=form,
    )
    pushed = PushedFrames(
        round((1 / plan.fps + settings.gap_tolerance) * 1e9),
        1e9 / plan.fps,
        remembers=remembers,
    )
    clock = CaptureClock(
        process_clock(),
        plan.fps,
        wraps_ns=source.timestamp_wraps_ns,
        ptp=source.ptp_synchronized,
        utc=source.utc_timestamps,
        recorded=source.can_wait,
    )
    watch = ClockWatch(clock.judge, plan.fps, settings.fps_tolerance, journal)
    archiver: Archiver | None = None
    uploader: ArchiveUploader | None = None
    if archive is not None:  # made once the spool has its name, with the ring
        made, waiting = archive.make()
        if waiting is not None:
            uploader = ArchiveUploader(waiting, archive.spool, journal, patience)
        archiver = Archiver(
            made,
            plan.chunk_size,
            process_clock().utc_ns,
            journal,
            ring.for_archive,
            patience,
            stops_run=settings.archive_full is ArchiveFull.STOP,
            waits=source.can_wait,
        )
    pusher = Pusher(
        streamer,
        info.data_id,
        journal,
        pushed,
        watch,
        StreamChunks(settings.reduction, plan.stream_fps, plan.stream_chunk_size),
        patience,
        None if archiver is None else ring.count - ring.for_archive - 1,  # one is being filled
        waits=source.can_wait,
    )
    dispatcher = Dispatcher(info, show, journal, clock, tap, pusher, archiver)

    def make_accumulator(source: CameraInfo, before: list[ChunkAccumulator]) -> ChunkAccumulator:
        taken = sum(accumulator.accumulated for accumulator in before)
        accumulator = ChunkAccumulator(
            ring,
            plan.copy,
            plan.layout,
            plan.fps,
            dispatcher.put,
            unusable,
            gap_tolerance_s=plan.date_tolerance_s,
            frame_id_cycle=source.frame_id_cycle,
            frame_limit=None if settings.frames is None else settings.frames - taken,
            first_chunk_index=sum(accumulator.chunks for accumulator in before),
            first_frame=sum(accumulator.received for accumulator in before),
            waits=source.can_wait,
            source=who_gives_frames(camera),
        )
        if tap is not None:
            tap.watch(accumulator, taken)
        return accumulator

    capture = Capture(
        settings,
        camera,
        plan.fps,
        reopen,
        make_accumulator,
        journal,
        dispatcher.interrupt,
        start,
        rests,
    )
    return RunParts(info, capture, dispatcher, pusher, archiver, uploader)
