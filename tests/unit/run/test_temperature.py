"""A camera's temperature: asked while the run goes on, and never at its cost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.cameras.camera import CameraLostError
from rheed_acquire.host.guard.camera import LIMITS, CameraLimits

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage


def asked(
    stage: Stage, answer: Callable[[], float | None], times: int, limits: CameraLimits = LIMITS
) -> list[float | None]:
    """What a run says of its camera's temperature while it captures."""
    camera = stage.camera([0, 1])
    camera.temperature_c = answer  # type: ignore[method-assign]
    session = stage.session(camera, stage.streamer(), limits=limits)
    assert session.acquisition.temperature_c() is None, "before there is a camera"
    session.start()
    stage.wait_for(camera.played)
    answers = [session.acquisition.temperature_c() for _ in range(times)]
    session.acquisition.stop()
    assert session.result().frames_received == 2
    return answers


def test_a_run_tells_its_cameras_temperature(stage: Stage) -> None:
    assert asked(stage, lambda: 41.5, 2) == [41.5, 41.5]


def test_a_camera_that_cannot_tell_has_none(stage: Stage) -> None:
    def lost() -> float | None:
        raise CameraLostError("it is gone")

    assert asked(stage, lost, 1) == [None]


def test_a_camera_that_hangs_when_asked_is_asked_no_more(stage: Stage) -> None:
    calls, release = [], threading.Event()

    def hang() -> float | None:
        calls.append(1)
        release.wait()
        return 1.0

    try:
        assert asked(stage, hang, 3, CameraLimits(answer_s=0.05)) == [None, None, None]
    finally:
        release.set()
    assert len(calls) == 1


@pytest.mark.parametrize("answer", [None, 0.0])
def test_what_the_camera_says_is_passed_on(stage: Stage, answer: float | None) -> None:
    assert asked(stage, lambda: answer, 1) == [answer]
