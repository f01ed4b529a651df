"""Makes shards of chunks, each as small as there is time for."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from rheed_acquire.recording.shard_encoding import Shard, encode_shard
from rheed_acquire.streaming.compression import Compression
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk
    from rheed_acquire.streaming.link_rate import LinkRate
    from rheed_acquire.streaming.stream import Stream

logger = logging.getLogger(__name__)

ATTEMPTS = 3


class ChunkEncoder:
    """Encodes one chunk after the other. Not thread-safe.

    Parameters
    ----------
    level
        Of zstd; None to choose it for each chunk (see `Compression`).
    link
        What is known of the uplink.
    closing
        Set once nothing more is to be encoded.
    """

    def __init__(self, level: int | None, link: LinkRate, closing: threading.Event) -> None:
        self._compression, self._link, self._closing = Compression(level), link, closing

    def encode(
        self, stream: Stream, chunk: Chunk, *, chunks_waiting: int, shards_waiting: int, is_held_up: bool
    ) -> Shard | None:
        """Encode a chunk; None where that was given up, since it is time to close.

        Parameters
        ----------
        chunks_waiting, shards_waiting, is_held_up
            See `Compression.choose`.

        Raises
        ------
        Exception
            What the last attempt raised.
        """
        count, height, width = chunk.shape
        nbytes = count * height * width  # of the gray that is encoded
        level = self._compression.choose(
            time.monotonic(),
            chunks_waiting,
            shards_waiting,
            nbytes,
            is_held_up=is_held_up,
            can_wait=stream.pushes_wait,
            is_full=stream.ring_is_short,
            are_kept=stream.shards_are_kept,
            link_s_per_byte=self._link.seconds_per_byte,
        )
        entries = stream.chunk_size if stream.takes_padded else None
        for attempt in range(1, ATTEMPTS + 1):
            begun_s = time.monotonic()
            try:
                shard = encode_shard(chunk.frames, level, entries=entries)
            except Exception as error:
                # Most likely memory, which may be there again in a moment.
                if attempt == ATTEMPTS:
                    raise
                where = f"chunk {chunk.index} of stream {stream.data_id}"
                logger.warning("%s: attempt %d to encode failed: %s", where, attempt, told(error))
            else:
                self._compression.took(level, time.monotonic() - begun_s, nbytes, shard.size)
                return shard
            if self._closing.wait(attempt):
                break
        return None
