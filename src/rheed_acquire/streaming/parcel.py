"""A chunk between its push and the place where it is safe."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk
    from rheed_acquire.streaming.sidecar import SpooledShard
    from rheed_acquire.streaming.stream import Stream


@dataclass(slots=True, eq=False)
class Parcel:
    """A chunk on its way to the disk or the server, with how far it has come.

    Attributes
    ----------
    disk_first
        Whether it is sent only when it is on disk, or cannot get there.
    safe
        Set once the chunk survives loss of power, on disk or on the server; or once it is given up
        (`Stream.reason_lost`).
    shard
        What it was encoded to.
    is_under_way
        Whether it is being sent.
    attempts
        At writing it, this one among them.
    """

    stream: Stream
    chunk: Chunk
    disk_first: bool = False
    safe: threading.Event = field(default_factory=threading.Event)
    shard: SpooledShard | None = None
    is_under_way: bool = False
    attempts: int = 1
    _claim: threading.Lock = field(default_factory=threading.Lock)

    @property
    def key(self) -> tuple[str, int]:
        """Stream and index."""
        return self.stream.data_id, self.chunk.index

    def claim(self) -> bool:
        """Decide whose it is: True for the first who asks, the encoder or a push that is interrupted."""
        return self._claim.acquire(blocking=False)
