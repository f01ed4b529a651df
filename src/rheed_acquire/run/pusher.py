"""Chunks on their way from the camera's side to the streamer, in order, in a thread of their own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.run.depth_watch import DepthWatch
from rheed_acquire.run.pushed_frames import ChunkFacts, PushedFrames

if TYPE_CHECKING:
    from rheed_acquire.clocks.camera_clock import CaptureClock
    from rheed_acquire.frames.stream_chunks import StreamChunks
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.run.archiver import Archiver
    from rheed_acquire.run.clock_watch import ClockWatch
    from rheed_acquire.run.report import Journal, RunInfo
    from rheed_acquire.streaming.streamer import Streamer

logger = logging.getLogger(__name__)

LISTED = 20
"""So many chunks that were not taken are named one by one."""


class _Interruption:
    """Stands between the chunks of one connection to the camera and those of the next."""


_INTERRUPTION = _Interruption()


class Pusher:
    """Dates each chunk, shows it to whoever looks on, and pushes what the stream has of it.

    Parameters
    ----------
    streamer
        Where chunks go; a push that never returns is left behind with this thread.
    info
        Of the run.
    show
        Called with each chunk, dated, before its push.
    journal
        Where chunks that are not taken are noted.
    pushed
        Counts those that are.
    clock
        Tells when the frames were captured.
    watch
        Looks at the clock, and at the rate, after each chunk.
    tap
        Measures each frame, where somebody asked for it.
    stream_chunks
        Makes of each chunk of the camera the one that is pushed.
    archiver
        Takes each chunk of the camera too, where there is an archive.
    room
        With an archive: chunks that the stream may have at a time, the others being the archive's.
    """

    def __init__(
        self,
        streamer: Streamer,
        info: RunInfo,
        show: Callable[[RunInfo, Chunk], None],
        journal: Journal,
        pushed: PushedFrames,
        clock: CaptureClock,
        watch: ClockWatch,
        tap: FrameTap | None,
        stream_chunks: StreamChunks,
        archiver: Archiver | None = None,
        room: int = 0,
    ) -> None:
        self._streamer, self._info, self._show = streamer, info, show
        self._journal, self._tap = journal, tap
        self._watch, self._stream_chunks = watch, stream_chunks
        self._archiver, self._room = archiver, threading.Semaphore(room)
        self.pushed, self.clock = pushed, clock
        self.frames_not_taken, self.chunks_not_taken = 0, 0
        self._reason = ""
        self._depth = DepthWatch(journal, info.chunk_size)
        self._queue: queue.SimpleQueue[Chunk | _Interruption | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._in_hand: Chunk | None = None
        self._is_with_archiver = False
        self._left_behind = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._push_all, name="pusher", daemon=True)

    def start(self) -> None:
        """Begin to push."""
        self._thread.start()

    def put(self, chunk: Chunk) -> None:
        """Take a chunk over; called in the camera's thread."""
        self._queue.put(chunk)

    def interrupt(self) -> None:
        """Note that the camera was lost: the next chunk comes of another connection."""
        self._queue.put(_INTERRUPTION)

    def finish(self, patience: Patience) -> None:
        """Push what is left, and say what was not taken; a push that hangs is waited for with patience."""
        self._queue.put(None)
        if not patience.wait(self._ended, None):
            self._leave_behind()
        if self.chunks_not_taken:
            self._journal.problem(
                FindingCode.CHUNK_NOT_TAKEN,
                f"{self.frames_not_taken} frames in {self.chunks_not_taken} chunks were not taken by the "
                f"streamer: {self._reason}",
                frames=self.frames_not_taken,
            )

    def _push_all(self) -> None:
        while (chunk := self._queue.get()) is not None:
            if isinstance(chunk, _Interruption):
                self.clock.restarted()
                self.pushed.interrupt()
            elif not self._push(chunk):
                return
        self._watch.end()
        self._ended.set()

    def _push(self, chunk: Chunk) -> bool:
        """Push one chunk; False where the run has waited no longer."""
        with self._lock:
            if self._left_behind:
                return False
            self._in_hand, self._is_with_archiver = chunk, False
        error: BaseException | None = None
        facts: ChunkFacts | None = None
        pushed, count = chunk, len(chunk)
        try:
            times = self.clock.times(chunk)
            chunk.since_ns, chunk.fps = times.since_ns, times.fps
            chunk.is_stamped, chunk.moved_ns = bool(times.by_camera.all()), times.moved_ns
            chunk.date(times.start_ms_utc, "reference" if times.source in ("ptp", "utc") else "host")
            self._depth.look(chunk)
            if self._tap is not None:
                self._tap.complete(chunk, times.ms_utc)
            self._look_on(chunk)
            facts = ChunkFacts.of(chunk, times)
            if self._archiver is not None:
                chunk, archived = chunk.split()
                pushed, self._is_with_archiver = chunk, True
                self._archiver.put(archived)
                self._take_room(chunk)
            pushed = self._stream_chunks.of(chunk)
            count = len(pushed)
            self._streamer.push_chunk(self._info.data_id, pushed)
        # Whatever it is: this thread goes on, for the chunks that come after.
        except BaseException as caught:  # noqa: BLE001
            error = caught
        with self._lock:
            if self._left_behind:
                return False
            self._in_hand = None
            if error is None and facts is not None:
                self.pushed.add(facts, count)
                self._watch.look(self.pushed)
                return True
            self._not_taken(chunk, str(error), is_archived=self._is_with_archiver)
        logger.debug("push of chunk %d failed", chunk.index, exc_info=error)
        pushed.release()
        return True

    def _take_room(self, chunk: Chunk) -> None:
        """Let the stream have a chunk only while it has not all of its buffers.

        Raises
        ------
        RuntimeError
            It has, and the rest are the archive's.
        """
        if not self._room.acquire(timeout=None if self._info.camera.recorded else 0):
            raise RuntimeError("the stream still held all of its chunk buffers")
        give_back, set_aside = chunk.on_release, chunk.on_set_aside

        def release() -> None:
            if give_back is not None:
                give_back()
            self._room.release()

        def leave() -> None:
            if set_aside is not None:
                set_aside()
            self._room.release()

        chunk.on_release, chunk.on_set_aside = release, leave

    def _look_on(self, chunk: Chunk) -> None:
        try:
            self._show(self._info, chunk)
        except Exception:
            logger.exception("chunk %d could not be shown", chunk.index)

    def _not_taken(self, chunk: Chunk, reason: str, *, is_archived: bool) -> None:
        if self._archiver is not None and not is_archived:
            self._archiver.miss(len(chunk), reason)
        self.frames_not_taken += len(chunk)
        self.chunks_not_taken += 1
        self._reason = self._reason or reason
        if self.chunks_not_taken <= LISTED:
            self._journal.event(
                f"chunk {chunk.index} with {len(chunk)} frames was not taken: {reason}", "error"
            )

    def _leave_behind(self) -> None:
        """Count what the thread has in hand, and what waits behind it, as not taken."""
        with self._lock:
            if self._ended.is_set():
                return
            self._left_behind = True
            left = [self._in_hand]
            while True:
                try:
                    waiting = self._queue.get_nowait()
                except queue.Empty:
                    break
                left.append(waiting if isinstance(waiting, Chunk) else None)
            for chunk in left:
                if chunk is not None:
                    self._not_taken(
                        chunk,
                        "the push did not return, and the user waited no longer",
                        is_archived=chunk is self._in_hand and self._is_with_archiver,
                    )
