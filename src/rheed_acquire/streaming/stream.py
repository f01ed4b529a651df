"""One stream's state: what was declared, what was pushed, and how far each chunk has come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.mapped_memory import never
from rheed_acquire.frames.ring import ChunkRing
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.streamer import DeliveryStatus
from rheed_acquire.system.home_process import HomeProcess

if TYPE_CHECKING:
    from rheed_acquire.streaming.server_answers import RefusedChunk, UploadTarget

logger = logging.getLogger(__name__)


class _Upload(NamedTuple):
    """A chunk's upload that was confirmed."""

    size: int
    upload_id: str


class Stream:
    """Counts a stream's chunks on their way; every method may be called from any thread.

    Parameters
    ----------
    folder
        Of the stream in the spool; its record says what `RHEEDStreamer.initialize` declared.
    ring_chunks
        Buffers of the stream's ring.
    when_full
        What a full spool means for the run.

    Attributes
    ----------
    damaged
        What was found damaged where an earlier process left it, in words.
    pushes_wait
        Whether who fills the ring waits while it is full, as a `push` of arrays and a recording do; a camera
        does not.
    shards_are_kept
        Whether the server keeps shards as they come.
    is_verified_later
        Whether the server looks at chunks only after it has confirmed them.
    takes_growth
        Whether the server wants to know how fast it grows.
    takes_padded
        Whether a chunk with fewer frames than the others is to have an index as long as theirs.
    """

    def __init__(self, folder: StreamFolder, ring_chunks: int, when_full: WhenFull) -> None:
        record = folder.record
        self.folder, self.data_id, self.fps = folder, record.data_id, record.fps
        self.rotating, self.chunk_size = record.rotations_per_min > 0, record.chunk_size
        self.next_idx = 0
        self.damaged: list[str] = []
        self.archive_trouble: str | None = None
        self._ring_chunks, self._when_full = ring_chunks, when_full
        self._ring: ChunkRing | None = None
        self.pushes_wait = self.shards_are_kept = self.is_verified_later = False
        self.takes_growth = self.takes_padded = False
        self._frame_shape: tuple[int, int] | None = None
        self._home = HomeProcess(f"stream {record.data_id}")
        self._changed = threading.Condition()
        # By index, so that what is counted twice, as after a step that failed half-way, counts once.
        self._pushed: set[int] = set()
        self._spooled: set[int] = set()
        self._uploaded: dict[int, _Upload] = {}
        self._lost: dict[int, str] = {}
        self._refused: set[int] = set()
        self._bytes_uploaded = 0
        self._last_error: str | None = None
        self._spool_trouble: str | None = None
        self._finalizing = False
        self._abandoned = False

    def check(self, chunk_idx: int, shape: tuple[int, int, int]) -> None:
        """Say whether a chunk could be pushed.

        Raises
        ------
        ValueError
            More frames than a chunk may have, frames of another size than the stream's, or an index that
            was pushed before.
        RuntimeError
            The stream is being finalized.
        """
        self._home.check()
        count, height, width = shape
        if count > self.chunk_size:
            raise ValueError(
                f"chunk {chunk_idx} has {count} frames, more than the declared chunk_size, {self.chunk_size}"
            )
        with self._changed:
            if self._finalizing:
                raise RuntimeError(
                    f"stream {self.data_id} is finalized: nothing can be pushed to it any more"
                )
            if self._frame_shape is not None and self._frame_shape != (height, width):
                raise ValueError(
                    f"chunk {chunk_idx} has frames of {height} x {width} pixels, the stream's have "
                    f"{self._frame_shape[0]} x {self._frame_shape[1]}"
                )
            if chunk_idx in self._pushed:
                raise ValueError(f"chunk {chunk_idx} was pushed before: each chunk needs an index of its own")

    def admit(self, chunk_idx: int, shape: tuple[int, int, int]) -> None:
        """Count a chunk as pushed; raises as `check` does."""
        self._home.check()
        with self._changed:
            self.check(chunk_idx, shape)
            self._frame_shape = shape[1:]
            self._pushed.add(chunk_idx)
            self.next_idx = max(self.next_idx, chunk_idx + 1)
        if self.folder.record.delivered:  # an interrupted end had everything; what comes now it had not
            self.note(delivered=False)

    def withdraw(self, chunk_idx: int) -> None:
        """Take an admission back: the chunk could not be taken after all, and may be pushed again."""
        with self._changed:
            self._pushed.discard(chunk_idx)
            self.next_idx = max(self._pushed, default=-1) + 1
            if self._ring is None:
                self._frame_shape = None
            self._changed.notify_all()

    def ring(
        self,
        height: int,
        width: int,
        count: int | None = None,
        *,
        grows: bool = False,
        given_up: Callable[[], bool] = never,
        form: ChunkForm = PLAIN,
    ) -> ChunkRing:
        """The ring that this stream's chunks are built in, made when it is first needed.

        Whole, so that a camera's callback finds all memory there; or, where it ``grows``, buffer by buffer.

        Raises
        ------
        RingMemoryError
            There is no room for it.
        RingGivenUpError
            It is not wanted any more, as ``given_up`` says.
        """
        with self._changed:
            if self._ring is None:
                self.pushes_wait = grows or form.waits
                self._ring = self.folder.ring.make(
                    count or self._ring_chunks,
                    self.chunk_size * form.reduction.frames,
                    height,
                    width,
                    process_clock().utc_ns(0),
                    grows=grows,
                    given_up=given_up,
                    form=form,
                )
            return self._ring

    @property
    def ring_is_short(self) -> bool:
        """Whether the ring has at most one buffer left for the stream; or none, where pushes can wait."""
        ring = self._ring
        return ring is not None and ring.available <= ring.for_archive + (0 if self.pushes_wait else 1)

    def keep_ring(self) -> None:
        """Leave what the ring holds to a later recovery, whoever still releases a chunk of it."""
        with self._changed:
            if self._ring is not None:
                self._ring.keep()

    def let_go_of_ring(self) -> None:
        """Unmap the ring, as far as nobody holds a chunk of it, so that its files can be deleted."""
        with self._changed:
            if self._ring is not None:
                self._ring.close()

    def heed(self, target: UploadTarget) -> None:
        """Learn what the server says of itself with each URL."""
        self.shards_are_kept, self.is_verified_later = target.keeps_shards, target.is_verified_later
        self.takes_growth, self.takes_padded = target.takes_growth, target.takes_padded

    def spooled(self, chunk_idx: int) -> None:
        """Count a chunk as on disk."""
        with self._changed:
            self._spooled.add(chunk_idx)
            self._spool_trouble = None

    def uploaded(self, chunk_idx: int, size: int, upload_id: str = "") -> None:
        """Count a chunk as confirmed by the server, its shard having ``size`` bytes."""
        with self._changed:
            if chunk_idx not in self._uploaded:
                self._uploaded[chunk_idx] = _Upload(size, upload_id)
                self._bytes_uploaded += size
            self._lost.pop(chunk_idx, None)
            self._last_error = None
            self._changed.notify_all()

    def take_back(self, refused: RefusedChunk, *, whichever: bool = False) -> bool:
        """Count a chunk as uploaded no more that was confirmed and does not hold; False where it is not so.

        Parameters
        ----------
        whichever
            Whether that is true of any upload of it, since the stream has ended, and not of that one alone.
        """
        with self._changed:
            known = self._uploaded.get(refused.chunk_idx)
            if known is None or not (whichever or known.upload_id == refused.upload_id):
                return False
            del self._uploaded[refused.chunk_idx]
            self._bytes_uploaded -= known.size
            return True

    def lose_refused(self, refused: RefusedChunk) -> None:
        """Count a chunk as given up that was confirmed, does not hold, and is not here any more."""
        with self._changed:
            self._pushed.add(refused.chunk_idx)  # by an earlier process, perhaps
            self._refused.add(refused.chunk_idx)
        self.lose(refused.chunk_idx, f"the server had confirmed it, and found later: {refused.reason}")

    def lose(self, chunk_idx: int, reason: str, *, gone: bool = False) -> None:
        """Count a chunk as given up; ``gone`` where the server has closed the stream or lost it."""
        with self._changed:
            if chunk_idx in self._uploaded:
                return
            self._lost.setdefault(chunk_idx, reason)
            self._changed.notify_all()
        if gone and self.folder.record.refused is None:
            self.note(refused=reason)
        self.failed_attempt(reason)

    def miss(self, chunk_idx: int, reason: str) -> None:
        """Count a chunk as pushed and given up: it is known that it was there, and no more."""
        with self._changed:
            self._pushed.add(chunk_idx)
        self.lose(chunk_idx, reason)

    @property
    def is_lossless(self) -> bool:
        """Whether no chunk was given up of which there is still something here."""
        with self._changed:
            return not self._lost.keys() - self._refused

    def reason_lost(self, chunk_idx: int) -> str | None:
        """Why a chunk was given up; None where it was not."""
        with self._changed:
            return self._lost.get(chunk_idx)

    def failed_attempt(self, reason: str) -> None:
        """Remember what went wrong, for whoever asks, from this process or another."""
        with self._changed:
            is_news = self._last_error is None
            self._last_error = reason
        if is_news:
            self.note(last_error=reason)

    def spool_refuses(self, reason: str) -> None:
        """Note that a chunk could not be spooled: it is uploaded from memory."""
        with self._changed:
            if self._spool_trouble is None:
                logger.warning("the spool takes no more: %s; chunks are uploaded from memory", reason)
            self._spool_trouble = reason

    @property
    def stop_reason(self) -> str | None:
        """Why nothing more should be captured, or None."""
        if self._spool_trouble is None or self._when_full is not WhenFull.STOP:
            return None
        return f"the spool is full: {self._spool_trouble}"

    def begin_finalizing(self) -> None:
        """Refuse further chunks.

        Raises
        ------
        RuntimeError
            The stream was finalized before.
        """
        with self._changed:
            if self._finalizing:
                raise RuntimeError(f"stream {self.data_id} was finalized before")
            self._finalizing = True

    def resume(self) -> None:
        """Take chunks again: the finalizing was interrupted."""
        with self._changed:
            self._finalizing = False

    def drain(self, timeout_s: float, on_chunks: Callable[[int], None] = lambda chunks: None) -> bool:  # noqa: ARG005
        """Wait until no chunk is on its way; False where one still is after ``timeout_s`` seconds.

        ``on_chunks`` is told, from the first chunk on, of how many more have arrived or were given up.
        """
        deadline = time.monotonic() + timeout_s
        told = 0
        while True:
            with self._changed:
                is_over = self._changed.wait_for(
                    lambda: self._abandoned or not self._pending or self._done > told,  # noqa: B023
                    max(0.0, deadline - time.monotonic()),
                )
                done, pending, is_over = self._done, self._pending, not is_over or self._abandoned
            on_chunks(max(0, done - told))  # fewer where some come again
            told = max(told, done)
            if is_over or not pending:
                return not pending

    def abandon(self) -> None:
        """Let whoever drains the stream wait no longer."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the rest any more."""
        return self._abandoned

    def status(self) -> DeliveryStatus:
        """How far the chunks have come."""
        with self._changed:
            return DeliveryStatus(
                chunks_pushed=len(self._pushed),
                chunks_uploaded=len(self._uploaded),
                chunks_failed=len(self._lost),
                bytes_uploaded=self._bytes_uploaded,
                chunks_spooled=len(self._spooled),
                lost=tuple(sorted(self._lost.items())),
                last_error=self._last_error,
                stop_reason=self.stop_reason,
            )

    def report(self, *, closed: bool) -> dict[str, Any]:
        """The counts that `RHEEDStreamer.finalize` returns."""
        with self._changed:
            return {
                "chunks_spooled": len(self._spooled),
                "chunks_from_memory": len(self._uploaded.keys() - self._spooled),
                "chunks_uploaded": len(self._uploaded),
                "chunks_dropped": 0,
                "chunks_failed": len(self._lost),
                "chunks_purged": 0,
                "chunks_not_uploaded": len(self._pushed) - len(self._uploaded),
                "chunks_pending": self._pending,
                "drained": not self._pending,
                "closed": closed,
                "lost": sorted(self._lost.items()),
                "bytes_uploaded": self._bytes_uploaded,
            }

    def note(self, **changes: str | bool) -> None:
        """Change the stream's record, as far as the disk takes it."""
        try:
            self.folder.update(**changes)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.folder.path, error)

    @property
    def _done(self) -> int:
        return len(self._uploaded) + len(self._lost)

    @property
    def _pending(self) -> int:
        return len(self._pushed) - self._done
