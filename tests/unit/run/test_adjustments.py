"""Exposure and gain changed in a run: by a plugin that may do as it likes, and over losses of the camera."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest

from rheed_acquire.cameras.camera import CameraError, CameraLostError, CameraSettingError
from rheed_acquire.host.guard.camera import CameraHangsError, CameraLimits
from rheed_acquire.run.adjustments import Adjustments

if TYPE_CHECKING:
    from tests.unit.run.conftest import ScriptedCamera, Stage


class _StrangeError(Exception):
    """What a plugin raises that knows nothing of our errors."""


def adjusted(stage: Stage, camera: ScriptedCamera, limits: CameraLimits = CameraLimits()) -> Any:  # noqa: B008
    """What a run says to a change while it captures: the answer, or the error."""
    session = stage.session(camera, stage.streamer(), limits=limits)
    with pytest.raises(CameraLostError, match="being opened"):
        session.acquisition.adjust({"gain": 1.0})
    session.start()
    stage.wait_for(camera.played)
    answer: Any
    try:
        answer = session.acquisition.adjust({"gain": 1.0})
    except CameraError as error:
        answer = error
    session.acquisition.stop()
    assert session.result().frames_received == 2
    return answer


def test_a_camera_whose_backend_knows_of_no_change_says_so(stage: Stage) -> None:
    error = adjusted(stage, stage.camera([0, 1]))
    assert isinstance(error, CameraSettingError)
    assert "changes no gain while it runs" in str(error)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ({"gain": 1.5, "more": 2}, {"gain": 1.5}),
        ({}, "gain is"),
        (None, "not a mapping"),
        ({"gain": "x"}, "gain"),
    ],
)
def test_what_a_camera_answers_is_looked_at(stage: Stage, returned: Any, expected: Any) -> None:
    camera = stage.camera([0, 1])
    camera.adjust = lambda changes: returned  # type: ignore[method-assign]
    answer = adjusted(stage, camera)
    if isinstance(expected, str):
        assert isinstance(answer, CameraError)
        assert expected in str(answer)
    else:
        assert answer == expected


def test_a_camera_that_raises_or_hangs_costs_the_run_nothing(stage: Stage) -> None:
    release = threading.Event()

    def fail(changes: Mapping[str, float]) -> Mapping[str, float]:
        raise _StrangeError("no")

    def hang(changes: Mapping[str, float]) -> Mapping[str, float]:
        release.wait()
        return changes

    camera = stage.camera([0, 1])
    camera.adjust = fail  # type: ignore[method-assign]
    assert "no" in str(adjusted(stage, camera))
    camera = stage.camera([0, 1])
    camera.adjust = hang  # type: ignore[method-assign]
    try:
        assert isinstance(adjusted(stage, camera, CameraLimits(adjust_s=0.05)), CameraHangsError)
    finally:
        release.set()


def test_a_camera_that_comes_back_is_told_all_that_was_changed(stage: Stage) -> None:
    told: list[Mapping[str, float]] = []

    def take(changes: Mapping[str, float]) -> Mapping[str, float]:
        told.append(dict(changes))
        return changes

    def refuse(changes: Mapping[str, float]) -> Mapping[str, float]:
        raise CameraSettingError("another camera")

    camera, adjustments = stage.camera([0]), Adjustments()
    camera.adjust = take  # type: ignore[method-assign]
    adjustments.renew(camera)
    assert told == []
    adjustments.note({"gain": 2.0})
    adjustments.note({"exposure_us": 5.0})
    adjustments.note({"gain": 3.0})
    adjustments.renew(camera)
    assert told == [{"gain": 3.0, "exposure_us": 5.0}]
    camera.adjust = refuse  # type: ignore[method-assign]
    adjustments.renew(camera)
    assert adjustments.asked == {"gain": 3.0, "exposure_us": 5.0}


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ({"gain": 1, "exposure_us": math.nan}, {"gain": 1.0}),
        ({}, {}),
        (["gain"], None),
        ({"gain": "2"}, None),
        ({"gain": None}, None),
    ],
)
def test_what_can_be_changed_is_told_as_the_camera_holds_it_or_not_at_all(
    stage: Stage, returned: Any, expected: Any
) -> None:
    camera = stage.camera([0, 1])
    camera.adjustable = lambda: returned  # type: ignore[method-assign]
    session = stage.session(camera, stage.streamer())
    assert session.acquisition.adjustable() == {}, "before there is a camera"
    session.start()
    stage.wait_for(camera.played)
    assert session.acquisition.adjustable() == (expected or {})
    session.acquisition.stop()
    assert [str(one) for one in session.result().warnings if "exposure and gain are unknown" in str(one)] == (
        [] if expected is not None else [ANY]
    )
