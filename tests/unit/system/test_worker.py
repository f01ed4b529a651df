"""A worker goes on whatever its steps raise, and rests where they raise over and over."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from rheed_acquire.system.worker import (
    ATTEMPTS_TO_GIVE_UP,
    FIRST_PAUSE_S,
    LAST_ATTEMPTS,
    LONGEST_PAUSE_S,
    Worker,
    one_by_one,
)


class PanicError(BaseException):
    """What extensions written in Rust raise, which is no Exception."""


@pytest.mark.parametrize("error", [OSError("no disk"), MemoryError(), PanicError(), SystemExit(1)])
def test_a_step_that_raises_costs_a_pause_and_not_the_thread(error: BaseException) -> None:
    steps: list[int] = []
    pauses: list[float] = []

    def step() -> float | None:
        steps.append(len(steps))
        if len(steps) in (2, 3, 6):
            raise error
        return 0.0 if len(steps) < 8 else None

    worker = Worker("test-worker", step, threading.Event(), pause=pauses.append)
    worker.start()
    worker.join(10)
    assert len(steps) == 8
    assert pauses == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, FIRST_PAUSE_S]


def test_a_step_that_always_raises_keeps_no_processor_busy_and_ends_with_the_rest() -> None:
    pauses: list[float] = []
    stopping = threading.Event()
    ended: list[str] = []

    def step() -> float | None:
        raise MemoryError

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 20:
            stopping.set()

    worker = Worker("test-worker", step, stopping, at_end=lambda: ended.append("end"), pause=pause)
    worker.start()
    worker.join(10)
    assert len(pauses) == 20
    assert all(before <= after for before, after in pairwise(pauses))
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE_S, LONGEST_PAUSE_S)
    assert ended == ["end"]


def test_the_first_and_the_last_call_are_tried_again_too() -> None:
    calls: list[str] = []

    def stumble(what: str) -> None:
        calls.append(what)
        if calls.count(what) == 1:
            raise OSError(what)

    worker = Worker(
        "test-worker",
        lambda: calls.append("step"),
        threading.Event(),
        at_begin=lambda: stumble("begin"),
        at_end=lambda: stumble("end"),
        pause=lambda seconds: None,
    )
    worker.start()
    worker.join(10)
    assert calls == ["begin", "begin", "step", "end", "end"]


def test_a_last_call_that_always_fails_ends_with_the_rest() -> None:
    calls: list[int] = []
    stopping = threading.Event()
    stopping.set()

    def fail() -> None:
        calls.append(1)
        raise OSError

    worker = Worker("test-worker", lambda: None, stopping, at_end=fail, pause=lambda seconds: None)
    worker.start()
    worker.join(10)
    assert len(calls) == LAST_ATTEMPTS


def test_an_item_that_fails_is_given_up_and_the_next_is_worked_on() -> None:
    items = iter([1, 2, 3, 4])
    done: list[int] = []
    given_up: list[tuple[int, str, int]] = []
    tries = 0

    def work(item: int) -> None:
        if item in (2, 3):
            raise OSError(f"item {item}")
        done.append(item)

    def give_up(item: int, error: BaseException) -> None:
        nonlocal tries
        tries += 1
        if item == 3 or tries < 3:
            raise MemoryError
        given_up.append((item, str(error), tries))

    step = one_by_one(lambda: next(items, None), work, give_up)
    worker = Worker("test-worker", step, threading.Event(), pause=lambda seconds: None)
    worker.start()
    worker.join(10)
    assert done == [1, 4]
    assert given_up == [(2, "item 2", 3)]
    assert tries == 3 + ATTEMPTS_TO_GIVE_UP


def test_a_worker_that_was_never_started_has_ended() -> None:
    Worker("test-worker", lambda: None, threading.Event()).join()
