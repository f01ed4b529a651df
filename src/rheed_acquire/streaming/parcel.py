"""A chunk between its push and the disk."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk
    from rheed_acquire.recording.shard_encoding import Shard
    from rheed_acquire.streaming.sidecar import SpooledShard
    from rheed_acquire.streaming.stream import Stream


@dataclass(slots=True, eq=False)
class Parcel:
    """A chunk on its way to the disk, with how far it has come.

    Attributes
    ----------
    safe
        Set once the chunk survives loss of power, on disk or on the server; or once it is given up
        (`Stream.reason_lost`).
    content
        What it was encoded to.
    attempts
        At writing it, this one among them.
    shard
        What is in the queue for upload, or about to be put there: kept on disk, or in memory where the disk
        takes no more.
    """

    stream: Stream
    chunk: Chunk
    safe: threading.Event = field(default_factory=threading.Event)
    content: Shard | None = None
    shard: SpooledShard | None = None
    attempts: int = 1
    _claim: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """Decide whose it is: True for the first who asks, the encoder or a push that is interrupted."""
        return self._claim.acquire(blocking=False)
