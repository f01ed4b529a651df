"""A shard that lies in memory: sent from there, also while it moves to the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import google_crc32c
import numpy as np

from rheed_acquire.streaming.outgoing import DamagedShardError, OutgoingShard

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from rheed_acquire.recording.shard_encoding import Shard


def checksum(pieces: Iterable[Buffer], crc32c: int = 0) -> int:
    """Extend a crc32c by the bytes of pieces."""
    for piece in pieces:
        # As an array: of what there is, only that is taken by both the extension and its stand-in.
        crc32c = google_crc32c.extend(crc32c, np.frombuffer(memoryview(piece), np.uint8))
    return crc32c


@dataclass(slots=True)
class _Place:
    """Where a shard's bytes are: in ``content``, or else in the file."""

    content: Shard | None
    open_file: Callable[[], BinaryIO] | None = None
    crc32c: int | None = None
    readers: list[ShardReader] = field(default_factory=list)
    # Held while a block is taken, so that the memory is not freed under it.
    lock: threading.Lock = field(default_factory=threading.Lock)


class ShardInMemory:
    """An encoded shard whose bytes need not be on disk. Any thread may read it.

    Its pieces may be the frames themselves, in the chunk's own memory: that is free only after `move_to`, or
    when nobody reads any more.

    Parameters
    ----------
    content
        The pieces.
    """

    def __init__(self, content: Shard) -> None:
        self.size = content.size
        self._place = _Place(content)

    def __iter__(self) -> Iterator[Buffer]:
        """The pieces in order, as long as they are in memory."""
        content = self._place.content
        assert content is not None
        return iter(content)

    @property
    def crc32c(self) -> int:
        """Of all bytes; found out when it is first asked for."""
        with self._place.lock:
            if self._place.crc32c is None:
                self._place.crc32c = checksum(self)
            return self._place.crc32c

    def open(self) -> ShardReader:
        """Begin to read; the reader is to be closed."""
        crc32c = self.crc32c
        with self._place.lock:
            reader = ShardReader(self._place, self.size, crc32c)
            self._place.readers.append(reader)
        return reader

    def own(self) -> None:
        """Be independent of the chunk's memory, which is free then; while nobody reads."""
        with self._place.lock:
            content = self._place.content
            if content is not None and content.is_of_chunk:
                self._place.content = content.copy()

    def move_to(self, open_file: Callable[[], BinaryIO], crc32c: int) -> None:
        """Be read from a file from now on, also by those who are in the middle; the memory is free then.

        Parameters
        ----------
        open_file
            Opens it.
        crc32c
            Of its bytes, which are these.
        """
        place = self._place
        with place.lock:
            for reader in place.readers:
                reader.leave_memory()
            place.content, place.open_file, place.crc32c = None, open_file, crc32c


class ShardReader(OutgoingShard):
    """Reads a `ShardInMemory` from its first byte to its last.

    What it has read from memory is what was encoded. What it reads from disk is checked, as is every file of
    the spool.
    """

    def __init__(self, place: _Place, size: int, crc32c: int) -> None:
        self._place, self.size, self.crc32c = place, size, crc32c
        self._file: BinaryIO | None = None
        self._pieces: Iterator[Buffer] | None = None
        self._rest = memoryview(b"")
        self._given = 0
        # The checksum of what is still to be read from disk, and of what has been.
        self._expected = self._sum = 0
        self._begin()

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes; see `OutgoingShard.read`.

        Raises
        ------
        OSError
            It has moved to the disk, which cannot be read.
        """
        most = self.size - self._given
        wanted = most if size < 0 else min(size, most)
        with self._place.lock:
            if self._pieces is not None:
                block = self._from_memory(self._pieces, wanted)
                self._given += len(block)
                return block
        return self._from_disk(wanted)

    def rewind(self) -> None:
        """Begin anew."""
        with self._place.lock:
            self._begin()

    def close(self) -> None:
        """Let the shard go."""
        with self._place.lock:
            if self in self._place.readers:
                self._place.readers.remove(self)
            self._pieces, self._rest = None, memoryview(b"")
        if self._file is not None:
            self._file.close()

    def leave_memory(self) -> None:
        """Go on from the disk; called with the place's lock, while the memory is still there."""
        if self._pieces is not None:
            self._expected = checksum(self._pieces, checksum([self._rest]))
            self._pieces, self._rest = None, memoryview(b"")

    def _begin(self) -> None:
        content = self._place.content
        self._pieces = None if content is None else iter(content)
        self._rest = memoryview(b"")
        self._given = self._sum = 0
        self._expected = self.crc32c
        if self._file is not None:
            self._file.seek(0)

    def _from_memory(self, pieces: Iterator[Buffer], size: int) -> bytes:
        parts = []
        while size > 0:
            if not self._rest:
                self._rest = memoryview(next(pieces)).cast("B")
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def _from_disk(self, size: int) -> bytes:
        if self._file is None:
            assert self._place.open_file is not None
            self._file = self._place.open_file()
            self._file.seek(self._given)
        block = self._file.read(size)
        self._given += len(block)
        self._sum = google_crc32c.extend(self._sum, block)
        if size and not block:
            raise DamagedShardError(f"the shard was changed on disk: it ends after {self._given} bytes")
        if self._given == self.size and self._sum != self._expected:
            raise DamagedShardError("the shard was changed on disk: its checksum does not fit")
        return block
