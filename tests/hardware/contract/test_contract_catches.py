"""The contract catches cameras that break it: each of these is wrong in one way, and that rule is named."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from tests.hardware.contract import checks
from tests.hardware.contract.observer import Taken
from tests.hardware.contract.rules import Rule, broken

from rheed_acquire import Camera, CameraBackend, CameraError, CameraInfo, DeviceInfo, Frame, OnFault, OnFrame

HEIGHT, WIDTH = 6, 8


class Right(Camera):
    """A camera that keeps every rule, with one method for each thing that can be done wrong."""

    period_s = 0.002

    def __init__(self) -> None:
        self.pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self.on_frame: OnFrame = lambda frame: None
        self.on_fault: OnFault = lambda error: None

    @property
    def info(self) -> CameraInfo:
        return CameraInfo(DeviceInfo("right"), WIDTH, HEIGHT, "Mono8", 1 / self.period_s)

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        self.stopping.clear()
        self.on_frame, self.on_fault = on_frame, on_fault
        self.spawn(self.grab)

    def spawn(self, target: Callable[[], None]) -> None:
        self.threads.append(threading.Thread(target=target, daemon=True))
        self.threads[-1].start()

    def grab(self) -> None:
        number = 0
        while not self.stopping.wait(self.period_s):
            self.deliver(number)
            number += 1

    def deliver(self, number: int) -> None:
        self.pixels[:] = number % 256
        self.on_frame(Frame(self.pixels, number, number * 1000))

    def stop(self) -> None:
        self.stopping.set()
        while self.threads:
            self.threads.pop().join()

    def close(self) -> None:
        self.stop()


class ReusesTheBuffer(Right):
    """Another thread fills the buffer while it is lent."""

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        super().start(on_frame, on_fault)
        self.spawn(self.fill)

    def fill(self) -> None:
        while not self.stopping.wait(self.period_s):
            self.pixels += 1


class KeepsTheFirstPicture(Right):
    """The buffer is lent again and again, and no new picture is ever in it."""

    def deliver(self, number: int) -> None:
        self.on_frame(Frame(self.pixels, number, number * 1000))


class CallsAfterStop(Right):
    """Frames that were on their way come after stop."""

    def stop(self) -> None:
        was_running = bool(self.threads)
        super().stop()
        if was_running:
            self.spawn(self.deliver_late)

    def deliver_late(self) -> None:
        for number in range(10):
            time.sleep(0.01)
            self.deliver(10**6 + number)


class DoesNotWaitInStop(Right):
    def stop(self) -> None:
        self.stopping.set()


class CallsFromTwoThreads(Right):
    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        super().start(on_frame, on_fault)
        self.spawn(self.grab)


class TakesAThreadForEachFrame(Right):
    """In order and one at a time, but from ever new threads."""

    def deliver(self, number: int) -> None:
        thread = threading.Thread(target=super().deliver, args=(number,))
        thread.start()
        thread.join()


class SwapsFrames(Right):
    def deliver(self, number: int) -> None:
        super().deliver(number ^ 1)


class GoesBackInTime(Right):
    def deliver(self, number: int) -> None:
        self.on_frame(Frame(self.pixels, number, 10**9 - number))


class LosesItsCounter(Right):
    def deliver(self, number: int) -> None:
        self.on_frame(Frame(self.pixels, number if number % 3 else None, number))


class SendsOtherSizes(Right):
    def deliver(self, number: int) -> None:
        self.on_frame(Frame(self.pixels[1:], number, number))


class BlocksInClose(Right):
    never = threading.Event()

    def close(self) -> None:
        super().close()
        self.never.wait()


class FailsInASecondClose(Right):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise CameraError("it is closed already")
        self.closed = True
        super().close()


class DoesNotStopInClose(Right):
    def close(self) -> None:
        pass


class StartsOnce(Right):
    started = False

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        if self.started:
            raise CameraError("it was started before")
        self.started = True
        super().start(on_frame, on_fault)


class WaitsInStart(Right):
    """It delivers the first frame from within start."""

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        on_frame(Frame(self.pixels, 0, 0))
        super().start(on_frame, on_fault)


class TellsAFaultInStop(Right):
    def stop(self) -> None:
        if self.threads:
            self.on_fault(CameraError("the grab loop has ended"))
        super().stop()


def _changing(info: CameraInfo, frames: list[Taken]) -> None:
    for taken in frames:
        if taken.id is not None and (taken.pixels != taken.id % 256).any():
            broken(Rule.LENT, f"frame {taken.id} does not show its number")


CHECKS: dict[str, Callable[[checks.Opener], None]] = {
    "start": lambda opener: checks.check_start(opener, 0.5),
    "delivery": lambda opener: checks.check_delivery(opener, _changing),
    "lent": checks.check_lent_pixels,
    "stop": checks.check_stop,
    "restarts": lambda opener: checks.check_restarts(opener, 3),
    "close": lambda opener: checks.check_close_while_streaming(opener, 0.5),
    "idle": lambda opener: checks.check_idle_calls(opener, 0.5),
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_camera_passes(check: str) -> None:
    CHECKS[check](Right)


@pytest.mark.parametrize(
    ("wrong", "check", "rule"),
    [
        (ReusesTheBuffer, "lent", Rule.LENT),
        (KeepsTheFirstPicture, "delivery", Rule.LENT),
        (CallsAfterStop, "stop", Rule.STOPS),
        (DoesNotWaitInStop, "stop", Rule.STOPS),
        (CallsFromTwoThreads, "lent", Rule.ONE_THREAD),
        (TakesAThreadForEachFrame, "delivery", Rule.ONE_THREAD),
        (SwapsFrames, "delivery", Rule.ONE_THREAD),
        (GoesBackInTime, "delivery", Rule.STAMP),
        (LosesItsCounter, "delivery", Rule.ID),
        (SendsOtherSizes, "delivery", Rule.PIXELS),
        (BlocksInClose, "close", Rule.CLOSES),
        (FailsInASecondClose, "idle", Rule.CLOSES),
        (DoesNotStopInClose, "close", Rule.STOPS),
        (StartsOnce, "restarts", Rule.RESTARTS),
        (WaitsInStart, "start", Rule.STARTS),
        (TellsAFaultInStop, "stop", Rule.FAULT),
    ],
)
def test_a_wrong_camera_is_caught_by_the_rule_that_it_breaks(
    wrong: type[Right], check: str, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras: list[Right] = []

    def open_camera() -> Camera:
        cameras.append(wrong())
        return cameras[-1]

    never = threading.Event()
    monkeypatch.setattr(BlocksInClose, "never", never)
    try:
        with pytest.raises(AssertionError) as raised:
            CHECKS[check](open_camera)
        assert f"(rule {rule.name})" in str(raised.value)
        assert rule.value in str(raised.value)
    finally:
        never.set()
        for camera in cameras:
            Right.stop(camera)


@pytest.mark.parametrize("rule", Rule)
def test_a_rule_is_quoted_as_the_contract_has_it(rule: Rule) -> None:
    contract = (Camera, CameraInfo, Frame, CameraBackend, Camera.close)
    text = " ".join(" ".join(inspect.getdoc(part) or "" for part in contract).split())
    assert rule.value in text
