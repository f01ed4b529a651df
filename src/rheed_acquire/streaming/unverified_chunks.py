"""Chunks that a server has confirmed and looks at only later: it may not like what it finds.

Until then their shards are kept, so that they can be sent again, as many as there is room for.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rheed_acquire.streaming.spool import Spool, SpoolFullError, StreamLetGoError

if TYPE_CHECKING:
    from rheed_acquire.streaming.server_answers import RefusedChunk
    from rheed_acquire.streaming.sidecar import SpooledShard
    from rheed_acquire.streaming.stream import Stream

logger = logging.getLogger(__name__)

MOST_BYTES = 128 << 20
"""Of all streams together, some chunks of common cameras: servers look within a few seconds."""
MOST_REFUSALS = 3
"""Of one chunk: what does not hold so often will not."""


class UnverifiedChunks:
    """The shards of the latest of them, in memory or on the disk, wherever they were. Thread-safe.

    Parameters
    ----------
    spool
        Where they are on disk, and which sends them again.
    most_bytes
        That they may have together; the oldest are let go of first.
    """

    def __init__(self, spool: Spool, most_bytes: int = MOST_BYTES) -> None:
        self._spool, self._most_bytes = spool, most_bytes
        self._lock = threading.Lock()
        self._shards: OrderedDict[tuple[str, int], SpooledShard] = OrderedDict()
        self._bytes = 0

    def keep(self, shard: SpooledShard) -> None:
        """Keep the shard of a chunk that was confirmed; again does nothing."""
        key = shard.data_id, shard.chunk_idx
        self._spool.keep_back(shard)
        too_many = []
        with self._lock:
            if key not in self._shards:
                self._shards[key] = shard
                self._bytes += shard.size
            while self._bytes > self._most_bytes:
                too_many.append(self._pop(next(iter(self._shards))))
        for one in too_many:
            self._spool.confirm(one)

    def heed(self, stream: Stream, refused: Iterable[RefusedChunk]) -> bool:
        """Send again what of a stream does not hold, as far as it is still here; whether any of it is sent.

        All else is given up. What the server says of uploads that are not the latest is passed over.
        """
        is_any_sent = False
        for one in refused:
            if not stream.take_back(one):
                continue
            shard = self._take((stream.data_id, one.chunk_idx))
            if shard is not None and shard.refusals < MOST_REFUSALS:
                logger.warning(
                    "chunk %d of stream %s is sent again: the server had confirmed it, and found later: %s",
                    one.chunk_idx,
                    stream.data_id,
                    one.reason,
                )
                self._send_again(stream, shard)
                is_any_sent = True
                continue
            if shard is not None:
                self._spool.confirm(shard)
            self._lose(stream, one)
        return is_any_sent

    def give_up(self, stream: Stream, refused: Iterable[RefusedChunk]) -> None:
        """Give up what of a stream does not hold, which has ended: also what an earlier process had sent."""
        lost = {index for index, _ in stream.status().lost}
        for one in refused:
            stream.take_back(one, whichever=True)
            if one.chunk_idx not in lost:
                self._lose(stream, one)

    def has_any(self, data_id: str) -> bool:
        """Whether there are any of a stream."""
        with self._lock:
            return any(key[0] == data_id for key in self._shards)

    def let_go_of(self, data_id: str) -> None:
        """Keep those of a stream no longer, which has ended."""
        for shard in self._take_all(data_id):
            self._spool.confirm(shard)

    def forget(self, data_id: str) -> None:
        """Know those of a stream no more; on disk they stay, and a recovery sends them again."""
        self._take_all(data_id)

    def _send_again(self, stream: Stream, shard: SpooledShard) -> None:
        shard.confirmed = False
        shard.refusals += 1
        shard.attempts = 0
        if shard.content is not None:  # its place in the ring is another chunk's by now
            try:
                self._spool.keep(shard, shard.content)
                stream.spooled(shard.chunk_idx)
            except StreamLetGoError:
                return
            except (SpoolFullError, OSError) as error:
                logger.warning(
                    "chunk %d of stream %s is sent again from memory alone: %s",
                    shard.chunk_idx,
                    stream.data_id,
                    getattr(error, "strerror", None) or error,
                )
        self._spool.enqueue(shard)

    def _lose(self, stream: Stream, refused: RefusedChunk) -> None:
        logger.error(
            "chunk %d of stream %s is lost: the server had confirmed it, and found later: %s",
            refused.chunk_idx,
            stream.data_id,
            refused.reason,
        )
        stream.lose_refused(refused)

    def _take(self, key: tuple[str, int]) -> SpooledShard | None:
        with self._lock:
            return self._pop(key) if key in self._shards else None

    def _take_all(self, data_id: str) -> list[SpooledShard]:
        with self._lock:
            return [self._pop(key) for key in list(self._shards) if key[0] == data_id]

    def _pop(self, key: tuple[str, int]) -> SpooledShard:
        shard = self._shards.pop(key)
        self._bytes -= shard.size
        return shard
