"""A ring whose chunks an archive takes too: what the spool knows of it, and whose the buffers are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.frames.chunk_buffer import Taker
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_record import read_record

if TYPE_CHECKING:
    from rheed_acquire.streaming.stream_record import StreamRecord

ARCHIVED = ChunkForm(archive=Path("archive"))


@pytest.fixture
def folder(root: Path, make_record: Callable[..., StreamRecord]) -> Any:
    root.mkdir()
    made = StreamFolder.create(root, make_record(f"shared-{os.getpid()}-{root.parent.name}"))
    yield made
    made.ring.remove()
    made.close(delete=False)


@pytest.mark.parametrize(("form", "left_when_short"), [(PLAIN, 1), (ARCHIVED, 5)])
def test_what_is_the_archives_is_no_room_of_the_streams(
    folder: StreamFolder, form: ChunkForm, left_when_short: int
) -> None:
    stream = Stream(folder, ring_chunks=2, when_full=WhenFull.STOP)
    ring = stream.ring(4, 6, 8, form=form)
    held = []
    while not stream.ring_is_short:
        held.append(ring.acquire())
    assert ring.available == left_when_short


def test_each_is_left_what_it_lacks_and_the_spool_says_where_the_archive_is(folder: StreamFolder) -> None:
    ring = folder.ring.make(4, 5, 4, 6, 0, form=ARCHIVED)
    for index, safe in enumerate(([], [Taker.STREAM], [Taker.ARCHIVE])):
        buffer = ring.acquire()
        assert buffer is not None
        buffer.begin(index)
        buffer.cells[5] = 1
        for taker in safe:
            buffer.say_safe_with(taker)
    record = read_record(folder.path)
    assert record is not None
    assert record.archive == "archive"
    assert [buffer.chunk_index for buffer in folder.ring.chunks_left()] == [0, 2]
    (first, second) = folder.ring.chunks_not_archived()
    assert (first.chunk_index, second.chunk_index) == (0, 1)
    folder.ring.say_safe_with(Taker.ARCHIVE, first)
    folder.ring.say_safe_with(Taker.ARCHIVE, second)
    assert list(folder.ring.chunks_not_archived()) == []
    assert [buffer.chunk_index for buffer in folder.ring.chunks_left()] == [0, 2]
    assert second.chunk_index == -1


def test_without_an_archive_a_chunk_is_gone_when_the_stream_has_it(folder: StreamFolder) -> None:
    buffer = folder.ring.make(2, 5, 4, 6, 0).acquire()
    assert buffer is not None
    buffer.begin(0)
    buffer.cells[5] = 1
    assert list(folder.ring.chunks_not_archived()) == []
    folder.ring.say_safe_with(Taker.STREAM, buffer)
    assert buffer.chunk_index == -1
