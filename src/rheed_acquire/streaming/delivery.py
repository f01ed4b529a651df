"""The threads between `push` and the server: an encoder, two that spool, and upload workers.

The encoder works on one chunk at a time with all processors, so that the first is ready soonest; the disk
takes the chunks before it meanwhile. Their work and the upload workers' leave the GIL to the camera's
callback for nearly all of the time.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import google_crc32c

from rheed_acquire.priority import make_way
from rheed_acquire.streaming.api import ApiError, AtomscaleApi
from rheed_acquire.streaming.compression import Compression
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.reference_clock import ReferenceClock, corrected
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.shard import Shard, encode_shard
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool import Spool, SpoolFullError, StreamLetGoError
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.upload_window import UploadWindow

if TYPE_CHECKING:
    from rheed_acquire.ring import Chunk

logger = logging.getLogger(__name__)

ENCODE_ATTEMPTS = 3
SPOOLERS = 2
"""While one waits for the disk to sync, the other writes."""


class Delivery:
    """Encodes and uploads the chunks of any number of streams.

    Parameters
    ----------
    open_api
        Makes the connections of an upload worker.
    spool
        Where shards wait; closed by `close`.
    clock
        That stamps are corrected by; stopped by `close`.
    compression_level
        Of zstd; None to choose it for each chunk (see `Compression`).
    workers
        Uploads under way at once, at most.
    backoff
        Between attempts at one chunk.
    """

    def __init__(
        self,
        open_api: Callable[[], AtomscaleApi],
        spool: Spool,
        clock: ReferenceClock,
        *,
        compression_level: int | None,
        workers: int,
        backoff: Backoff,
    ) -> None:
        self._open_api = open_api
        self.spool, self.clock = spool, clock
        self._compression, self._backoff = Compression(compression_level), backoff
        self._chunks: queue.SimpleQueue[tuple[Stream, Chunk, threading.Event] | None] = queue.SimpleQueue()
        self._streams: dict[str, Stream] = {}
        # Chunks that the disk would not take: their buffers are kept until the server has them.
        self._held: dict[tuple[str, int], tuple[Chunk, threading.Event]] = {}
        self._closing = threading.Event()
        self._window = UploadWindow(workers)
        # One chunk is encoded, one waits here, two are being written: that many lie in memory, compressed.
        self._encoded: queue.Queue[tuple[Stream, Chunk, Shard, threading.Event] | None] = queue.Queue(1)
        self._disk_is_behind = False
        self._threads = [
            threading.Thread(target=self._encode_chunks, name="encoder", daemon=True),
            *(
                threading.Thread(target=self._spool_shards, name=f"spooler-{number}", daemon=True)
                for number in range(SPOOLERS)
            ),
        ]
        self._threads += [
            threading.Thread(target=self._upload_shards, name=f"upload-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def closing(self) -> bool:
        """Whether nothing more is encoded or uploaded."""
        return self._closing.is_set()

    def register(self, stream: Stream) -> None:
        """Make a stream known before its first chunk."""
        self._streams[stream.data_id] = stream

    def deliver(self, stream: Stream, chunk: Chunk) -> threading.Event:
        """Take a chunk over; the event is set once it survives loss of power, on disk or on the server.

        Its buffer is released then, and not before. The event is also set where the chunk is given up
        (`Stream.reason_lost`).
        """
        safe = threading.Event()
        self._chunks.put((stream, chunk, safe))
        return safe

    def forget(self, stream: Stream) -> None:
        """Let go of a finalized stream."""
        self._streams.pop(stream.data_id, None)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the threads, and let nobody wait for what is left any more.

        An upload that hangs is left behind after ``timeout_s`` seconds.
        """
        self._closing.set()
        for stream in list(self._streams.values()):
            stream.abandon()
        self._chunks.put(None)
        self._window.close()
        self.spool.close()
        self.clock.stop()
        for thread in self._threads:
            thread.join(timeout_s)

    def _encode_chunks(self) -> None:
        make_way()
        while (item := self._chunks.get()) is not None and not self.closing:
            stream, chunk, safe = item
            # A stream that was finalized with chunks waiting: they stay in its ring, for a later recovery.
            content = (
                self._encode(stream, chunk, safe) if self._streams.get(stream.data_id) is stream else None
            )
            if content is not None:
                self._pass_on((stream, chunk, content, safe))
            del item, chunk, content
        for _ in range(SPOOLERS):
            self._encoded.put(None)

    def _pass_on(self, encoded: tuple[Stream, Chunk, Shard, threading.Event]) -> None:
        try:
            self._encoded.put_nowait(encoded)
            self._disk_is_behind = False
        except queue.Full:
            self._disk_is_behind = True
            self._encoded.put(encoded)

    def _spool_shards(self) -> None:
        make_way()
        while (item := self._encoded.get()) is not None:
            stream, chunk, content, safe = item
            try:
                self._spool(stream, chunk, content, safe)
            except Exception as error:
                # The buffer is not released, as where encoding fails.
                logger.exception("chunk %d of stream %s cannot be spooled", chunk.index, stream.data_id)
                stream.lose(chunk.index, f"spooling failed: {error}")
                safe.set()
            del item, chunk, content

    def _encode(self, stream: Stream, chunk: Chunk, safe: threading.Event) -> Shard | None:
        nbytes = chunk.frames.nbytes
        waiting = self._chunks.qsize(), self.spool.shards_waiting
        level = self._compression.choose(
            time.monotonic(),
            *waiting,
            nbytes,
            disk_is_behind=self._disk_is_behind,
            can_wait=stream.pushes_wait,
        )
        for attempt in range(ENCODE_ATTEMPTS):
            begun_s = time.monotonic()
            try:
                shard = encode_shard(chunk.frames, level)
            except Exception as error:
                # Most likely memory, which may be there again in a moment.
                logger.exception("chunk %d of stream %s cannot be encoded", chunk.index, stream.data_id)
                reason = f"encoding failed: {error}"
            else:
                self._compression.took(level, time.monotonic() - begun_s, nbytes)
                return shard
            if self._closing.wait(attempt + 1.0):
                return None
        # The buffer is not released: what is in it can be recovered later.
        stream.lose(chunk.index, reason)
        safe.set()
        return None

    def _spool(self, stream: Stream, chunk: Chunk, content: Shard, safe: threading.Event) -> None:
        shard = describe_shard(stream, chunk, content.size, self.clock)
        try:
            self.spool.keep(shard, content)
        except StreamLetGoError:
            logger.info("chunk %d of stream %s stays in the ring", chunk.index, stream.data_id)
        except (SpoolFullError, OSError) as error:
            # Not on disk, so it goes from memory, and keeps its place in the ring until the server has it.
            shard.content = bytes(content)
            shard.crc32c = google_crc32c.value(shard.content)
            self._held[shard.data_id, shard.chunk_idx] = (chunk, safe)
            stream.spool_refuses(getattr(error, "strerror", None) or str(error))
            self.spool.enqueue(shard)
        else:
            # Before it can be uploaded: else a chunk that the server has might still be found in the ring.
            chunk.release()
            stream.spooled()
            safe.set()
            self.spool.enqueue(shard)

    def _upload_shards(self) -> None:
        make_way()
        api = self._open_api()
        try:
            while self._window.enter():
                try:
                    shard = self.spool.take()
                    if shard is None:
                        return
                    stream = self._streams.get(shard.data_id)
                    if stream is None:  # let go of meanwhile
                        self.spool.give_up(shard)
                        continue
                    error = self._send(api, shard)
                finally:
                    self._window.leave()
                # After another upload may begin: what follows waits for the disk, not for the network.
                self._settle(stream, shard, error)
        finally:
            api.close()

    def _send(self, api: AtomscaleApi, shard: SpooledShard) -> Exception | None:
        """Send a shard; None once the server has confirmed it, or what went wrong."""
        try:
            with self.spool.open(shard) as body:
                target = api.presign(shard.chunk_idx, shard.body)
                api.put(target, body)
        except Exception as error:  # noqa: BLE001 - it is not passed over: `_settle` takes it up
            return error
        return None

    def _settle(self, stream: Stream, shard: SpooledShard, error: Exception | None) -> None:
        """Draw the consequences of an upload."""
        where = f"chunk {shard.chunk_idx} of stream {shard.data_id}"
        match error:
            case None:
                self.spool.confirm(shard)
                self._let_go(shard, release=True)
                stream.uploaded(shard.size)
                self._window.done(shard.size, more_waiting=self.spool.shards_waiting > 0)
                logger.info("%s uploaded, %d bytes", where, shard.size)
            case DamagedShardError():
                logger.error("%s: %s; it lies in the quarantine of the spool", where, error)
                self.spool.quarantine(shard)
                stream.lose(shard.chunk_idx, str(error))
            case ApiError(gone=True):
                logger.error("%s is refused: %s", where, error)
                self.spool.give_up(shard)
                stream.lose(shard.chunk_idx, str(error), gone=True)
                # One that the disk would not take stays in the ring, which is all that is left of it.
                self._let_go(shard, release=False)
            case ApiError():
                # Whatever else a server, or something on the way to it, answers today it may not tomorrow.
                self._try_again(stream, shard, str(error), error.retry_after_s)
            case _ if not self.closing:
                logger.error("upload of %s failed unexpectedly", where, exc_info=error)
                self._try_again(stream, shard, f"{type(error).__name__}: {error}")

    def _let_go(self, shard: SpooledShard, *, release: bool) -> None:
        """Let nobody wait any more for a chunk that the disk would not take; and free its buffer."""
        chunk, safe = self._held.pop((shard.data_id, shard.chunk_idx), (None, None))
        if chunk is None or safe is None:
            return
        if release:
            chunk.release()
        safe.set()

    def _try_again(
        self, stream: Stream, shard: SpooledShard, reason: str, retry_after_s: float | None = None
    ) -> None:
        delay_s = self._backoff.delay_s(shard.attempts, retry_after_s)
        shard.attempts += 1
        stream.failed_attempt(reason)
        self._window.failed()
        logger.warning(
            "chunk %d of stream %s: attempt %d failed, next in %.1f s: %s",
            shard.chunk_idx,
            shard.data_id,
            shard.attempts,
            delay_s,
            reason,
        )
        self.spool.retry(shard, delay_s)


def describe_shard(
    stream: Stream, chunk: Chunk, size: int, clock: ReferenceClock | None = None
) -> SpooledShard:
    """Put together what the upload of a chunk needs to say (wire protocol, "A chunk").

    Its stamps are corrected by ``clock``, where that knows the time.
    """
    count, height, width = chunk.frames.shape
    start_ms = chunk.capture_start_ms_utc or 0.0
    correction = None
    if clock is not None and chunk.time_base != "reference":
        correction = clock.correction(start_ms, wall=chunk.time_base == "wall")
    start, offset_ms, uncertainty_ms = corrected(start_ms, correction)
    clock_fields = {}
    if offset_ms is not None:
        clock_fields = {"clock_offset_ms": str(offset_ms), "clock_uncertainty_ms": str(uncertainty_ms)}
    fps = stream.fps if chunk.fps is None else chunk.fps
    return SpooledShard(
        data_id=stream.data_id,
        chunk_idx=chunk.index,
        size=size,
        frames=count,
        body={
            "data_id": stream.data_id,
            "data_stream": "rheed",
            "is_stream": "1",
            "is_rotating": "1" if stream.rotating else "0",
            "raw_frame_rate": str(float(stream.fps)),
            "avg_frame_rate": str(float(fps)),
            "chunk_size": str(stream.chunk_size),
            "dims": f"{count},{height},{width}",
            "start_unix_ms_utc": str(start),
            "end_unix_ms_utc": str(start + int(count / fps * 1000)),
            **clock_fields,
        },
        stamps={
            "frame_ids": chunk.frame_ids.tolist(),
            "timestamps_ns": chunk.timestamps_ns.tolist(),
            "host_ns": chunk.host_ns.tolist(),
        },
    )
