"""What lies beside the shards while a stream is open: kept true chunk by chunk, at the same cost for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import zarr

from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.server.store import StreamStore

HEIGHT, WIDTH, CHUNK_SIZE = 5, 7, 4
FPS = 100.0
START = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StreamStore]:
    store = StreamStore(tmp_path / "runs")
    yield store
    store.release()


def create(store: StreamStore) -> RunWriter:
    return store.create(StreamDeclaration("Growth run 42", FPS, 0.0, None, None, None))


def declare(index: int, count: int, chunk_size: int) -> ChunkDeclaration:
    return ChunkDeclaration(index, count, HEIGHT, WIDTH, chunk_size, START + index * 1000, 12.0, 0.5)


def upload(stream: RunWriter, index: int, count: int, chunk_size: int = CHUNK_SIZE) -> None:
    received = stream.incoming_path()
    received.write_bytes(bytes(encode_shard(np.full((count, HEIGHT, WIDTH), index % 256, np.uint8))))
    try:
        stream.commit(received, declare(index, count, chunk_size), is_as_sent=True)
    finally:
        received.unlink(missing_ok=True)


def open_group(stream: RunWriter) -> Any:
    return zarr.open_group(stream.folder / "frames.zarr", mode="r")


def test_streams_longer_than_one_block_of_stamps_keep_every_stamp(store: StreamStore) -> None:
    stream = create(store)
    counts = {0: 20_000, 1: 19_999, 2: 20_000, 4: 5}
    for index, count in counts.items():
        upload(stream, index, count, 20_000)
    live = open_group(stream)["time_unix_ms"][:]
    assert live.shape == (80_005,)
    assert np.isnan(live[39_999])
    assert np.isnan(live[60_000:80_000]).all()
    store.close(stream.data_id, "test")
    stamps = open_group(stream)["time_unix_ms"][:]
    expected = [START + i * 1000 + np.arange(count) * 1000 / FPS for i, count in counts.items()]
    np.testing.assert_array_equal(stamps, np.concatenate(expected))


def test_what_the_disk_refused_beside_the_shard_is_made_up_for_with_the_next_chunk(
    store: StreamStore,
) -> None:
    stream = create(store)
    upload(stream, 0, 4)
    block = stream.folder / "frames.zarr/chunk_frames/c/0"
    block.rename(stream.folder / "aside")
    block.mkdir()
    with pytest.raises(OSError, match="chunk_frames"):
        upload(stream, 1, 3)
    block.rmdir()
    (stream.folder / "aside").rename(block)
    upload(stream, 2, 2)
    assert open_group(stream)["chunk_frames"][:].tolist() == [4, 3, 2]
    assert open_group(stream)["chunk_index"][:].tolist() == [0, 1, 2]


def test_a_chunk_that_comes_again_with_fewer_frames_leaves_no_stamp_of_those_gone(store: StreamStore) -> None:
    stream = create(store)
    for index, count in ((0, 4), (1, 4), (0, 1)):
        upload(stream, index, count)
    stamps = open_group(stream)["time_unix_ms"][:]
    np.testing.assert_array_equal(np.isnan(stamps), [False] + [True] * 3 + [False] * 4)


def lines_run(function: Callable[[], None]) -> int:
    """How many lines of the package's code a call runs, one for each round of a loop."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "rheed_acquire" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("lost", [None, 1], ids=["all have come", "one is missing"])
def test_a_chunk_late_in_a_stream_takes_no_more_work_than_an_early_one(
    store: StreamStore, lost: int | None
) -> None:
    lines = []
    for already in (10, 4000):
        stream = create(store)
        log = [asdict(declare(index, 4, CHUNK_SIZE)) for index in range(already) if index != lost]
        (stream.folder / "chunks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
        stream = RunWriter.load(stream.folder)
        # Uploads overtake each other.
        lines.append([lines_run(partial(upload, stream, already + ahead, 4)) for ahead in (1, 0)])
        assert open_group(stream)["chunk_index"][-3:].tolist() == [already - 1, already, already + 1]
    early, late = lines
    # What a search among 4,000 takes more than one among 10, and not what looking at each would.
    assert max(late) - max(early) < 200
