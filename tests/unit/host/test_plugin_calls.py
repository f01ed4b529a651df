"""Calls into a plugin that come while another has not returned: the plugin is asked again after that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from rheed_acquire.cameras.camera import CameraError
from rheed_acquire.host.guard.calls import Patience, PluginCalls
from rheed_acquire.host.guard.camera import CameraHangsError, CameraLimits, GuardedCamera

LIMIT_S = 30.0
SHORT_S = 0.05
LONG_S = 120.0


@dataclass
class Slow:
    """What is called: it does not return before it may."""

    begun: threading.Event = field(default_factory=threading.Event)
    may_return: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> float:
        self.begun.set()
        assert self.may_return.wait(LIMIT_S)
        return 20.0


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_a_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Make a call elsewhere; what it returns or raises."""
    outcome: list[object] = []

    def make() -> None:
        try:
            outcome.append(call())
        except CameraError as error:
            outcome.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    return thread, outcome


@pytest.mark.parametrize("waiting", [1, 3])
def test_calls_left_behind_before_they_were_made_are_never_made_and_those_after_them_are(
    waiting: int,
) -> None:
    calls = PluginCalls("camera x (a test 1.0)", CameraError, CameraHangsError, Patience())
    slow, made = Slow(), list[str]()
    first, told = in_a_thread(lambda: calls.within(LONG_S, "first", slow))
    assert slow.begun.wait(LIMIT_S)
    others = [
        in_a_thread(lambda: calls.within(SHORT_S, "later", lambda: made.append("later")))
        for _ in range(waiting)
    ]
    for thread, _ in others:
        thread.join(LIMIT_S)
    slow.may_return.set()
    first.join(LIMIT_S)
    assert told == [20.0]
    wait_until(lambda: not calls.is_stuck)
    assert calls.within(LONG_S, "next", lambda: "answer") == "answer"
    assert all(isinstance(outcome, CameraHangsError) for _, (outcome,) in others)
    assert made == []
    calls.end()


def test_a_camera_whose_slow_answer_another_question_waited_for_answers_again() -> None:
    slow = Slow()

    class Camera:
        def temperature_c(self) -> float:
            return slow()

        def line_is_high(self, line: str) -> bool:
            return line == "Line1"

    def calls() -> PluginCalls:
        return PluginCalls("camera x (a test 1.0)", CameraError, CameraHangsError, Patience())

    asking = calls()
    limits = CameraLimits(answer_s=SHORT_S)
    camera = GuardedCamera(Camera(), calls(), asking, limits)  # type: ignore[arg-type]
    patient = GuardedCamera(Camera(), calls(), asking, CameraLimits(answer_s=LONG_S))  # type: ignore[arg-type]
    first, told = in_a_thread(patient.temperature_c)
    assert slow.begun.wait(LIMIT_S)
    with pytest.raises(CameraHangsError, match="did not return from line_is_high"):
        camera.line_is_high("Line1")
    with pytest.raises(CameraHangsError, match="has not returned from an earlier call yet"):
        camera.line_is_high("Line1")
    slow.may_return.set()
    first.join(LIMIT_S)
    assert told == [20.0]
    wait_until(lambda: not asking.is_stuck)
    assert patient.line_is_high("Line1") is True
    asking.end()
