"""A shard on its way to the server, and the sidecar that describes it on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import google_crc32c

VERSION = 1


@dataclass(slots=True, eq=False)
class SpooledShard:
    """A shard on its way: all that an upload needs but the bytes.

    Attributes
    ----------
    data_id, chunk_idx
        Where it belongs.
    size, crc32c, md5
        Of the encoded bytes.
    body
        Of the presign request (see the wire protocol).
    frames
        How many it holds.
    stamps
        ``frame_ids``, ``timestamps_ns`` and ``host_ns`` of the frames.
    content
        The bytes, only where the disk would not take them.
    attempts
        Failed ones so far.
    """

    data_id: str
    chunk_idx: int
    size: int
    crc32c: int
    md5: str
    frames: int
    body: dict[str, str] = field(repr=False)
    stamps: dict[str, list[int]] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    attempts: int = 0


def checksums(content: bytes) -> tuple[int, str]:
    """The crc32c and the MD5, in hexadecimal, of encoded bytes: one to find damage, one that S3 names."""
    return google_crc32c.value(content), hashlib.md5(content, usedforsecurity=False).hexdigest()


def encode_sidecar(shard: SpooledShard) -> bytes:
    """Write down all that an upload in another process needs to know, with a checksum of it."""
    sidecar = asdict(shard)
    for name in ("content", "attempts"):
        del sidecar[name]
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
