"""One-time upload URLs, and receiving what is put there."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIEnvironment

import google_crc32c

from rheed_acquire.recording.declarations import ChunkDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.server.json_body import shown
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.system.durable_files import BulkWriter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHECKSUM_HEADER = "x-amz-checksum-crc32c"
"""As S3 spells it: the crc32c of the body, big-endian, in base64."""

VALID_FOR_S = 15 * 60.0
MOST_TICKETS = 4096
MOST_TIMES = 1 << 22
"""Frames' own times that tickets hold together, 8 bytes each."""
_LOOKED_AT = 128
_BLOCK_BYTES = 1 << 18
"""Small enough to be found in the processor's cache again by checksum and copy."""


@dataclass(slots=True)
class _Ticket:
    stream: RunWriter
    chunk: ChunkDeclaration
    expires: float
    times_ms: NDArray[np.float64] | None = None
    in_use: bool = False


class UploadTickets:
    """The upload URLs that are still good. They live in memory: after a restart clients ask for new ones.

    Where there are too many the oldest that is not in use goes: its client is told so, and asks for another.
    """

    def __init__(
        self, valid_for_s: float = VALID_FOR_S, most: int = MOST_TICKETS, most_times: int = MOST_TIMES
    ) -> None:
        self._valid_for_s, self._most, self._most_times = valid_for_s, most, most_times
        self._times = 0
        self._tickets: dict[str, _Ticket] = {}  # in the order of their making, and so of their expiry
        self._lock = threading.Lock()

    def issue(
        self, stream: RunWriter, chunk: ChunkDeclaration, times_ms: NDArray[np.float64] | None = None
    ) -> str:
        """Make a token that is good for one successful upload of this chunk, whose frames may have times."""
        token = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            stale = [key for key, ticket in self._oldest() if ticket.expires < now]
            for key in stale:
                self._drop(key)
            while self._is_full(times_ms):
                oldest = next((key for key, ticket in self._oldest() if not ticket.in_use), None)
                if oldest is None:
                    break
                self._drop(oldest)
            self._tickets[token] = _Ticket(stream, chunk, now + self._valid_for_s, times_ms)
            self._times += 0 if times_ms is None else len(times_ms)
        return token

    def _is_full(self, times_ms: NDArray[np.float64] | None) -> bool:
        too_many = times_ms is not None and self._times + len(times_ms) > self._most_times
        return len(self._tickets) >= self._most or too_many

    def _drop(self, token: str) -> None:
        ticket = self._tickets.pop(token, None)
        if ticket is not None and ticket.times_ms is not None:
            self._times -= len(ticket.times_ms)

    def _oldest(self) -> Iterator[tuple[str, _Ticket]]:
        """Those that are first in line to go: no more of them than uploads can be under way at once."""
        return islice(self._tickets.items(), _LOOKED_AT)

    @contextmanager
    def redeem(self, token: str) -> Iterator[tuple[RunWriter, ChunkDeclaration, NDArray[np.float64] | None]]:
        """Use a token for one upload; it is spent when the body of the ``with`` succeeds.

        Raises
        ------
        Refusal
            403 where the token is unknown, expired, spent or in use.
        """
        with self._lock:
            ticket = self._tickets.get(token)
            if ticket is None or ticket.expires < time.monotonic():
                raise Refusal(403, "this upload URL is not valid: expired, used, or never given out")
            if ticket.in_use:
                raise Refusal(403, "this upload URL is in use")
            ticket.in_use = True
        try:
            yield ticket.stream, ticket.chunk, ticket.times_ms
        except BaseException:
            ticket.in_use = False
            raise
        with self._lock:
            self._drop(token)


class HungUpError(Exception):
    """The client went away within its request."""


class BodyReader:
    """Reads the body of a request, from wherever it has been read to.

    Attributes
    ----------
    announced
        Its length in bytes, or 0 where it comes in chunks, or not at all.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._input: Any = environ["wsgi.input"]
        self.announced = int(environ.get("CONTENT_LENGTH") or 0)

    def read(self, nbytes: int) -> bytes:
        """Read so many bytes, or what is left where that is less.

        Raises
        ------
        HungUpError
            The connection was lost.
        Refusal
            400 where it comes in chunks that make no sense.
        """
        try:
            block: bytes = self._input.read(nbytes)
        except OSError as error:
            raise HungUpError from error
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        # What a known length still lacks is counted by the server; where that is not known it is 0.
        missing = getattr(self._input, "remaining", 0)
        if missing and len(block) < nbytes:
            raise HungUpError
        return block

    @property
    def is_read(self) -> bool:
        """Whether nothing of it is left."""
        # A known length counts down; what comes in chunks knows when it is over.
        return bool(getattr(self._input, "is_over", not getattr(self._input, "remaining", 0)))

    def skip(self) -> bool:
        """Read what is left where that is little; False where there is more, or the connection was lost."""
        with suppress(HungUpError, Refusal):
            self.read(_BLOCK_BYTES)
        return self.is_read


def _crc32c() -> Any:
    return google_crc32c.Checksum()  # type: ignore[no-untyped-call]


def receive(body: BodyReader, target: Path, limit: int, claimed: str | None = None) -> dict[str, str]:
    """Write a request's body to a file.

    Parameters
    ----------
    claimed
        What the sender says that the checksum of the body is, as `CHECKSUM_HEADER` has it, if anything.

    Returns
    -------
    dict
        The header of the answer that says what was received: the checksum that was claimed, or as S3 has
        it, an ETag with the MD5 of the body.

    Raises
    ------
    Refusal
        413 where the body is longer than ``limit`` bytes, 400 where it is not what its sender claims.
    HungUpError
        The connection was lost.
    """
    checksum: Any = hashlib.md5(usedforsecurity=False) if claimed is None else _crc32c()
    if body.announced > limit:
        raise too_large(limit)
    size = 0
    with target.open("xb", buffering=0) as file:
        writer = BulkWriter(file)
        while block := body.read(_BLOCK_BYTES):
            size += len(block)
            if size > limit:
                raise too_large(limit)
            checksum.update(block)
            writer.write([block])
    if claimed is None:
        return {"ETag": f'"{checksum.hexdigest()}"'}
    received = base64.b64encode(checksum.digest()).decode()
    if received != claimed:
        raise Refusal(
            400, f"the crc32c of the body is {received}, not {shown(claimed)}: it was changed on the way"
        )
    return {CHECKSUM_HEADER: received}


def too_large(limit: int) -> Refusal:
    """Refuse a body longer than any shard of the declared dims."""
    return Refusal(413, f"the body is longer than {limit} bytes, more than any shard of these dims takes")
