"""How a stream ends, in the process that captured it or in a later one."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.chunk_buffer import Taker
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.frames.stream_chunks import StreamChunks
from rheed_acquire.recording.archive import Archive, is_begun, is_closed
from rheed_acquire.streaming.api import ApiError, AtomscaleApi
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.parcel import Parcel
from rheed_acquire.streaming.registration import end_stream
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.server_answers import StreamEnd
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_record import StreamRecord, age_s
from rheed_acquire.system.durable_files import try_to_remove_tree

if TYPE_CHECKING:
    from rheed_acquire.frames.chunk_buffer import ChunkBuffer
    from rheed_acquire.streaming.delivery import Delivery
    from rheed_acquire.streaming.reference_clock import ReferenceClock

logger = logging.getLogger(__name__)

_LONGEST_WAIT_NS = 1_000_000_000
SETTLE_S = 5.0
"""How long a stream that is left waits for its shards to be written to disk."""
FIRST_TIME_S = 1.0
"""How long the server's time is waited for where it is wanted at once."""


def complete_stream(
    stream: Stream,
    delivery: Delivery,
    open_api: Callable[[], AtomscaleApi],
    backoff: Backoff,
    drain_timeout_s: float,
    *,
    patience_s: float,
    on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Wait for a stream's uploads, end it on the server, and let its folder go.

    While chunks still wait, the stream is left open on the server and in the spool: ended, it would take no
    more. What the server then finds not to hold is sent again in the same time, as far as it is still here.
    ``on_chunks`` is as in `Stream.drain`.

    Returns
    -------
    dict
        See `RHEEDStreamer.finalize`.
    """
    data_id = stream.data_id
    given_up_s = time.monotonic() + drain_timeout_s
    closed, only_whole = False, True
    while stream.drain(max(0.0, given_up_s - time.monotonic()), on_chunks) and not _left_to_recover(stream):
        # A server that looks at chunks only later says now what does not hold: it comes again, if it is here.
        only_whole = only_whole and delivery.unverified.has_any(data_id)
        end = _end(stream, open_api, backoff, 0.0 if stream.abandoned else patience_s, only_whole=only_whole)
        if end is None:
            break
        if end.is_closed or not only_whole:
            closed = end.is_closed
            delivery.unverified.give_up(stream, end.refused)
            delivery.unverified.let_go_of(data_id)
            break
        only_whole = delivery.unverified.heed(stream, end.refused)
    else:
        logger.warning(
            "stream %s: %d chunks wait in the spool (rheed-acquire recover delivers them)",
            data_id,
            stream.status().chunks_queued + len(_left_to_recover(stream)),
        )
        delivery.settle(data_id, SETTLE_S)
    folder = stream.folder
    delivery.forget(data_id)
    is_done = closed and stream.is_lossless and folder.is_done_with and _is_archived(folder)
    stream.let_go_of_ring()
    if is_done:
        stream.note(finished=True)
        folder.ring.remove()
    else:
        folder.ring.free()
    delivery.spool.close_stream(data_id, delete=is_done)
    # Not before: what arrives from here on is still in the folder, and a recovery sends it again.
    return stream.report(closed=closed)


def _end(
    stream: Stream,
    open_api: Callable[[], AtomscaleApi],
    backoff: Backoff,
    patience_s: float,
    *,
    only_whole: bool,
) -> StreamEnd | None:
    """End a stream on the server, which has all that is here; None where it does not answer.

    ``only_whole`` is as in `AtomscaleApi.end_stream`.
    """
    delivered_before = stream.folder.record.delivered
    is_known_whole = not stream.is_verified_later
    if is_known_whole and not stream.report(closed=False)["lost"] and stream.folder.is_done_with:
        stream.note(delivered=True)
    try:
        with closing(open_api()) as api:
            return end_stream(api, stream.data_id, backoff, patience_s, only_whole=only_whole)
    except ApiError as error:
        if delivered_before and error.gone:
            return StreamEnd(is_closed=True)  # an earlier attempt has ended it and not learnt so
        stream.failed_attempt(str(error))
        logger.warning("stream %s could not be ended: %s", stream.data_id, error)
        return None


def _is_archived(folder: StreamFolder) -> bool:
    """Whether the run's archive, where it has one, needs nothing more.

    One that is open lacks something, of the ring or of the disk: a later recovery completes it.
    """
    archive = folder.record.archive
    return archive is None or is_closed(Path(archive)) or _was_never_made(Path(archive), folder)


def _was_never_made(archive: Path, folder: StreamFolder) -> bool:
    """Whether the process ended before it had made its archive; else its disk may be away."""
    return not is_begun(archive) and folder.ring.took_nothing


def _left_to_recover(stream: Stream) -> set[int]:
    """The chunks that were given up here, and that another process can deliver while the stream is open."""
    if stream.folder.record.refused is not None:
        return set()
    lost = {index for index, _ in stream.report(closed=False)["lost"]}
    return lost & stream.folder.waiting() if lost else set()


class Recovery:
    """Finishes every stream of a server that a process now gone has left in the spool, each by itself.

    Parameters
    ----------
    server
        As the streams' records call it.
    delivery
        That carries the chunks.
    open_api
        Makes the connection that a stream is ended by.
    backoff
        Between attempts to end one.
    drain_timeout_s
        How long each stream's uploads are waited for.
    on_chunks
        Told of how many more chunks have arrived or were given up.
    """

    def __init__(
        self,
        server: str,
        delivery: Delivery,
        open_api: Callable[[], AtomscaleApi],
        backoff: Backoff,
        drain_timeout_s: float,
        on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
    ) -> None:
        self._server, self._delivery, self._on_chunks = server, delivery, on_chunks
        self._open_api, self._backoff, self._drain_timeout_s = open_api, backoff, drain_timeout_s
        # Kept from one call of `finish` to the next, which goes on where one failed.
        self._begun: deque[Stream] = deque()
        self._reports: list[dict[str, Any]] = []

    def finish(self) -> list[dict[str, Any]]:
        """Put all on their way, and wait for one after another. After a call that raised, goes on.

        Returns
        -------
        list of dict
            See `RHEEDStreamer.recover`. What is wrong with a single stream is told there, under ``trouble``,
            and left to the next process.
        """
        retention_s = self._delivery.spool.limits.retention_s
        if retention_s is not None:
            self._delivery.clock.wait_first(FIRST_TIME_S)
        for folder in self._delivery.spool.leftovers(self._server, self._report_trouble):
            try:
                self._begin(folder, retention_s)
            except Exception as error:  # noqa: BLE001 - it is reported
                self._let_go(folder.record, error)
        while self._begun:
            stream = self._begun.popleft()
            try:
                self._reports.append(self._complete(stream))
            except Exception as error:  # noqa: BLE001 - it is reported
                self._let_go(stream.folder.record, error)
        return self._reports

    def _begin(self, folder: StreamFolder, retention_s: float | None) -> None:
        """Put what is left of a stream on its way, or delete it where nobody needs it any more."""
        delivery, record = self._delivery, folder.record
        if record.finished:
            self._delete(folder)
        elif retention_s is not None and is_past(record, retention_s, delivery.clock):
            logger.warning("stream %s (%s) is past its retention and deleted", record.data_id, record.name)
            purged = {"chunks_purged": len(folder.shards()), "closed": False}
            self._delete(folder)
            self._reports.append({**_named(record), **purged})
        else:
            stream = Stream(folder, ring_chunks=2, when_full=delivery.spool.limits.when_full)
            delivery.register(stream)
            take_up(stream, delivery)
            self._begun.append(stream)

    def _delete(self, folder: StreamFolder) -> None:
        folder.ring.remove()
        self._delivery.spool.close_stream(folder.record.data_id, delete=True)

    def _complete(self, stream: Stream) -> dict[str, Any]:
        """Wait for what is left of a stream and end it; the report."""
        record, strange = stream.folder.record, stream.folder.strange
        report = complete_stream(
            stream,
            self._delivery,
            self._open_api,
            self._backoff,
            self._drain_timeout_s,
            patience_s=self._drain_timeout_s,
            on_chunks=self._on_chunks,
        )
        return {
            **_named(record),
            **report,
            "refused": record.refused or stream.folder.record.refused,
            "quarantined": stream.folder.quarantined,
            "damaged": stream.damaged,
            "archive": record.archive,
            "archive_trouble": stream.archive_trouble,
            "strange": [f"{path}: {reason}" for path, reason in strange.items()],
        }

    def _let_go(self, record: StreamRecord, error: Exception) -> None:
        """Leave a stream to the next process: it must not keep the others waiting."""
        self._report_trouble(record, error)
        self._delivery.forget(record.data_id)
        self._delivery.spool.close_stream(record.data_id, delete=False)

    def _report_trouble(self, record: StreamRecord, error: Exception) -> None:
        trouble = str(error) or type(error).__name__
        logger.error("stream %s (%s) cannot be recovered: %s", record.data_id, record.name, trouble)
        nothing = {"closed": False, "lost": [], "refused": None}
        self._reports.append({**_named(record), **nothing, "trouble": trouble})


def is_past(record: StreamRecord, retention_s: float, clock: ReferenceClock) -> bool:
    """Whether a stream may be deleted unsent: it is too old by this computer's clock and by the server's.

    A computer whose clock was set wrong, when the stream was made or now, knows no age, and deletes nothing.
    """
    if age_s(record) <= retention_s:
        return False
    now = clock.correction(wall=True)
    if record.created_reference_unix_s is None or now is None:
        logger.warning(
            "stream %s (%s) would be past its retention by this computer's clock, but the server's is not "
            "known to agree: it is kept",
            record.data_id,
            record.name,
        )
        return False
    return time.time() + now.offset_ms / 1000 - record.created_reference_unix_s > retention_s


def take_up(stream: Stream, delivery: Delivery) -> None:
    """Put what a stream left on disk, and then what it left in its ring, on its way."""
    archive_left(stream)
    if stream.folder.record.delivered:  # what is still here is only what could not be deleted in time
        return
    for path, reason in stream.folder.ring.set_torn_aside():
        stream.damaged.append(f"{path}: {reason}")
    in_ring = {buffer.chunk_index: buffer for buffer in stream.folder.ring.chunks_left()}
    for shard in stream.folder.shards():
        if shard.chunk_idx in in_ring:
            # Encoded, but the ring was not told: it may only be told where the shard is sound.
            try:
                stream.folder.check(shard)
            except DamagedShardError:
                stream.folder.quarantine(shard)
                continue
            stream.folder.ring.say_safe_with(Taker.STREAM, in_ring.pop(shard.chunk_idx))
        count, height, width = (int(number) for number in shard.body["dims"].split(","))
        stream.admit(shard.chunk_idx, (count, height, width))
        stream.spooled(shard.chunk_idx)
        delivery.spool.enqueue(shard)
    for chunk_idx, reason in stream.folder.unreadable.items():
        stream.miss(chunk_idx, reason)
    for buffer in in_ring.values():
        chunk = recovered_chunk(buffer, stream)
        if buffer.promised > buffer.committed:
            stream.damaged.append(
                f"chunk {chunk.index}: its part of the ring was cut short, and only {buffer.committed} of "
                f"its {buffer.promised} frames are left"
            )
        stream.admit(chunk.index, chunk.shape)
        delivery.deliver(Parcel(stream, chunk))
    logger.info("stream %s: %d chunks of an earlier run", stream.data_id, stream.status().chunks_pushed)


def archive_left(stream: Stream) -> None:
    """Bring into the run's archive what only the ring has of it, and close it.

    Where it cannot be reached that is told, and left to the next process; the stream goes on without.
    """
    folder = stream.folder
    if folder.record.archive is None:
        return
    path = Path(folder.record.archive)
    if _was_never_made(path, folder):
        try_to_remove_tree(path)
        return
    try:
        archive = Archive.resume(path)
        for buffer in folder.ring.chunks_not_archived():
            if not (archive.is_closed or archive.has(buffer.chunk_index)):
                archive.add(_chunk_in(buffer), buffer.capacity, buffer.utc_offset_ns)
            folder.ring.say_safe_with(Taker.ARCHIVE, buffer)
        archive.close("recovered after the run")
    except (RheedAcquireError, OSError) as error:
        stream.archive_trouble = str(error)
        logger.warning("stream %s: %s", stream.data_id, error)


def recovered_chunk(buffer: ChunkBuffer, stream: Stream) -> Chunk:
    """Make what a dead process had committed to a buffer a chunk of its stream."""
    chunk = _chunk_in(buffer)
    chunk.on_release = lambda: stream.folder.ring.say_safe_with(Taker.STREAM, buffer)
    return StreamChunks(buffer.reduction, stream.fps, len(chunk)).of(chunk)


def _chunk_in(buffer: ChunkBuffer) -> Chunk:
    """The camera's chunk that a dead process had committed to a buffer, dated as well as it can be."""
    count = buffer.committed
    chunk = Chunk(
        index=buffer.chunk_index,
        pixels=buffer.frames[:count],
        form=buffer.frame_form,
        frame_ids=buffer.frame_ids[:count],
        timestamps_ns=buffer.timestamps_ns[:count],
        host_ns=buffer.host_ns[:count],
    )
    start_ns = buffer.capture_start_ns
    if start_ns is None:
        arrived = int(chunk.host_ns[0])
        known = chunk.timestamps_ns >= 0
        if known[0]:
            # Of these frames, the one that arrived soonest after its stamp says when the stamps are.
            waited = (chunk.host_ns - chunk.timestamps_ns)[known]
            early_ns = int(waited[0] - waited.min())
            arrived -= early_ns if early_ns < _LONGEST_WAIT_NS else 0  # else the stamps are wrong
        start_ns = arrived + buffer.utc_offset_ns
    chunk.capture_start_ms_utc = start_ns / 1e6
    return chunk


def _named(record: StreamRecord) -> dict[str, Any]:
    return {"data_id": record.data_id, "stream_name": record.name}
