"""A stream's ring: made for the process that captures, or left by one that is gone."""

from __future__ import annotations

import logging
import mmap
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rheed_acquire.frames.chunk_buffer import Taker, memory_needed
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.mapped_memory import never, plain_memory
from rheed_acquire.frames.ring import ChunkRing
from rheed_acquire.frames.ring_files import make_ring_memory, remove_files
from rheed_acquire.frames.rings_left import RingFile, look_into, remove_empty_files
from rheed_acquire.streaming.stream_places import free_name, ring_folders

if TYPE_CHECKING:
    from rheed_acquire.frames.chunk_buffer import ChunkBuffer
    from rheed_acquire.streaming.stream_record import StreamRecord

logger = logging.getLogger(__name__)


class LockedFolder(Protocol):
    """What a ring has to do with its stream's folder, which is locked for this process."""

    path: Path
    record: StreamRecord

    def update(self, **changes: Any) -> None:
        """Change the record, durably."""

    def make_quarantine(self) -> Path:
        """Where damaged files go; made where it is not there."""

    def leave(self, path: Path, reason: str) -> None:
        """Note what lies here and cannot be used."""


class StreamRing:
    """The ring of a stream, in shared memory or in the stream's folder.

    Parameters
    ----------
    folder
        Of the stream.
    """

    def __init__(self, folder: LockedFolder) -> None:
        self._folder = folder

    def make(
        self,
        count: int,
        capacity: int,
        height: int,
        width: int,
        utc_offset_ns: int,
        *,
        grows: bool = False,
        given_up: Callable[[], bool] = never,
        form: ChunkForm = PLAIN,
    ) -> ChunkRing:
        """Make a ring that survives this process.

        Parameters
        ----------
        form
            What the frames are, and how the stream's are made of them.
        grows
            Whether a buffer is made when it is first needed, and not before.
        given_up
            See `rheed_acquire.frames.mapped_memory.make_file`.

        Raises
        ------
        RingMemoryError
            There is no room for it.
        RingGivenUpError
            It is not wanted any more.
        """
        if form.archive is not None:
            self._folder.update(archive=str(form.archive))
        now = 1 if grows else count
        place, memories = make_ring_memory(
            self._folder.path, count, capacity, height, width, now, given_up, form.pixel_format
        )
        if place is not None and not place.in_memory:
            logger.info("the ring lies on disk, in %s", place.folder)

        def make_memory(number: int) -> mmap.mmap:
            nbytes = memory_needed(capacity, height, width, form.pixel_format)
            return plain_memory(nbytes) if place is None else place.make(number, nbytes)

        return ChunkRing(
            count,
            capacity,
            height,
            width,
            memories,
            utc_offset_ns,
            make_memory if grows else None,
            form=form,
        )

    def chunks_left(self) -> Iterator[ChunkBuffer]:
        """The chunks that an earlier process had taken and not encoded, in order."""
        yield from self._left_for(Taker.STREAM)

    def chunks_not_archived(self) -> Iterator[ChunkBuffer]:
        """The chunks that it had taken and not archived, in order; none where there is no archive."""
        if self._folder.record.archive is not None:
            yield from self._left_for(Taker.ARCHIVE)

    @property
    def took_nothing(self) -> bool:
        """Whether no frame has ever come into its ring, which is there."""
        files = list(self._files())
        return bool(files) and not any(
            file.trouble is not None or (file.buffer is not None and file.buffer.promised) for file in files
        )

    def _left_for(self, taker: Taker) -> Iterator[ChunkBuffer]:
        buffers = [
            file.buffer
            for file in self._files()
            if file.buffer is not None
            and file.holds_chunk
            and file.trouble is None
            and not file.buffer.is_safe_with(taker)
        ]
        yield from sorted(buffers, key=lambda buffer: buffer.chunk_index)

    def say_safe_with(self, taker: Taker, buffer: ChunkBuffer) -> None:
        """Say that one of those that a chunk is for has it; it is gone once all have."""
        buffer.say_safe_with(taker)
        if self._folder.record.archive is None or all(buffer.is_safe_with(one) for one in Taker):
            buffer.clear()

    def set_torn_aside(self) -> list[tuple[Path, str]]:
        """Put the files of the ring that cannot be used into the quarantine; each, and what is wrong."""
        torn = [(file.path, file.trouble) for file in self._files() if file.trouble is not None]
        for path, reason in torn:
            try:
                quarantine = self._folder.make_quarantine()
                shutil.move(path, free_name(quarantine, path.stem, path.suffix))
            except OSError as error:
                self._folder.leave(path, f"{reason}; it cannot be set aside: {error.strerror or error}")
        return torn

    def remove(self) -> None:
        """Delete the ring's files; what they held is safe elsewhere."""
        for folder in ring_folders(self._folder.path):
            if folder.exists():
                remove_files(folder)

    def free(self) -> None:
        """Delete those of the ring's files that hold nothing any more."""
        for folder in ring_folders(self._folder.path):
            remove_empty_files(folder)

    def _files(self) -> Iterator[RingFile]:
        for folder in ring_folders(self._folder.path):
            yield from look_into(folder)
