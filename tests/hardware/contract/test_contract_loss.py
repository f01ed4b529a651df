"""A device that goes away while it streams, and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.hardware.contract import checks
from tests.hardware.contract.observer import LIMIT_S, Observer, within
from tests.hardware.contract.rules import Rule, broken

from rheed_acquire import CameraLostError

if TYPE_CHECKING:
    from tests.hardware.contract.conftest import Bench


def test_a_lost_device_is_told_once_is_closed_and_opens_when_it_is_back(bench: Bench) -> None:
    subject, loss = bench.subject, bench.subject.loss
    if loss is None:
        pytest.skip(subject.no_loss)
    camera = bench.open(**loss.settings)
    observer = Observer()
    observer.start(camera)
    observer.wait_for_frames(10)
    loss.lose(camera)
    fault = observer.wait_for_fault()
    if not isinstance(fault, CameraLostError):
        broken(Rule.FAULT, f"the device is gone, and on_fault was given a {type(fault).__name__}: {fault}")
    observer.stop(camera)
    within(camera.close, Rule.CLOSES, "close of a lost camera")
    if len(observer.faults) != 1:
        broken(Rule.FAULT, f"one loss was told {len(observer.faults)} times")
    observer.verdict()
    checks.check_frames(camera.info, observer.kept)
    checks.check_delivery(lambda: bench.open_again(LIMIT_S), frames=5)
