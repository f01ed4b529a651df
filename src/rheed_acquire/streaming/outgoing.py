"""A shard on its way into a socket: read once, and checked while it is read."""

from __future__ import annotations

import base64
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

import google_crc32c

BLOCK_BYTES = 1 << 18


class DamagedShardError(Exception):
    """A shard on disk is not what its sidecar says."""


class OutgoingShard(ABC):
    """The body of an upload, as requests takes it.

    The last bytes are given out only when all of them are known to be those that were written: a body that
    ends too soon is stored by no server, so that what was damaged on disk is never confirmed.

    Attributes
    ----------
    size
        In bytes.
    crc32c
        Of all of them.
    """

    size: int
    crc32c: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(BLOCK_BYTES):
            yield block

    @abstractmethod
    def read(self, size: int = -1) -> bytes:
        """Read the next bytes, ``size`` at most; none at the end.

        Raises
        ------
        DamagedShardError
            These would be the last, and what was read is not what was written.
        """

    @abstractmethod
    def rewind(self) -> None:
        """Begin anew."""

    @abstractmethod
    def close(self) -> None:
        """Let the shard go."""

    def check(self) -> None:
        """Read what is left, to know that all is well; raises as `read` does."""
        for _ in self:
            pass

    @property
    def crc32c_base64(self) -> str:
        """The checksum as HTTP headers have it: big-endian, in base64."""
        return base64.b64encode(self.crc32c.to_bytes(4, "big")).decode()

    def md5(self) -> str:
        """The MD5 of the shard in hexadecimal, which some servers name it by; reads it once more."""
        digest = hashlib.md5(usedforsecurity=False)
        self.rewind()
        for block in self:
            digest.update(block)
        return digest.hexdigest()


class ShardFile(OutgoingShard):
    """A shard in a file.

    Parameters
    ----------
    file
        Holds the shard; closed by `close`.
    size, crc32c
        That it must have.

    Raises
    ------
    DamagedShardError
        Its size is another.
    """

    def __init__(self, file: BinaryIO, size: int, crc32c: int) -> None:
        self._file, self.size, self.crc32c = file, size, crc32c
        self._sum, self._left = 0, size
        found = file.seek(0, os.SEEK_END)
        self.rewind()
        if found != size:
            raise DamagedShardError(f"the shard was changed on disk: {found} bytes where {size} were written")

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes; see `OutgoingShard.read`."""
        block = self._file.read(size)
        self._sum = google_crc32c.extend(self._sum, block)
        self._left -= len(block)
        if self._left <= 0 and (self._left < 0 or self._sum != self.crc32c):
            raise DamagedShardError("the shard was changed on disk: its checksum does not fit")
        return block

    def rewind(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._sum, self._left = 0, self.size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
