"""Chunks that a server has confirmed and not looked at: kept while there is room, sent again, given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rheed_acquire.recording.shard_encoding import Shard
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.server_answers import RefusedChunk
from rheed_acquire.streaming.shard_in_memory import ShardInMemory
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.unverified_chunks import MOST_REFUSALS, UnverifiedChunks

DATA_ID = "growth-1"
CONTENT = b"ten bytes."


class Bench:
    """A stream whose chunks are confirmed as they are asked to be, from memory or from disk."""

    def __init__(self, spool: Spool, make_record: Callable[..., Any], make_shard: Callable[..., Any]) -> None:
        self.spool, self._make_shard = spool, make_shard
        self.stream = Stream(spool.open_stream(make_record()), 2, WhenFull.DROP)
        self.unverified = UnverifiedChunks(spool, most_bytes=3 * len(CONTENT))

    def send(self, index: int, *, on_disk: bool) -> SpooledShard:
        shard: SpooledShard = self._make_shard(CONTENT, index)
        self.stream.admit(index, (1, 2, 3))
        if on_disk:
            self.spool.add(shard, [CONTENT])
        else:
            shard.content = ShardInMemory(Shard(len(CONTENT), lambda: iter([CONTENT])))
            self.spool.enqueue(shard)
        self.confirm()
        return shard

    def confirm(self) -> None:
        """Confirm what is next, as an upload of the n-th time."""
        shard = self.spool.take()
        assert shard is not None
        with self.spool.open(shard) as body:
            assert body.read() == CONTENT
        shard.confirmed = True
        shard.upload_id = f"{shard.chunk_idx}-{shard.refusals + 1}"
        self.unverified.keep(shard)
        self.stream.uploaded(shard.chunk_idx, shard.size, shard.upload_id)

    def refuse(self, index: int, times: int = 1) -> bool:
        return self.unverified.heed(self.stream, [RefusedChunk(index, f"{index}-{times}", "broken")])

    @property
    def lost(self) -> list[int]:
        return [index for index, _ in self.stream.status().lost]

    @property
    def on_disk(self) -> list[int]:
        return sorted(self.stream.folder.waiting())


@pytest.fixture
def bench(open_spool: Any, make_record: Any, make_shard: Any) -> Bench:
    return Bench(open_spool(), make_record, make_shard)


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_does_not_hold_is_sent_again_a_few_times_and_then_given_up(bench: Bench, on_disk: bool) -> None:
    bench.send(0, on_disk=on_disk)
    for times in range(1, MOST_REFUSALS + 1):
        assert bench.refuse(0, times)
        assert bench.stream.status().chunks_queued == 1
        assert bench.on_disk == [0], "it is safe there, whatever becomes of this process"
        assert not bench.refuse(0, times), "told again, it is not heeded again"
        bench.confirm()
    assert not bench.refuse(0, MOST_REFUSALS + 1)
    assert (bench.lost, bench.on_disk) == ([0], [])
    assert bench.stream.status().bytes_uploaded == 0
    assert bench.stream.is_lossless, "nothing of it is here for a later process"


def test_what_is_told_of_an_earlier_upload_or_of_a_chunk_that_was_never_sent_is_passed_over(
    bench: Bench,
) -> None:
    bench.send(0, on_disk=False)
    assert not bench.refuse(0, 7)
    assert not bench.refuse(5)
    status = bench.stream.status()
    assert (status.chunks_uploaded, status.chunks_pushed, bench.lost) == (1, 1, [])


def test_a_stream_that_has_ended_has_lost_what_does_not_hold(bench: Bench) -> None:
    for index in range(2):
        bench.send(index, on_disk=True)
    refused = [RefusedChunk(0, "0-9", "broken"), RefusedChunk(3, "3-1", "sent by an earlier process")]
    for _ in range(2):
        bench.unverified.give_up(bench.stream, refused)
    bench.unverified.let_go_of(DATA_ID)
    report = bench.stream.report(closed=True)
    assert (report["chunks_uploaded"], report["chunks_not_uploaded"], bench.lost) == (1, 2, [0, 3])
    assert bench.on_disk == []
    assert not bench.unverified.has_any(DATA_ID)


def test_a_stream_that_is_let_go_of_keeps_on_disk_what_nobody_has_looked_at(bench: Bench) -> None:
    bench.send(0, on_disk=True)
    bench.unverified.forget(DATA_ID)
    assert not bench.unverified.has_any(DATA_ID)
    assert bench.on_disk == [0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 9), max_size=3)), min_size=1, max_size=10)
)
def test_the_books_add_up_whatever_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
    make_record: Any,
    make_shard: Any,
    steps: list[tuple[bool, list[int]]],
) -> None:
    from rheed_acquire.streaming.limits import SpoolLimits

    root: Path = tmp_path_factory.mktemp("spool") / "kept"
    spool = Spool(root, SpoolLimits(keep_free_bytes=0))
    try:
        bench = Bench(spool, make_record, make_shard)
        for index, (on_disk, refused) in enumerate(steps):
            bench.send(index, on_disk=on_disk)
            for one in refused:
                if bench.refuse(one):
                    bench.confirm()
        status = bench.stream.status()
        assert status.chunks_pushed == len(steps)
        assert (status.chunks_uploaded + status.chunks_failed, status.chunks_queued) == (len(steps), 0)
        assert status.bytes_uploaded == status.chunks_uploaded * len(CONTENT)
        assert set(bench.on_disk) <= set(range(len(steps)))
        assert len(bench.on_disk) <= 3, "the oldest are let go of"
        bench.unverified.let_go_of(DATA_ID)
        assert bench.on_disk == []
        assert spool.counts(DATA_ID).nbytes == 0
    finally:
        spool.close()
