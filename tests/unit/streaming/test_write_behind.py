"""Which shards go from memory to disk, and when."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from rheed_acquire.frames.ring import Chunk
from rheed_acquire.streaming.parcel import Parcel
from rheed_acquire.streaming.write_behind import GRACE_S, MOST, PATIENCE_S, WriteBehind


class StreamStub:
    """What is asked of a stream."""

    def __init__(self, data_id: str = "growth", *, pushes_wait: bool = False) -> None:
        self.data_id, self.pushes_wait = data_id, pushes_wait
        self.ring_is_short = False


class Bench:
    """A `WriteBehind` whose time stands still until it is moved on."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.write_behind = WriteBehind(lambda: self.now_s)
        self.stream: Any = StreamStub()
        self._threads = ThreadPoolExecutor()
        self._numbers = itertools.count()

    def parcel(self, last_s: float | None = None, stream: Any = None, **changes: Any) -> Parcel:
        """Add a shard whose last frame came at ``last_s``, by default now."""
        arrived_ns = round((self.now_s if last_s is None else last_s) * 1e9)
        ids = np.zeros(1, np.int64)
        chunk = Chunk(next(self._numbers), np.zeros((1, 1, 1), np.uint8), ids, ids, np.array([arrived_ns]))
        parcel = Parcel(stream or self.stream, chunk, **changes)
        self.write_behind.add(parcel)
        return parcel

    def taken(self) -> Parcel | None:
        """What has to be written now, or None."""
        waiting = self._threads.submit(self.write_behind.take)
        try:
            return waiting.result(4 * GRACE_S)
        except TimeoutError:
            # Whoever waits gets what this makes due.
            sentinel = self.parcel(disk_first=True)
            got = waiting.result(30)
            self.write_behind.leave(sentinel, lambda: None)
            self.write_behind.written(sentinel)
            return None if got is sentinel else got

    def close(self) -> None:
        self.write_behind.close()
        self._threads.shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_what_is_not_confirmed_a_second_after_its_last_frame_is_written(bench: Bench) -> None:
    parcel = bench.parcel()
    bench.now_s += PATIENCE_S / 2
    assert bench.taken() is None
    bench.now_s += PATIENCE_S
    assert bench.taken() is parcel
    assert bench.taken() is None, "by one only"


def test_what_is_confirmed_before_is_never_written(bench: Bench) -> None:
    parcel = bench.parcel()
    done: list[str] = []
    bench.write_behind.leave(parcel, lambda: done.append("let go"))
    bench.now_s += 10 * PATIENCE_S
    assert bench.taken() is None
    assert done == ["let go"]


def test_what_was_encoded_late_has_no_time_left_and_a_time_of_another_process_is_none(bench: Bench) -> None:
    assert bench.taken() is None
    late = bench.parcel(last_s=bench.now_s - PATIENCE_S)
    assert bench.taken() is late
    foreign = bench.parcel(last_s=bench.now_s + 1e6)
    bench.now_s += 1.5 * PATIENCE_S
    assert bench.taken() is foreign


def test_what_is_confirmed_while_it_is_written_is_let_go_of_when_it_is(bench: Bench) -> None:
    parcel = bench.parcel(disk_first=True)
    assert bench.taken() is parcel
    done: list[str] = []
    bench.write_behind.leave(parcel, lambda: done.append("let go"))
    assert not done, "its memory is being read"
    bench.write_behind.written(parcel)
    bench.write_behind.written(parcel)
    assert done == ["let go"]


@pytest.mark.parametrize("is_taken", [True, False])
def test_what_is_refused_for_good_is_written_at_once_and_let_go_of_after(
    bench: Bench, *, is_taken: bool
) -> None:
    parcel = bench.parcel()
    done: list[str] = []
    bench.write_behind.leave(parcel, lambda: done.append("let go"), written=True)
    assert not done
    assert bench.taken() is parcel
    (bench.write_behind.written if is_taken else bench.write_behind.refused)(parcel)
    assert done == ["let go"]
    assert bench.write_behind.find(*parcel.key) is None


def test_what_the_disk_has_refused_is_let_go_of_though_it_was_to_be_written(bench: Bench) -> None:
    parcel = bench.parcel(disk_first=True)
    assert bench.taken() is parcel
    bench.write_behind.refused(parcel)
    done: list[str] = []
    bench.write_behind.leave(parcel, lambda: done.append("let go"), written=True)
    assert done == ["let go"]


def test_letting_go_that_fails_is_tried_again(bench: Bench) -> None:
    parcel = bench.parcel(disk_first=True)
    assert bench.taken() is parcel
    attempts: list[int] = []

    def let_go() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise MemoryError

    bench.write_behind.leave(parcel, let_go)
    with pytest.raises(MemoryError):
        bench.write_behind.refused(parcel)
    bench.write_behind.refused(parcel)
    assert attempts == [0, 1]


def test_where_the_ring_runs_short_what_waits_for_its_turn_is_written_first(bench: Bench) -> None:
    sending, waiting = bench.parcel(), bench.parcel()
    sending.is_under_way = True
    bench.stream.ring_is_short = True
    assert bench.taken() is None, "it may be sent in a moment"
    bench.now_s += 2 * GRACE_S
    assert bench.taken() is waiting
    assert bench.taken() is sending, "a camera does not wait"
    assert bench.taken() is None


def test_a_push_that_can_wait_waits_for_what_is_on_its_way(bench: Bench) -> None:
    patient = StreamStub("pushed", pushes_wait=True)
    patient.ring_is_short = True
    sending = bench.parcel(stream=patient)
    sending.is_under_way = True
    bench.now_s += 2 * GRACE_S
    assert bench.taken() is None
    bench.now_s += PATIENCE_S
    assert bench.taken() is sending


def test_what_the_disk_refuses_is_not_offered_again(bench: Bench) -> None:
    parcel = bench.parcel(disk_first=True)
    assert bench.taken() is parcel
    bench.write_behind.refused(parcel)
    bench.now_s += 10 * PATIENCE_S
    assert bench.taken() is None
    bench.write_behind.settle("growth", 30)  # and nobody waits for it
    done: list[str] = []
    bench.write_behind.leave(parcel, lambda: done.append("let go"))
    assert done == ["let go"]


def test_a_stream_that_is_left_has_its_shards_written_at_once_and_no_others(bench: Bench) -> None:
    mine, other = bench.parcel(), bench.parcel(stream=StreamStub("other"))
    with ThreadPoolExecutor() as threads:
        settled = threads.submit(bench.write_behind.settle, "growth", 30.0)
        assert bench.write_behind.take() is mine
        assert not settled.done()
        bench.write_behind.written(mine)
        settled.result(30)
    assert bench.taken() is None
    bench.write_behind.forget("other")
    bench.now_s += 10 * PATIENCE_S
    assert bench.taken() is None, f"{other} is no more"


def test_no_more_lie_in_memory_than_can_be_sent_at_once(bench: Bench) -> None:
    parcels = [bench.parcel() for _ in range(MOST)]
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(bench.write_behind.wait_for_room)
        bench.now_s += 2 * GRACE_S
        assert bench.taken() is parcels[0], "the oldest makes room"
        assert not waiting.done()
        bench.write_behind.written(parcels[0])
        assert waiting.result(30), "it had to wait"
    assert bench.taken() is None
    bench.write_behind.leave(parcels[1], lambda: None)
    assert not bench.write_behind.wait_for_room()


def test_the_disk_is_behind_while_it_is_busy_and_others_are_due(bench: Bench) -> None:
    first, second = bench.parcel(disk_first=True), bench.parcel(disk_first=True)
    assert not bench.write_behind.is_behind
    assert bench.write_behind.take() is first
    assert bench.write_behind.is_behind
    assert bench.write_behind.take() is second
    assert not bench.write_behind.is_behind


def test_nobody_waits_for_what_is_closed() -> None:
    bench = Bench()
    for _ in range(MOST):
        bench.parcel()
    with ThreadPoolExecutor() as threads:
        taken = threads.submit(bench.write_behind.take)
        others: list[Future[Any]] = [
            threads.submit(bench.write_behind.wait_for_room),
            threads.submit(bench.write_behind.settle, "nothing of its own", 30.0),
        ]
        bench.close()
        assert taken.result(30) is None
        for other in others:
            other.result(30)
