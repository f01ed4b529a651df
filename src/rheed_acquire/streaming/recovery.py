"""How a stream ends, in the process that captured it or in a later one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from rheed_acquire.ring import Chunk
from rheed_acquire.streaming.api import ApiError, AtomscaleApi
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.parcel import Parcel
from rheed_acquire.streaming.registration import end_stream
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamRecord, age_s

if TYPE_CHECKING:
    from rheed_acquire.chunk_buffer import ChunkBuffer
    from rheed_acquire.streaming.delivery import Delivery
    from rheed_acquire.streaming.reference_clock import ReferenceClock

logger = logging.getLogger(__name__)

_LONGEST_WAIT_NS = 1_000_000_000
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
) -> dict[str, Any]:
    """Wait for a stream's uploads, end it on the server, and let its folder go.

    While chunks still wait, the stream is left open on the server and in the spool: ended, it would take no
    more.

    Returns
    -------
    dict
        See `RHEEDStreamer.finalize`.
    """
    data_id = stream.data_id
    closed = False
    is_drained = stream.drain(drain_timeout_s)
    left = _left_to_recover(stream)
    if is_drained and not left:
        delivered_before = stream.folder.record.delivered
        if not stream.report(closed=False)["lost"] and stream.folder.is_done_with:
            stream.note(delivered=True)
        try:
            with closing(open_api()) as api:
                end_stream(api, data_id, backoff, 0.0 if stream.abandoned else patience_s)
            closed = True
        except ApiError as error:
            # An earlier attempt may have ended it and not have learnt so.
            closed = delivered_before and error.gone
            if not closed:
                stream.failed_attempt(str(error))
                logger.warning("stream %s could not be ended: %s", data_id, error)
    else:
        logger.warning(
            "stream %s: %d chunks wait in the spool (rheed-acquire recover delivers them)",
            data_id,
            stream.status().chunks_queued + len(left),
        )
    report = stream.report(closed=closed)
    folder = stream.folder
    delivery.forget(stream)
    is_done = closed and not report["lost"] and folder.is_done_with
    if is_done:
        stream.note(finished=True)
        folder.remove_ring()
    else:
        folder.free_ring()
    delivery.spool.close_stream(data_id, delete=is_done)
    return report


def _left_to_recover(stream: Stream) -> set[int]:
    """The chunks that were given up here, and that another process can deliver while the stream is open."""
    if stream.folder.record.refused is not None:
        return set()
    lost = {index for index, _ in stream.report(closed=False)["lost"]}
    return lost & stream.folder.waiting() if lost else set()


def recover_streams(
    server: str,
    delivery: Delivery,
    open_api: Callable[[], AtomscaleApi],
    backoff: Backoff,
    drain_timeout_s: float,
) -> list[dict[str, Any]]:
    """Finish every stream of a server that a process now gone has left in the spool.

    Returns
    -------
    list of dict
        See `RHEEDStreamer.recover`.
    """
    retention_s = delivery.spool.limits.retention_s
    if retention_s is not None:
        delivery.clock.wait_first(FIRST_TIME_S)
    streams: list[Stream] = []
    reports: list[dict[str, Any]] = []

    def trouble(record: StreamRecord, error: Exception) -> None:
        """Report a stream that makes no sense: it must not keep the others waiting."""
        logger.error("stream %s (%s) cannot be recovered: %s", record.data_id, record.name, error)
        nothing = {"closed": False, "lost": [], "refused": None}
        reports.append({**_named(record), **nothing, "trouble": str(error) or type(error).__name__})

    def let_go(stream: Stream) -> None:
        delivery.forget(stream)
        delivery.spool.close_stream(stream.data_id, delete=False)

    for folder in delivery.spool.leftovers(server, trouble):
        record = folder.record
        if record.finished:
            folder.remove_ring()
            delivery.spool.close_stream(record.data_id, delete=True)
            continue
        if retention_s is not None and is_past(record, retention_s, delivery.clock):
            reports.append({**_named(record), "chunks_purged": len(folder.shards()), "closed": False})
            logger.warning("stream %s (%s) is past its retention and deleted", record.data_id, record.name)
            folder.remove_ring()
            delivery.spool.close_stream(record.data_id, delete=True)
            continue
        stream = Stream(folder, ring_chunks=2, when_full=delivery.spool.limits.when_full)
        delivery.register(stream)
        try:
            take_up(stream, delivery)
        except Exception as error:  # noqa: BLE001 - it is reported
            trouble(record, error)
            let_go(stream)
        else:
            streams.append(stream)
    for stream in streams:
        record, strange = stream.folder.record, stream.folder.strange
        refused = record.refused
        try:
            report = complete_stream(
                stream, delivery, open_api, backoff, drain_timeout_s, patience_s=drain_timeout_s
            )
        except Exception as error:  # noqa: BLE001 - it is reported
            trouble(record, error)
            let_go(stream)
            continue
        rest = {"refused": refused or stream.folder.record.refused, "quarantined": stream.folder.quarantined}
        left = [f"{path}: {reason}" for path, reason in strange.items()]
        damaged = stream.damaged
        reports.append({**_named(record), **report, **rest, "damaged": damaged, "strange": left})
    return reports


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


def recover_in_background(
    server: str,
    delivery: Delivery,
    open_api: Callable[[], AtomscaleApi],
    backoff: Backoff,
    drain_timeout_s: float,
) -> None:
    """Do as `recover_streams` beside a run, and tell the log what came of it."""
    for report in recover_streams(server, delivery, open_api, backoff, drain_timeout_s):
        logger.info("earlier stream %s: %s", report["data_id"], report)


def take_up(stream: Stream, delivery: Delivery) -> None:
    """Put what a stream left on disk, and then what it left in its ring, on its way."""
    if stream.folder.record.delivered:  # what is still here is only what could not be deleted in time
        return
    for path, reason in stream.folder.set_torn_ring_aside():
        stream.damaged.append(f"{path}: {reason}")
    in_ring = {buffer.chunk_index: buffer for buffer in stream.folder.chunks_left()}
    for shard in stream.folder.shards():
        if shard.chunk_idx in in_ring:
            # Encoded, but the ring was not told: it may only be told where the shard is sound.
            try:
                stream.folder.check(shard)
            except DamagedShardError:
                stream.folder.quarantine(shard)
                continue
            in_ring.pop(shard.chunk_idx).clear()
        count, height, width = (int(number) for number in shard.body["dims"].split(","))
        stream.admit(shard.chunk_idx, (count, height, width))
        stream.spooled(shard.chunk_idx)
        delivery.spool.enqueue(shard)
    for chunk_idx, reason in stream.folder.unreadable.items():
        stream.miss(chunk_idx, reason)
    for buffer in in_ring.values():
        chunk = recovered_chunk(buffer)
        if buffer.promised > len(chunk):
            stream.damaged.append(
                f"chunk {chunk.index}: its part of the ring was cut short, and only {len(chunk)} of its "
                f"{buffer.promised} frames are left"
            )
        stream.admit(chunk.index, chunk.frames.shape)
        delivery.deliver(Parcel(stream, chunk))
    logger.info("stream %s: %d chunks of an earlier run", stream.data_id, stream.status().chunks_pushed)


def recovered_chunk(buffer: ChunkBuffer) -> Chunk:
    """Make what a dead process had committed to a buffer a chunk, and date it as well as it can be."""
    count = buffer.committed
    chunk = Chunk(
        index=buffer.chunk_index,
        frames=buffer.frames[:count],
        frame_ids=buffer.frame_ids[:count],
        timestamps_ns=buffer.timestamps_ns[:count],
        host_ns=buffer.host_ns[:count],
        on_release=buffer.clear,
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
