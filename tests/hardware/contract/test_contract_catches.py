"""The contract catches cameras that break it: each of these is wrong in one way, and that rule is named."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.hardware.contract import wrong_cameras as wrong

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.testing import ContractBreachError, Rule, TakenFrame, checks
from rheed_acquire.testing.calls import LIMIT_S
from rheed_acquire.testing.leaks import check_leaks, held
from rheed_acquire.testing.rules import PAGE


def needs(count: str) -> pytest.MarkDecorator:
    """Skip where the system does not tell this of a process."""
    return pytest.mark.skipif(count not in held(), reason=f"this system does not tell {count}")


def _number(info: CameraInfo, taken: TakenFrame) -> Any:
    return None if taken.id is None else np.full((wrong.HEIGHT, wrong.WIDTH), taken.id % 256, np.uint8)


def _lose_frames(camera: Camera) -> int:
    assert isinstance(camera, wrong.Right)
    camera.left_out = 3
    return 3


def _lose_device(camera: Camera) -> None:
    assert isinstance(camera, wrong.Right)
    camera.is_gone = True


def _open_and_close(opener: checks.Opener) -> Callable[[], None]:
    def cycle() -> None:
        with opener():
            pass

    return cycle


CHECKS: dict[str, Callable[[checks.Opener], object]] = {
    "start": lambda opener: checks.check_start(opener, 0.5),
    "delivery": lambda opener: checks.check_delivery(opener, _number),
    "buffers": checks.check_buffers,
    "gap": lambda opener: checks.check_gap(opener, _lose_frames),
    "loss": lambda opener: checks.check_loss(opener, _lose_device, wrong.Right),
    "leaks": lambda opener: check_leaks(_open_and_close(opener), 20, 0.0, "nothing"),
    "lent": checks.check_lent_pixels,
    "stop": checks.check_stop,
    "restarts": lambda opener: checks.check_restarts(opener, 3),
    "close": lambda opener: checks.check_close_while_streaming(opener, 0.5),
    "idle": lambda opener: checks.check_idle_calls(opener, 0.5),
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_camera_passes(check: str) -> None:
    CHECKS[check](wrong.Right)


def test_a_camera_without_ids_may_tell_of_lost_frames_by_its_drivers_counter() -> None:
    CHECKS["gap"](wrong.CountsInItsDriver)


def test_the_fixture_makes_all_checks_that_need_no_backend(
    camera_contract: Callable[[checks.Opener], None],
) -> None:
    camera_contract(wrong.Right)
    with pytest.raises(ContractBreachError, match="rule RESTARTS"):
        camera_contract(wrong.StartsOnce)


@pytest.mark.parametrize(
    ("camera_class", "check", "rule"),
    [
        (wrong.ReusesTheBuffer, "lent", Rule.LENT),
        (wrong.KeepsTheFirstPicture, "delivery", Rule.IMAGE),
        (wrong.DeliversFromAQueue, "delivery", Rule.IMAGE),
        (wrong.KeepsTheBuffer, "buffers", Rule.IMAGE),
        (wrong.KeepsTheFirstPicture, "buffers", Rule.IMAGE),
        (wrong.SwallowsAGap, "gap", Rule.GAP),
        (wrong.HasNoCounter, "gap", Rule.GAP),
        (wrong.TellsALossTwice, "loss", Rule.FAULT),
        (wrong.TellsALossAsAnyError, "loss", Rule.FAULT),
        (wrong.DiesWithoutAWord, "loss", Rule.FAULT),
        (wrong.FailsToCloseWhenLost, "loss", Rule.CLOSES),
        pytest.param(wrong.LeaksMemory, "leaks", Rule.GIVE_BACK, marks=needs("memory_kb")),
        pytest.param(wrong.LeaksADescriptor, "leaks", Rule.GIVE_BACK, marks=needs("descriptors")),
        (wrong.LeaksAThread, "leaks", Rule.GIVE_BACK),
        (wrong.CallsAfterStop, "stop", Rule.STOPS),
        (wrong.DoesNotWaitInStop, "stop", Rule.STOPS),
        (wrong.CallsFromTwoThreads, "lent", Rule.ONE_THREAD),
        (wrong.TakesAThreadForEachFrame, "delivery", Rule.ONE_THREAD),
        (wrong.SwapsFrames, "delivery", Rule.ONE_THREAD),
        (wrong.GoesBackInTime, "delivery", Rule.STAMP),
        (wrong.LosesItsCounter, "delivery", Rule.ID),
        (wrong.SendsOtherSizes, "delivery", Rule.PIXELS),
        (wrong.BlocksInClose, "close", Rule.CLOSES),
        (wrong.FailsInASecondClose, "idle", Rule.CLOSES),
        (wrong.DoesNotStopInClose, "close", Rule.STOPS),
        (wrong.StartsOnce, "restarts", Rule.RESTARTS),
        (wrong.WaitsInStart, "start", Rule.STARTS),
        (wrong.TellsAFaultInStop, "stop", Rule.FAULT),
    ],
)
def test_a_wrong_camera_is_caught_by_the_rule_that_it_breaks(
    camera_class: type[wrong.Right], check: str, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras: list[wrong.Right] = []

    def open_camera() -> Camera:
        cameras.append(camera_class())
        return cameras[-1]

    never, end = threading.Event(), threading.Event()
    monkeypatch.setattr(wrong.BlocksInClose, "never", never)
    monkeypatch.setattr(wrong.LeaksAThread, "end", end)
    monkeypatch.setattr("rheed_acquire.testing.observer.LIMIT_S", 1.0 if check == "loss" else LIMIT_S)
    try:
        with pytest.raises(ContractBreachError) as raised:
            CHECKS[check](open_camera)
        lines = str(raised.value).splitlines()
        assert any(
            line.endswith(f"breaks rule {rule.name}: {rule.value} ({PAGE}#{rule.anchor})") for line in lines
        )
    finally:
        never.set()
        end.set()
        for camera in cameras:
            wrong.Right.stop(camera)
        for left in wrong.LEFT_BEHIND:
            getattr(left, "close", getattr(left, "join", lambda: None))()
        wrong.LEFT_BEHIND.clear()
