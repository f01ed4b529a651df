"""Dated chunks on their way to the streamer, in order, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rheed_acquire.findings import FindingCode
from rheed_acquire.run.leavable_queue import LeavableQueue

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk
    from rheed_acquire.frames.stream_chunks import StreamChunks
    from rheed_acquire.host.guard.calls import Patience
    from rheed_acquire.run.clock_watch import ClockWatch
    from rheed_acquire.run.pushed_frames import ChunkFacts, PushedFrames
    from rheed_acquire.run.report import Journal
    from rheed_acquire.streaming.streamer import Streamer

logger = logging.getLogger(__name__)

LISTED = 20
"""So many chunks that were not taken are named one by one."""
POLL_S = 0.2


class Interruption:
    """Stands between chunks that do not follow on each other.

    Those of one connection to the camera and of the next; or where chunks between them did not come this way.
    """


INTERRUPTION = Interruption()


class Pusher:
    """Pushes what the stream has of each chunk, and counts it. Nobody else waits for a push.

    Parameters
    ----------
    streamer
        Where chunks go; a push that never returns is left behind with this thread.
    data_id
        Of the stream.
    journal
        Where chunks that are not taken are noted.
    pushed
        Counts those that are.
    watch
        Looks at the clock, and at the rate, after each chunk.
    stream_chunks
        Makes of each chunk of the camera the one that is pushed.
    patience
        Whether the user still waits.
    room
        Chunks that the stream may have at a time, where the ring's other buffers are an archive's; None where
        all are the stream's.
    waits
        Whether a chunk waits for room, as a recording's may.
    """

    def __init__(
        self,
        streamer: Streamer,
        data_id: str,
        journal: Journal,
        pushed: PushedFrames,
        watch: ClockWatch,
        stream_chunks: StreamChunks,
        patience: Patience,
        room: int | None = None,
        *,
        waits: bool = False,
    ) -> None:
        self._streamer, self._data_id, self._journal = streamer, data_id, journal
        self._watch, self._stream_chunks = watch, stream_chunks
        self._patience, self._waits = patience, waits
        self._room = None if room is None else threading.Semaphore(room)
        self.pushed = pushed
        self.frames_not_taken, self.chunks_not_taken = 0, 0
        self._reason = ""
        self._queue: LeavableQueue[tuple[Chunk, ChunkFacts] | Interruption] = LeavableQueue()
        self._counting = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._push_all, name="pusher", daemon=True)

    def start(self) -> None:
        """Begin to push."""
        self._thread.start()

    def put(self, chunk: Chunk, facts: ChunkFacts) -> None:
        """Take a dated chunk over; where there is no room for it, it is counted and released at once."""
        if self._room is not None:
            while not self._room.acquire(timeout=POLL_S if self._waits else 0):
                if not self._waits or self._patience.is_over:
                    self.miss(chunk, self._why_there_is_no_room())
                    chunk.release()
                    # Not its facts: where a push hangs for hours, they would fill the memory.
                    self.interrupt()
                    return
            _give_back_with(chunk, self._room)
        self._queue.put((chunk, facts))

    def interrupt(self) -> None:
        """Note that the next chunk does not follow on the one before it: the camera, or a chunk, was lost."""
        self._queue.put(INTERRUPTION)

    def miss(self, chunk: Chunk, reason: str) -> None:
        """Count a chunk that the streamer does not get."""
        with self._counting:
            self.frames_not_taken += len(chunk)
            self.chunks_not_taken += 1
            self._reason = self._reason or reason
            is_listed = self.chunks_not_taken <= LISTED
        if is_listed:
            self._journal.event(
                f"chunk {chunk.index} with {len(chunk)} frames was not taken: {reason}", "error"
            )

    def end(self) -> None:
        """Say that no more chunks come."""
        self._queue.end()

    def finish(self) -> None:
        """Push what is left, once `end` was called, and say what was not taken.

        A push that hangs is waited for with patience.
        """
        if not self._patience.wait(self._ended, None):
            self._leave_behind()
        if self.chunks_not_taken:
            self._journal.problem(
                FindingCode.CHUNK_NOT_TAKEN,
                f"{self.frames_not_taken} frames in {self.chunks_not_taken} chunks were not taken by the "
                f"streamer: {self._reason}",
                frames=self.frames_not_taken,
            )

    def _push_all(self) -> None:
        for item in self._queue:
            if isinstance(item, Interruption):
                self.pushed.interrupt()
            elif not self._push(*item):
                return
        self._watch.end()
        self._ended.set()

    def _push(self, chunk: Chunk, facts: ChunkFacts) -> bool:
        """Push one chunk; False where the run has waited no longer."""
        error: BaseException | None = None
        pushed, count = chunk, len(chunk)
        try:
            pushed = self._stream_chunks.of(chunk)
            count = len(pushed)
            self._streamer.push_chunk(self._data_id, pushed)
        # Whatever it is: this thread goes on, for the chunks that come after.
        except BaseException as caught:  # noqa: BLE001
            error = caught
        with self._queue.let_go() as is_ours:
            if not is_ours:
                return False
            if error is None:
                self.pushed.add(facts, count)
                self._watch.look(self.pushed)
                return True
            self.pushed.miss(facts)
            self.miss(chunk, str(error))
        logger.debug("push of chunk %d failed", chunk.index, exc_info=error)
        pushed.release()
        return True

    def _why_there_is_no_room(self) -> str:
        in_hand = self._queue.in_hand
        if isinstance(in_hand, tuple):
            return f"the push of chunk {in_hand[0].index} had not returned"
        return "the stream still held all of its chunk buffers"

    def _leave_behind(self) -> None:
        """Count what the thread has in hand, and what waits behind it, as not taken."""
        for item in self._queue.leave():
            if isinstance(item, tuple):
                self.miss(item[0], "the push did not return, and the user waited no longer")


def _give_back_with(chunk: Chunk, room: threading.Semaphore) -> None:
    """Have a chunk's end, whichever it is, make room for another."""
    give_back, set_aside = chunk.on_release, chunk.on_set_aside

    def release() -> None:
        if give_back is not None:
            give_back()
        room.release()

    def leave() -> None:
        if set_aside is not None:
            set_aside()
        room.release()

    chunk.on_release, chunk.on_set_aside = release, leave
