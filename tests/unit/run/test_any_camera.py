"""Whatever a camera does, the report is true: cameras drawn at random, in a run of a second or a few.

The claims hold however late a busy machine lets the camera's thread go on: they say what must not be called
delivered, what must add up and what must not be raised, and not how long anything takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rheed_acquire.cameras.camera import CameraError, CameraLostError
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.run.report import DELIVERED

if TYPE_CHECKING:
    from tests.unit.run.conftest import ScriptedCamera, Stage

FPS = 100.0
FRAMES = 50
SILENCE_S = 2.0
"""Longer than any that is allowed, also where a busy machine sees only half of it."""

IDS = ("none", "counting", "missing", "constant", "repeated", "going back", "wrapping", "numpy")
STAMPS = ("none", "right", "zero", "constant", "ahead", "back", "microseconds", "some none", "numpy")
SLOWER = 10
"""So many times longer than the rate says takes a camera from frame to frame whose frames come ever later."""
NO_CLOCK = ("none", "zero", "constant")
SILENCES = ("no", "no", "no", "in the middle", "at the end", "ever later")
CALLS = ("start", "stop", "close", "statistics", "temperature_c")
ERRORS = (CameraError("it refuses"), CameraLostError("it is gone"), ValueError("no"), KeyError(3), OSError(5))


@dataclass(frozen=True)
class Draft:
    """A camera as it was drawn."""

    ids: str
    stamps: str
    silence: str
    raises: dict[str, Exception]
    fault_at: int | None

    def id_of(self, number: int) -> Any:
        later = number >= FRAMES // 2
        return {
            "none": None,
            "counting": number,
            "missing": number + 3 * later,
            "constant": 7,
            "repeated": number - later,
            "going back": number - 5 * later,
            "wrapping": number % 16,
            "numpy": np.uint32(number),
        }[self.ids]

    def stamp_of(self, number: int) -> Any:
        right, later = 10**12 + round(number * 1e9 / FPS), number >= FRAMES // 2
        return {
            "none": None,
            "right": right,
            "zero": 0,
            "constant": 10**12,
            "ahead": right + later * 10**17,
            "back": right - later * 10**9,
            "microseconds": right // 1000,
            "some none": None if number % 7 == 3 else right,
            "numpy": np.uint64(right),
        }[self.stamps]


drafts = st.builds(
    Draft,
    st.sampled_from(IDS),
    st.sampled_from(STAMPS),
    st.sampled_from(SILENCES),
    st.dictionaries(st.sampled_from(CALLS), st.sampled_from(ERRORS), max_size=1),
    st.none() | st.integers(0, FRAMES - 1),
)


def camera_of(stage: Stage, draft: Draft) -> ScriptedCamera:
    """The camera that a draft describes."""
    script: list[Any] = []
    for number in range(FRAMES):
        if number == draft.fault_at:
            script.append(lambda: camera.fault(CameraLostError("the cable is out")))
        if draft.silence == "in the middle" and number == FRAMES // 2:
            script.append(lambda: time.sleep(SILENCE_S))
        frame = stage.frame_of(number)
        frame.id, frame.timestamp_ns = draft.id_of(number), draft.stamp_of(number)
        script += [frame, lambda: time.sleep((SLOWER if draft.silence == "ever later" else 1) / FPS)]
    plain = stage.camera([])
    info = replace(plain.info, fps=FPS, frame_id_cycle=16 if draft.ids == "wrapping" else None)

    def raising(name: str) -> Any:
        def call(self: Any, *arguments: Any) -> Any:
            error = draft.raises[name]
            if name in ("stop", "close"):  # as devices do that are gone: its thread is at an end all the same
                getattr(type(plain), name)(self, *arguments)
            raise error

        return call

    kind = type("Drawn", (type(plain),), {name: raising(name) for name in draft.raises})
    camera: ScriptedCamera = kind(script, info=info)
    return camera


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(draft=drafts)
def test_the_report_of_any_camera_is_true(stage: Stage, draft: Draft) -> None:
    camera, streamer = camera_of(stage, draft), stage.streamer()
    # One that is silent at its end is asked for longer than its frames take; the others for their frames.
    is_timed = draft.silence in ("at the end", "ever later")
    asked: dict[str, Any] = {"duration": FRAMES / FPS + SILENCE_S} if is_timed else {"frames": FRAMES}
    session = stage.session(
        camera, streamer, chunk_size=200, ring_chunks=8, reconnect_timeout=0.3, stall_timeout=20, **asked
    )
    try:
        report = session.run()
    except RheedAcquireError as error:
        event(f"refused: {type(error).__name__}")
        assert streamer.calls in ([], ["initialize", "finalize", "close"])
        return
    assert report.adds_up
    assert report.frames_pushed == len(streamer.frames)
    assert session.acquisition.progress().absence is None
    dates = [start_ms for _, _, start_ms in streamer.pushed if start_ms is not None]
    assert all(before <= after for before, after in pairwise(dates))
    event(f"exit code {report.exit_code}")
    if report.exit_code == DELIVERED:
        if draft.silence == "ever later":  # one with numbers, and without a clock that says otherwise
            assert draft.stamps in NO_CLOCK
            assert draft.ids not in ("none", "constant")
            return
        assert report.frames_pushed == FRAMES
        assert draft.silence == "no"
        # Where it says that it is lost, and all of its frames come, the run's end may be sooner.
        assert draft.fault_at is None or draft.fault_at >= FRAMES // 2
        assert draft.ids != "missing"
    else:
        assert report.problems
    for problem in report.problems:
        assert problem.code
        assert problem.frames is None or problem.frames >= 0
