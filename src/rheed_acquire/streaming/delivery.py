"""The threads between `push` and the server: an encoder, upload workers, and two that write to the spool.

The encoder works on one chunk at a time with all processors, so that the first is ready soonest. What it has
encoded goes to the server from memory, and to the disk only where that is needed (see `write_behind`). Their
work and the upload workers' leave the GIL to the camera's callback for nearly all of the time.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.streaming.api import ApiError, AtomscaleApi
from rheed_acquire.streaming.chunk_encoder import ChunkEncoder
from rheed_acquire.streaming.link_rate import LinkRate
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.parcel import Parcel
from rheed_acquire.streaming.reference_clock import ReferenceClock
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.server_answers import RefusedChunk
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.shard_in_memory import ShardInMemory
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool import Spool, SpoolFullError, StreamLetGoError
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.unverified_chunks import UnverifiedChunks
from rheed_acquire.streaming.upload_window import UploadWindow
from rheed_acquire.streaming.url_ahead import UrlAhead, target_of
from rheed_acquire.streaming.write_behind import WriteBehind
from rheed_acquire.system.priority import make_way
from rheed_acquire.system.worker import Worker, one_by_one
from rheed_acquire.text.told import told

logger = logging.getLogger(__name__)

SPOOL_ATTEMPTS = 3
SPOOLERS = 2
"""While one waits for the disk to sync, the other writes."""
SETTLE_S = 5.0
"""How long a stream that is let go of is held by those who draw the consequences of an upload."""
STUMBLES = 5
"""Attempts at a shard that may fail for a reason that neither network nor disk has."""


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
        self._backoff = backoff
        self._chunks: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._streams: dict[str, Stream] = {}
        # Of which stream each thread draws the consequences of an upload.
        self._settling: dict[int, str] = {}
        self._settled = threading.Condition()
        self._closing = threading.Event()
        self._window = UploadWindow(workers)
        self._link = LinkRate()
        self._encoder = ChunkEncoder(compression_level, self._link, self._closing)
        self._url_ahead = UrlAhead(open_api, self._closing)
        # Whose shards are not on disk: their buffers are kept until they are, or the server has them.
        self._write_behind = WriteBehind()
        self.unverified = UnverifiedChunks(spool)
        # Whether the encoder had to wait for those behind it when it was done with a chunk.
        self._is_held_up = False
        self._in_hand: Parcel | None = None
        encode = one_by_one(self._chunks.get, self._encode_chunk, self._lose_chunk)
        self._workers = [
            Worker("encoder", encode, self._closing, at_begin=make_way),
            self._url_ahead.worker,
            *(self._spool_worker(f"spooler-{number}") for number in range(SPOOLERS)),
            *(self._upload_worker(f"upload-{number}") for number in range(workers)),
        ]
        try:
            for worker in self._workers:
                worker.start()
        except BaseException:  # no thread may be had
            self.close()
            raise

    @property
    def stopping(self) -> threading.Event:
        """Set once nothing more is encoded or uploaded."""
        return self._closing

    @property
    def closing(self) -> bool:
        """Whether nothing more is encoded or uploaded."""
        return self._closing.is_set()

    def register(self, stream: Stream) -> None:
        """Make a stream known before its first chunk."""
        self._streams[stream.data_id] = stream

    def deliver(self, parcel: Parcel) -> None:
        """Take a chunk over. Its buffer is released once it is safe, and not before."""
        self._chunks.put(parcel)

    def forget(self, data_id: str) -> None:
        """Let go of a stream; what is still on its way stays where it is, and what has arrived is counted."""
        with self._settled:
            self._streams.pop(data_id, None)
            self._settled.wait_for(lambda: data_id not in self._settling.values(), SETTLE_S)
        self._write_behind.forget(data_id)
        self.unverified.forget(data_id)

    def settle(self, data_id: str, timeout_s: float) -> None:
        """Write to disk what of a stream is encoded and not delivered, as far as ``timeout_s`` goes."""
        self._write_behind.settle(data_id, timeout_s)

    def is_writing(self, data_id: str) -> bool:
        """Whether chunks of a stream, or such as nobody has looked at yet, are on their way to the disk."""
        is_encoding = self._in_hand is not None or not self._chunks.empty()
        return is_encoding or self._write_behind.has_any(data_id)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the threads, and let nobody wait for what is left any more.

        What hangs is left behind after ``timeout_s`` seconds, for all of it together.
        """
        deadline = time.monotonic() + timeout_s
        self._closing.set()
        for stream in list(self._streams.values()):
            stream.abandon()
        self._chunks.put(None)
        self._url_ahead.close()
        self._window.close()
        self._write_behind.close()
        self.spool.close()
        self.clock.stop()
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def _encode_chunk(self, parcel: Parcel) -> None:
        self._in_hand = parcel
        try:
            self._encode(parcel)
        finally:
            self._in_hand = None

    def _encode(self, parcel: Parcel) -> None:
        stream = parcel.stream
        # A stream that was finalized with chunks waiting: they stay in its ring, for a later recovery.
        if self.closing or self._streams.get(stream.data_id) is not stream or not parcel.claim():
            return
        shard = describe_shard(stream, parcel.chunk, 0, self.clock)
        if self.spool.shards_queued < self._window.size:  # else it would wait, and age, while others are sent
            self._url_ahead.ask(stream, shard)
        content = self._encoder.encode(
            stream,
            parcel.chunk,
            chunks_waiting=self._chunks.qsize(),
            shards_waiting=self.spool.shards_waiting,
            is_held_up=self._is_held_up or self._write_behind.is_behind,
        )
        if content is None:
            return
        shard.size, shard.content = content.size, ShardInMemory(content)
        parcel.shard = shard
        self._is_held_up = self._write_behind.wait_for_room()
        self._pass_on(parcel, shard)

    def _pass_on(self, parcel: Parcel, shard: SpooledShard) -> None:
        """Let a shard be sent, or written first; may be repeated where it failed half-way."""
        self._write_behind.add(parcel)
        if not parcel.disk_first:
            self.spool.enqueue(shard)

    def _spool_worker(self, name: str) -> Worker:
        spool = one_by_one(self._write_behind.take, self._spool_chunk, self._spool_again_or_not)
        return Worker(name, spool, self._closing, at_begin=make_way)

    def _spool_chunk(self, parcel: Parcel) -> None:
        """Write a shard to disk; may be repeated where it failed half-way."""
        shard = parcel.shard
        assert shard is not None
        if shard.content is not None:
            try:
                self.spool.keep(shard, shard.content)
            except StreamLetGoError:
                logger.info("chunk %d of stream %s stays in the ring", shard.chunk_idx, shard.data_id)
                self._write_behind.written(parcel)
                return
            except (SpoolFullError, OSError) as error:
                self._stay_in_memory(parcel, shard, getattr(error, "strerror", None) or str(error))
                return
        parcel.chunk.release()
        parcel.stream.spooled(shard.chunk_idx)
        parcel.safe.set()
        if parcel.disk_first:
            self.spool.enqueue(shard)
        self._write_behind.written(parcel)

    def _stay_in_memory(self, parcel: Parcel, shard: SpooledShard, reason: str) -> None:
        """Keep what the disk does not take in its place in the ring, until the server has it."""
        parcel.stream.spool_refuses(reason)
        self.spool.enqueue(shard)
        self._write_behind.refused(parcel)

    def _spool_again_or_not(self, parcel: Parcel, error: BaseException) -> None:
        """Draw the consequences of what went wrong while a shard was written, and is not the disk's."""
        assert parcel.shard is not None
        if parcel.attempts < SPOOL_ATTEMPTS:
            parcel.attempts += 1
            self._spool_chunk(parcel)
        else:
            self._stay_in_memory(parcel, parcel.shard, told(error))

    def _lose_chunk(self, parcel: Parcel, error: BaseException) -> None:
        """Give up a chunk that could not be encoded."""
        parcel.claim()
        if parcel.shard is not None:
            self._pass_on(parcel, parcel.shard)
            return
        stream, index = parcel.stream, parcel.chunk.index
        reason = f"encoding failed: {told(error)}"
        logger.error("chunk %d of stream %s is given up: %s", index, stream.data_id, reason)
        stream.lose(index, reason)
        # What is in the ring can be recovered later.
        parcel.chunk.set_aside()
        parcel.safe.set()

    def _upload_worker(self, name: str) -> Worker:
        api = self._open_api()
        upload = one_by_one(self._next_shard, partial(self._upload, api), self._try_again_or_lose)
        return Worker(name, upload, self._closing, at_begin=make_way, at_end=api.close)

    def _next_shard(self) -> SpooledShard | None:
        shard = self.spool.take() if self._window.enter() else None
        if shard is None:
            self._window.leave()
        return shard

    def _upload(self, api: AtomscaleApi, shard: SpooledShard) -> None:
        try:
            stream = self._streams.get(shard.data_id)
            if stream is None:  # let go of meanwhile
                self.spool.give_up(shard)
                return
            error, refused = self._send(api, stream, shard)
        finally:
            self._window.leave()
        # After another upload may begin: what follows waits for the disk, not for the network.
        try:
            with self._stream_of(shard) as still_here:
                if still_here is None:
                    self.spool.give_up(shard)
                else:
                    self._settle(still_here, shard, error)
                    self.unverified.heed(still_here, refused)
        finally:
            # Its traceback leads to this frame, and to that of `_send` with the chunk.
            del error

    @contextmanager
    def _stream_of(self, shard: SpooledShard) -> Iterator[Stream | None]:
        """Give the stream whose shard is settled here, for which `forget` waits; None where it was let go."""
        me = threading.get_ident()
        with self._settled:
            stream = self._streams.get(shard.data_id)
            self._settling[me] = shard.data_id
        try:
            yield stream
        finally:
            with self._settled:
                self._settling.pop(me, None)
                self._settled.notify_all()

    def _send(
        self, api: AtomscaleApi, stream: Stream, shard: SpooledShard
    ) -> tuple[Exception | None, Sequence[RefusedChunk]]:
        """Send a shard; what went wrong, None once the server has confirmed it, and what it does not like."""
        refused: Sequence[RefusedChunk] = ()
        parcel = self._write_behind.find(shard.data_id, shard.chunk_idx)
        if parcel is not None:
            parcel.is_under_way = True
        try:
            with self.spool.open(shard) as body, self._link.sending(shard.size):
                target = target_of(api, stream, shard)
                stream.heed(target)
                shard.upload_id, refused = target.upload_id, target.refused
                api.put(target, body)
                shard.confirmed = True
        except Exception as error:  # noqa: BLE001 - it is not passed over: `_settle` takes it up
            return error, refused
        finally:
            if parcel is not None:
                parcel.is_under_way = False
        return None, refused

    def _settle(self, stream: Stream, shard: SpooledShard, error: Exception | None) -> None:
        """Draw the consequences of an upload."""
        where = f"chunk {shard.chunk_idx} of stream {shard.data_id}"
        match error:
            case None:
                self._has_arrived(stream, shard)
                self._window.done(shard.size, more_waiting=self.spool.shards_waiting > 0)
                logger.info("%s uploaded, %d bytes", where, shard.size)
            case DamagedShardError():
                reason = f"{error}; {self.spool.quarantine(shard)}"
                logger.error("%s: %s", where, reason)
                stream.lose(shard.chunk_idx, reason)
            case ApiError(gone=True):
                logger.error("%s is refused: %s", where, error)
                self._give_up(stream, shard, str(error), gone=True)
            case ApiError():
                # Whatever else a server, or something on the way to it, answers today it may not tomorrow.
                self._try_again(stream, shard, str(error), error.retry_after_s)
            case OSError():
                self._try_again(stream, shard, f"it cannot be read: {error}")
            case _ if not self.closing:
                logger.error("upload of %s failed unexpectedly", where, exc_info=error)
                self._try_again_or_lose(shard, error)

    def _has_arrived(self, stream: Stream, shard: SpooledShard) -> None:
        """Let go of a shard that the server has confirmed; may be repeated where it failed half-way."""
        is_kept = stream.is_verified_later

        def give_back(chunk: Chunk) -> None:
            if is_kept and shard.content is not None:
                shard.content.own()
            chunk.release()

        def then() -> None:
            if is_kept:
                self.unverified.keep(shard)
            else:
                self.spool.confirm(shard)
            stream.uploaded(shard.chunk_idx, shard.size, shard.upload_id)

        self._let_go(shard, give_back, then)

    def _give_up(self, stream: Stream, shard: SpooledShard, reason: str, *, gone: bool = False) -> None:
        """Send a shard no more. It stays on disk, and goes there where it lies in memory only.

        What the disk does not take is left in the ring, as far as that has room.
        """

        def then() -> None:
            stream.lose(shard.chunk_idx, reason, gone=gone)
            self.spool.keep_back(shard)

        self._let_go(shard, Chunk.set_aside, then, written=True)

    def _let_go(
        self,
        shard: SpooledShard,
        give_back: Callable[[Chunk], None],
        then: Callable[[], None],
        *,
        written: bool = False,
    ) -> None:
        """Give back the buffer of a shard that lies in memory; see `WriteBehind.leave`."""
        parcel = self._write_behind.find(shard.data_id, shard.chunk_idx)
        if parcel is None:
            then()
            return

        def let_go() -> None:
            give_back(parcel.chunk)
            then()
            parcel.safe.set()

        self._write_behind.leave(parcel, let_go, written=written)

    def _try_again_or_lose(self, shard: SpooledShard, error: BaseException) -> None:
        """Draw the consequences of what neither network nor disk explains."""
        self._window.leave()
        with self._stream_of(shard) as stream:
            if stream is None:
                self.spool.give_up(shard)
            elif shard.confirmed:
                self._has_arrived(stream, shard)
            elif shard.stumbles < STUMBLES:
                shard.stumbles += 1
                self._try_again(stream, shard, told(error))
            else:
                self._give_up(stream, shard, told(error))

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
