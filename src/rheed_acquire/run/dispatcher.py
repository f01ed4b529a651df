"""Chunks on their way from the camera's side to those who take them, in order, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from rheed_acquire.frames.ring import Chunk
from rheed_acquire.host.guard.calls import LAST_CALL_S, Patience
from rheed_acquire.recording.growth_notes import encode_growth
from rheed_acquire.run.depth_watch import DepthWatch
from rheed_acquire.run.leavable_queue import LeavableQueue
from rheed_acquire.run.pushed_frames import ChunkFacts
from rheed_acquire.run.pusher import INTERRUPTION, Interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheed_acquire.clocks.camera_clock import CaptureClock
    from rheed_acquire.regions.chunk_traces import ChunkTrace
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.run.archiver import Archiver
    from rheed_acquire.run.pusher import Pusher
    from rheed_acquire.run.report import Journal, RunInfo

logger = logging.getLogger(__name__)


class Dispatcher:
    """Dates each chunk, shows it to whoever looks on, and gives it to the stream and to the archive.

    Nothing in its thread waits for either of them, but for a recording's chunks.

    Parameters
    ----------
    info
        Of the run.
    show
        Called with each chunk, dated, before anybody takes it.
    journal
        Where oddities of the frames are noted.
    clock
        Tells when the frames were captured.
    tap
        Measures each frame, where somebody asked for it.
    pusher
        Takes each chunk for the stream.
    archiver
        Takes each chunk too, where there is an archive.
    """

    def __init__(
        self,
        info: RunInfo,
        show: Callable[[RunInfo, Chunk], None],
        journal: Journal,
        clock: CaptureClock,
        tap: FrameTap | None,
        pusher: Pusher,
        archiver: Archiver | None = None,
    ) -> None:
        self._info, self._show, self._tap = info, show, tap
        self._pusher, self._archiver = pusher, archiver
        self.clock = clock
        self._depth = DepthWatch(journal, info.chunk_size)
        self._queue: LeavableQueue[Chunk | Interruption] = LeavableQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._dispatch_all, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin to dispatch."""
        self._thread.start()

    def put(self, chunk: Chunk) -> None:
        """Take a chunk over; called in the camera's thread."""
        self._queue.put(chunk)

    def interrupt(self) -> None:
        """Note that the camera was lost: the next chunk comes of another connection."""
        self._queue.put(INTERRUPTION)

    def finish(self, patience: Patience) -> None:
        """Dispatch what is left; who takes it knows then that no more will come."""
        self._queue.end()
        # Whoever waits for room in its thread sees when the last moment is over, and lets it go on.
        if not patience.wait(self._ended, None) and not self._ended.wait(LAST_CALL_S):
            self._leave_behind()

    def _dispatch_all(self) -> None:
        for item in self._queue:
            if isinstance(item, Interruption):
                self.clock.restarted()
                self._pusher.interrupt()
            elif not self._dispatch(item):
                return
        self._end_takers()
        self._ended.set()

    def _end_takers(self) -> None:
        self._pusher.end()
        if self._archiver is not None:
            self._archiver.end()

    def _dispatch(self, chunk: Chunk) -> bool:
        """Dispatch one chunk; False where the run has waited no longer."""
        error: BaseException | None = None
        prepared: tuple[ChunkFacts, Sequence[ChunkTrace]] | None = None
        try:
            prepared = self._prepare(chunk)
        # Whatever it is: this thread goes on, for the chunks that come after.
        except BaseException as caught:  # noqa: BLE001
            error = caught
        with self._queue.let_go() as is_ours:
            if not is_ours:
                return False
        if prepared is None:
            logger.debug("chunk %d could not be dispatched", chunk.index, exc_info=error)
            self._nobody_takes(chunk, str(error))
            chunk.release()
            return True
        facts, traces = prepared
        if self._archiver is not None:
            chunk, archived = chunk.split()
            self._archiver.put(archived, traces)
        self._pusher.put(chunk, facts)
        return True

    def _prepare(self, chunk: Chunk) -> tuple[ChunkFacts, Sequence[ChunkTrace]]:
        """Date a chunk, measure and show it."""
        times = self.clock.times(chunk)
        chunk.since_ns, chunk.fps = times.since_ns, times.fps
        chunk.is_stamped, chunk.moved_ns = bool(times.by_camera.all()), times.moved_ns
        chunk.date(times.start_ms_utc, "reference" if times.source in ("ptp", "utc") else "host")
        self._depth.look(chunk)
        traces: Sequence[ChunkTrace] = ()
        if self._tap is not None:
            traces = self._tap.complete(chunk, times.ms_utc)
            growth = self._tap.growth.take()
            chunk.growth = None if growth is None else encode_growth(growth)
        try:
            self._show(self._info, chunk)
        except Exception:
            logger.exception("chunk %d could not be shown", chunk.index)
        return ChunkFacts.of(chunk, times), traces

    def _nobody_takes(self, chunk: Chunk, reason: str) -> None:
        if self._archiver is not None:
            self._archiver.miss(len(chunk), reason)
        self._pusher.miss(chunk, reason)
        self._pusher.interrupt()

    def _leave_behind(self) -> None:
        """Count what the thread has in hand, and what waits behind it, as taken by nobody."""
        for item in self._queue.leave():
            if isinstance(item, Chunk):
                self._nobody_takes(item, "the run was still looking at it, and the user waited no longer")
        if not self._ended.is_set():
            self._end_takers()
