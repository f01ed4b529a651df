"""A shard on its way to the server, and the sidecar that describes it on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

if TYPE_CHECKING:
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from rheed_acquire.streaming.server_answers import UploadTarget
    from rheed_acquire.streaming.shard_in_memory import ShardInMemory

VERSION = 2


@dataclass(slots=True, eq=False)
class SpooledShard:
    """A shard on its way: all that an upload needs but the bytes.

    Attributes
    ----------
    data_id, chunk_idx
        Where it belongs.
    size
        Of the encoded bytes; 0 until they are there.
    frames
        How many it holds.
    body
        Of the presign request (see the wire protocol).
    stamps
        ``frame_ids``, ``timestamps_ns`` and ``host_ns`` of the frames; where these are not evenly spaced also
        ``times_us``, microseconds since ``start_unix_ms_utc`` of the body.
    crc32c
        Of the encoded bytes, known once they are written.
    content
        The bytes, as long as they are not on disk.
    attempts
        Failed ones so far.
    stumbles
        Those of them that neither network nor disk explains.
    confirmed
        Whether the server has it: only this process has still to draw the consequences.
    target
        Where its first attempt goes, where that was asked for ahead (see `UrlAhead`).
    upload_id
        What the server calls its latest upload.
    growth
        What regions of interest said of the growth with this chunk (see `Chunk`).
    refusals
        How often an upload of it was confirmed, and did not hold.
    """

    data_id: str
    chunk_idx: int
    size: int
    frames: int
    body: dict[str, str] = field(repr=False)
    stamps: dict[str, list[int]] = field(default_factory=dict, repr=False)
    crc32c: int = 0
    content: ShardInMemory | None = field(default=None, repr=False)
    attempts: int = 0
    stumbles: int = 0
    confirmed: bool = False
    target: Future[UploadTarget] | None = field(default=None, repr=False)
    upload_id: str = ""
    growth: str | None = field(default=None, repr=False)
    refusals: int = 0

    @property
    def times_us(self) -> NDArray[np.int64] | None:
        """(N,) when each frame was captured, in microseconds since the start; None where evenly spaced."""
        times = self.stamps.get("times_us")
        return None if times is None else np.array(times, np.int64)


_OF_THIS_PROCESS = (
    "content",
    "attempts",
    "stumbles",
    "confirmed",
    "target",
    "upload_id",
    "growth",
    "refusals",
)


def encode_sidecar(shard: SpooledShard) -> bytes:
    """Write down all that an upload in another process needs to know, with a checksum of it."""
    sidecar = {
        entry.name: getattr(shard, entry.name)
        for entry in fields(shard)
        if entry.name not in _OF_THIS_PROCESS
    }
    return json.dumps({"version": VERSION, "sidecar_crc32c": _seal(sidecar), **sidecar}).encode()


def decode_sidecar(encoded: bytes) -> SpooledShard:
    """Read a sidecar back.

    Raises
    ------
    ValueError
        It is not what was written, or of another version.
    """
    sidecar = json.loads(encoded)
    if not isinstance(sidecar, dict) or sidecar.pop("version", None) != VERSION:
        raise ValueError("it is of no known version")
    if sidecar.pop("sidecar_crc32c", None) != _seal(sidecar):
        raise ValueError("its checksum does not fit")
    return SpooledShard(**sidecar)


def _seal(sidecar: dict[str, Any]) -> int:
    return int(google_crc32c.value(json.dumps(sidecar, sort_keys=True).encode()))
