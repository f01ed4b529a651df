"""What a thread works on is counted once, whenever it is left behind."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.run.leavable_queue import LeavableQueue

HANG_LIMIT_S = 60.0


@given(count=st.integers(0, 6), done_before=st.integers(0, 6), more=st.integers(0, 2), ended=st.booleans())
def test_each_item_is_counted_by_the_reader_or_by_who_leaves_it(
    count: int, done_before: int, more: int, ended: bool
) -> None:
    items: LeavableQueue[int] = LeavableQueue()
    worked: list[int] = []
    hangs, go_on = threading.Event(), threading.Event()

    def work() -> None:
        for item in items:
            if item == done_before:
                hangs.set()
                assert go_on.wait(HANG_LIMIT_S)
            with items.let_go() as is_ours:
                if not is_ours:
                    return
                worked.append(item)
        hangs.set()

    reader = threading.Thread(target=work)
    reader.start()
    for item in range(count):
        items.put(item)
    if ended or done_before >= count:
        items.end()
    assert hangs.wait(HANG_LIMIT_S)
    assert items.in_hand == (done_before if done_before < count else None)
    left = items.leave()
    assert worked + left == list(range(count))
    for item in range(count, count + more):
        items.put(item)
    go_on.set()
    reader.join(HANG_LIMIT_S)
    assert not reader.is_alive()
    assert worked + left == list(range(count))


@given(count=st.integers(0, 50))
def test_a_reader_that_is_left_in_the_middle_of_its_work_counts_nothing_more(count: int) -> None:
    items: LeavableQueue[int] = LeavableQueue()
    worked: list[int] = []

    def work() -> None:
        for item in items:
            with items.let_go() as is_ours:
                if not is_ours:
                    return
                worked.append(item)

    reader = threading.Thread(target=work)
    reader.start()
    for item in range(count):
        items.put(item)
    left = items.leave()
    items.end()
    assert worked + left == list(range(count))
    reader.join(HANG_LIMIT_S)
    assert not reader.is_alive()
