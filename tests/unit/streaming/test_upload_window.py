"""How many uploads run at once, on lines that are simulated."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rheed_acquire.streaming.upload_window import START, UploadWindow

SIZE = 1_000_000


class Line:
    """Carries so many bytes per second, by the number of uploads at once."""

    def __init__(self, rate: Callable[[int], float], most: int = 8) -> None:
        self.now_s = 0.0
        self.window = UploadWindow(most, lambda: self.now_s)
        self.rate = rate

    def carry(self, shards: int, *, more_waiting: bool = True) -> list[int]:
        sizes = []
        for _ in range(shards):
            self.now_s += SIZE / self.rate(self.window.size)
            self.window.done(SIZE, more_waiting=more_waiting)
            sizes.append(self.window.size)
        return sizes


def test_a_long_line_is_filled_by_more_uploads() -> None:
    assert Line(lambda size: 1e6 * size).carry(200)[-1] == 8


def test_no_more_uploads_run_than_were_allowed() -> None:
    assert max(Line(lambda size: 1e6 * size, most=3).carry(200)) == 3
    assert UploadWindow(1).size == 1


def test_a_line_that_one_upload_fills_gets_few() -> None:
    sizes = Line(lambda size: 1e6).carry(400)
    assert sizes[-1] <= START
    assert sum(sizes) / len(sizes) < START + 0.5


def test_the_number_settles_where_the_line_is_full() -> None:
    sizes = Line(lambda size: 1e6 * min(size, 4)).carry(600)
    assert 3.5 < sum(sizes[100:]) / len(sizes[100:]) < 5


def test_uploads_that_nothing_waits_behind_say_nothing() -> None:
    assert set(Line(lambda size: 1e6 * size).carry(100, more_waiting=False)) == {START}


def test_a_failure_halves_the_number_and_success_restores_it() -> None:
    line = Line(lambda size: 1e6 * size)
    line.carry(200)
    line.window.failed()
    assert line.window.size == 4
    for _ in range(9):
        line.window.failed()
    assert line.window.size == 1
    assert line.carry(200)[-1] == 8


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_than_the_window_holds_are_let_in_and_closing_lets_all_go(most: int) -> None:
    window = UploadWindow(most)
    let_in: list[bool] = []
    may_leave, may_end = threading.Semaphore(0), threading.Event()

    def upload() -> None:
        let_in.append(window.enter())
        if may_leave.acquire(timeout=10):
            window.leave()
        may_end.wait(10)

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(let_in) < most:
        threads[0].join(0.001)
    assert let_in == [True] * most
    may_leave.release()
    while len(let_in) < most + 1:
        threads[0].join(0.001)
    window.close()
    may_leave.release(4)
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert sorted(let_in) == [False] * (4 - most - 1) + [True] * (most + 1)


def test_a_thread_that_stumbled_with_its_place_has_one_place_when_it_asks_again() -> None:
    window = UploadWindow(1)
    assert window.enter()
    assert window.enter()
    window.leave()
    window.leave()
    assert window.enter()
