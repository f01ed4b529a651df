"""The archive beside the stream: chunks are written to it in a thread of its own, which nobody waits for."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.recording.archive import Archive, check_archive, free_folder
from rheed_acquire.recording.bucket_path import BucketPath
from rheed_acquire.recording.declarations import StreamDeclaration
from rheed_acquire.recording.layout import UNNAMED
from rheed_acquire.recording.run_files import read_stream
from rheed_acquire.streaming.stream_places import default_spool_folder
from rheed_acquire.streaming.waiting_archives import (
    WaitingArchive,
    check_bucket,
    free_target,
    waiting_folder,
)
from rheed_acquire.system.priority import make_way
from rheed_acquire.system.worker import Worker, one_by_one

if TYPE_CHECKING:
    from datetime import datetime

    from rheed_acquire.frames.frame_form import FrameForm
    from rheed_acquire.host.guard.calls import Patience
    from rheed_acquire.regions.chunk_traces import ChunkTrace
    from rheed_acquire.run.report import Journal
    from rheed_acquire.settings.run_settings import RunSettings

logger = logging.getLogger(__name__)

BEHIND = "it is slower than the camera"
"""Why a chunk found no room; at the end it is said what of it is slow."""
FEWER_TO_COMPRESS = (
    "choose a smaller region or a lower frame rate, or run fewer programs beside it; more --ring-chunks help "
    "where it lasts only for a while"
)
POLL_S = 0.2

_Measured: TypeAlias = "tuple[Chunk, Sequence[ChunkTrace]]"


class Archiver:
    """Gives each chunk of the camera's to the archive, and counts what is in it.

    It has no more than its share of the ring's buffers at a time, so that a slow disk costs frames of the
    archive and none of the stream.

    Parameters
    ----------
    archive
        Of the run.
    chunk_size
        Frames in a full chunk.
    utc_ns
        Makes ns since 1970 in UTC of an arrival.
    journal
        Where frames that are not archived are noted.
    stops_run
        Whether the run is to end where the archive takes no more.
    room
        Chunks that it may have at a time.
    patience
        Whether the user still waits.
    waits
        Whether a chunk waits for room, as a recording's may.
    """

    def __init__(
        self,
        archive: Archive,
        chunk_size: int,
        utc_ns: Callable[[int], int],
        journal: Journal,
        room: int,
        patience: Patience,
        *,
        stops_run: bool,
        waits: bool,
    ) -> None:
        self._archive, self._chunk_size, self._utc_ns = archive, chunk_size, utc_ns
        self._journal, self._stops_run, self._waits = journal, stops_run, waits
        self._room, self._patience = threading.Semaphore(room), patience
        self._queue: queue.SimpleQueue[_Measured | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._under_way: list[Chunk] = []
        self._left_behind = False
        self._reasons: dict[str, int] = {}
        self._ended, self._closing = threading.Event(), threading.Event()
        self.frames = self.frames_missed = 0
        self.trouble: str | None = None
        self._worker = Worker(
            "archiver",
            one_by_one(self._queue.get, self._add, self._give_up),
            self._closing,
            at_begin=make_way,
            at_end=self._close,
        )

    def start(self) -> None:
        """Begin to write."""
        self._worker.start()

    @property
    def stop_reason(self) -> str | None:
        """Why the run has to end, or None."""
        if self.trouble is None or not self._stops_run:
            return None
        return f"the archive takes no more: {self.trouble}"

    def put(self, chunk: Chunk, traces: Sequence[ChunkTrace] = ()) -> None:
        """Take a dated chunk over; where there is no room for it, it is counted and released at once.

        Parameters
        ----------
        traces
            What was measured of the regions in it.
        """
        while not self._room.acquire(timeout=POLL_S if self._waits else 0):
            if not self._waits or self._patience.is_over:
                self.miss(len(chunk), BEHIND)
                chunk.release()
                return
        with self._lock:
            self._under_way.append(chunk)
        self._queue.put((chunk, traces))

    def miss(self, frames: int, reason: str) -> None:
        """Count frames that do not come into the archive."""
        with self._lock:
            self.frames_missed += frames
            self._reasons[reason] = self._reasons.get(reason, 0) + frames
            is_first = self.trouble is None
            self.trouble = reason
        if is_first:
            self._journal.event(f"frames are missing from the archive: {reason}", "error")

    def end(self) -> None:
        """Say that no more chunks come: once those it has are written the archive is closed."""
        self._queue.put(None)

    def finish(self, timeout_s: float) -> None:
        """Wait for that, `end` having been called, for ``timeout_s`` seconds at most; say what is missing."""
        is_over = self._patience.wait(self._ended, timeout_s)
        self._closing.set()
        if not is_over:
            with self._lock:
                self._left_behind = True
                left = sum(len(chunk) for chunk in self._under_way)
            if left:
                self.miss(left, "its disk did not answer")
            self._journal.problem(
                FindingCode.ARCHIVE_OPEN,
                f"the archive {self._archive.folder} did not come to its end in {timeout_s:g} s",
                frames=0,
            )
        if self.frames_missed:
            self._say_what_is_missing()

    def _say_what_is_missing(self) -> None:
        behind, advice = self._why_behind()
        reasons = "; ".join(
            f"{frames}: {behind if reason == BEHIND else reason}" for reason, frames in self._reasons.items()
        )
        self._journal.problem(
            FindingCode.NOT_ARCHIVED,
            f"{self.frames_missed} frames are not in the archive ({reasons})",
            frames=self.frames_missed,
            advice=advice if set(self._reasons) == {BEHIND} else None,
        )

    def _why_behind(self) -> tuple[str, str | None]:
        """Say which part of the archive was slower than the camera, by what was measured, and what to do."""
        if not self.frames:
            return "its disk had not taken the first chunk yet", None
        encode_ms, write_ms = (
            1e3 * seconds / self.frames for seconds in (self._archive.encode_s, self._archive.write_s)
        )
        times = f"compressing takes {encode_ms:.2g} ms a frame and writing {write_ms:.2g} ms"
        period_ms = 1e3 / self._archive.fps
        is_disk = write_ms >= encode_ms
        what = "its disk is" if is_disk else "this computer's processor is"
        how = "slower than the camera" if encode_ms + write_ms > period_ms else "too slow at times"
        text = f"{what} {how}: {times}, and one comes every {period_ms:.2g} ms"
        return text, None if is_disk else FEWER_TO_COMPRESS

    def _add(self, measured: _Measured) -> None:
        chunk, traces = measured
        arrived_ns = int(chunk.host_ns[0])
        utc_offset_ns = self._utc_ns(arrived_ns) - arrived_ns
        more_wait = len(self._under_way) > 1
        self._archive.add(chunk, self._chunk_size, utc_offset_ns, traces=traces, more_wait=more_wait)
        self._settle(chunk, None)

    def _give_up(self, measured: _Measured, error: BaseException) -> None:
        """Release a chunk that could not be written; the next one is tried again."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._settle(measured[0], reason or type(error).__name__)

    def _settle(self, chunk: Chunk, reason: str | None) -> None:
        """Count a chunk, once, and make room for another; again it only releases what is not released yet."""
        with self._lock:
            is_first = chunk in self._under_way
            is_counted = self._left_behind or not is_first
            if is_first:
                self._under_way.remove(chunk)
            if reason is None and not is_counted:
                self.frames += len(chunk)
        if reason is not None and not is_counted:
            self.miss(len(chunk), reason)
        try:
            chunk.release()
        finally:
            if is_first:
                self._room.release()

    def _close(self) -> None:
        try:
            self._archive.close("the run has ended")
        except Exception as error:
            logger.debug("the archive could not be closed", exc_info=True)
            self._journal.problem(
                FindingCode.ARCHIVE_OPEN, f"the archive could not be closed: {error}", frames=0
            )
        self._ended.set()


@dataclass(frozen=True, slots=True)
class PlannedArchive:
    """A run's archive before it is made: what has its frames too must know of it first.

    Attributes
    ----------
    folder
        Where it will be written.
    bucket
        Where in a bucket it belongs; None where it stays in its folder.
    spool
        In which it waits for the bucket.
    keep_free_bytes
        Of the disk that it waits on.
    """

    folder: Path
    bucket: BucketPath | None
    spool: Path
    keep_free_bytes: int
    data_id: str
    declaration: StreamDeclaration
    form: FrameForm
    physical_sample: str | None
    tags: tuple[str, ...]

    def make(self) -> tuple[Archive, WaitingArchive | None]:
        """Make it, and what waits with it where it belongs into a bucket.

        Raises
        ------
        RheedAcquireError
            It cannot be written.
        """
        waiting = None
        if self.bucket is not None:
            try:
                waiting = WaitingArchive.create(self.spool, self.bucket)
            except OSError as error:
                raise RheedAcquireError(
                    f"the archive cannot be written to {self.folder}, where it waits for its bucket: "
                    f"{error.strerror}"
                ) from None
        archive = Archive.create(
            self.folder,
            self.data_id,
            self.declaration,
            self.form,
            self.physical_sample,
            self.tags,
            is_for_bucket=waiting is not None,
        )
        archive.keep_free_bytes = 0 if waiting is None else self.keep_free_bytes
        return archive, waiting


def plan_archive(
    settings: RunSettings,
    data_id: str,
    fps: float,
    frame: FrameForm,
    output: Path | None,
    created: datetime,
) -> PlannedArchive | None:
    """Say what a run's archive will be, where one is asked for.

    Parameters
    ----------
    fps
        The camera's.
    frame
        What its frames are.
    output
        The stream's recording on this computer, which knows its name; None where there is none.
    """
    if settings.archive is None:
        return None
    named = None if output is None else (read_stream(output) or {}).get("name")
    rotations = settings.rotations_per_min
    declaration = StreamDeclaration(
        name=settings.stream_name or str(named or UNNAMED),
        fps=fps,
        rotations_per_min=rotations,
        rotational_period=fps * 60.0 / rotations if rotations > 0 else None,
        project_id=settings.project_id,
        azimuth_label=settings.azimuth,
    )
    spool = spool_of(settings)
    if isinstance(settings.archive, BucketPath):
        bucket = free_target(settings.archive, declaration.name, data_id, created)
        folder = waiting_folder(spool, bucket)
    else:
        bucket = None
        folder = free_folder(settings.archive.absolute(), declaration.name, data_id, created)
    return PlannedArchive(
        folder,
        bucket,
        spool,
        # As much again as the spool keeps free, so that the stream still has room where the archive has none.
        round(2e9 * settings.spool_keep_free),
        data_id,
        declaration,
        frame,
        settings.physical_sample,
        settings.tags,
    )


def spool_of(settings: RunSettings) -> Path:
    """The folder of the run's spool."""
    return (settings.spool_dir or default_spool_folder()).absolute()


def check_place(settings: RunSettings, journal: Journal) -> None:
    """See that archives can be kept where the run is to keep one; a store that is away is noted.

    Raises
    ------
    SettingsError
        They cannot.
    """
    if settings.archive is None:
        return
    if isinstance(settings.archive, Path):
        check_archive(settings.archive)
        return
    trouble = check_bucket(settings.archive, spool_of(settings))
    if trouble is not None:
        journal.warn(
            FindingCode.ARCHIVE_AWAY,
            f"{settings.archive} cannot be reached ({trouble}): the archive waits on this computer's disk",
        )
