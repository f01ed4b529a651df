"""What a run's folder does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.errors import RheedAcquireError

if TYPE_CHECKING:
    from rheed_acquire.recording.declarations import ChunkDeclaration


class UnfitError(RheedAcquireError):
    """It is not what was declared, or does not fit what the run holds; the message says why."""


class RunClosedError(UnfitError):
    """The run has ended and takes no more chunks."""


def refuse_unless_open(data_id: str, state: str) -> None:
    """Raise `RunClosedError` where a stream takes no more chunks."""
    if state != "open":
        raise RunClosedError(f"stream {data_id} is closed: it takes no more chunks")


def refuse_unlike(chunk: ChunkDeclaration, height: int, width: int, chunk_size: int) -> None:
    """Raise `UnfitError` where a chunk's frames are not as those of the stream before it."""
    if (chunk.height, chunk.width) != (height, width):
        raise UnfitError(
            f"'dims' says frames of {chunk.height} x {chunk.width}, but this stream's are {height} x {width}"
        )
    if chunk.chunk_size != chunk_size:
        raise UnfitError(f"'chunk_size' is {chunk.chunk_size}, but this stream's is {chunk_size}")
