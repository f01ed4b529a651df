"""What a server answers to the requests of a stream, as far as this client heeds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rheed_acquire.recording.growth_notes import GROWTH
from rheed_acquire.text.printable_text import printable

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class RefusedChunk:
    """A chunk that was confirmed and does not hold (wire protocol, "What did not hold").

    Attributes
    ----------
    chunk_idx
        Which.
    upload_id
        Of its upload, as the server called it when it gave the URL: a later one of the same chunk is another.
    reason
        Fit to be shown.
    """

    chunk_idx: int
    upload_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where a shard goes.

    Attributes
    ----------
    url
        Presigned: a secret, good for one upload.
    takes_crc32c
        Whether the upload may bring a checksum. A URL signed for S3 allows no header that it was not signed
        with; this project's own server says that it takes one, and then need not decode every frame.
    keeps_shards
        Whether the server says that it keeps shards as they come, at the size that they have.
    is_verified_later
        Whether the server says that it looks at the upload only after it was confirmed.
    takes_growth
        Whether the server says that a later request may bring how fast it grows.
    takes_padded
        Whether the server says that the shard of a short chunk may have the index of a full one.
    upload_id
        What it calls the upload; empty where it does not say.
    refused
        The stream's chunks that did not hold when it looked at them.
    """

    url: str = field(repr=False)
    takes_crc32c: bool = False
    keeps_shards: bool = False
    is_verified_later: bool = False
    takes_growth: bool = False
    takes_padded: bool = False
    upload_id: str = ""
    refused: tuple[RefusedChunk, ...] = ()

    @classmethod
    def of(cls, url: str, answer: Mapping[str, Any]) -> Self:
        """Read what the answer says beside the URL."""
        upload_id = answer.get("upload_id")
        return cls(
            url,
            takes_crc32c=answer.get("checksum") == "crc32c",
            keeps_shards=answer.get("keeps") == "shards",
            is_verified_later=answer.get("verified") == "later",
            takes_growth=GROWTH in answer,
            takes_padded=answer.get("short_shards") == "padded",
            upload_id=upload_id if isinstance(upload_id, str) else "",
            refused=_refused_in(answer),
        )


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """What is answered to a stream's end.

    Attributes
    ----------
    is_closed
        Whether it has ended; else the server waits for what it has refused to come again.
    refused
        The chunks that it does not have, though it had confirmed them.
    """

    is_closed: bool
    refused: tuple[RefusedChunk, ...] = ()

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Read an answer; of one that says nothing the stream has ended."""
        if not isinstance(answer, dict):
            return cls(is_closed=True)
        return cls(answer.get("state") != "open", _refused_in(answer))


def _refused_in(answer: Mapping[str, Any]) -> tuple[RefusedChunk, ...]:
    """What an answer says is refused; what does not say so as it should is passed over."""
    entries = answer.get("refused")
    found = []
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        index, upload_id, reason = (entry.get(key) for key in ("chunk", "upload_id", "reason"))
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            continue
        if isinstance(upload_id, str) and isinstance(reason, str):
            found.append(RefusedChunk(index, upload_id, printable(reason[:_LONGEST_REASON])))
    return tuple(found)
