"""Cameras that are wrong in one way each, derived from one that keeps every rule."""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rheed_acquire import (
    Camera,
    CameraError,
    CameraInfo,
    CameraLostError,
    DeviceInfo,
    Frame,
    OnFault,
    OnFrame,
)

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
        self.left_out = 0
        self.is_gone = False

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
            number += self.left_out
            self.left_out = 0
            if self.is_gone:
                self.tell_loss()
                return
            self.deliver(number)
            number += 1

    def stamp(self, number: int) -> int:
        return time.perf_counter_ns()

    def deliver(self, number: int) -> None:
        self.pixels[:] = number % 256
        self.on_frame(Frame(self.pixels, number, self.stamp(number)))

    def tell_loss(self) -> None:
        self.on_fault(CameraLostError("the device is gone"))

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
        self.on_frame(Frame(self.pixels, number, self.stamp(number)))


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


class KeepsTheBuffer(Right):
    """A buffer is lent out again with what its receiver has left in it."""

    def deliver(self, number: int) -> None:
        self.pixels[:2] = number % 256  # the rest is of the frame before
        self.on_frame(Frame(self.pixels, number, self.stamp(number)))


class DeliversFromAQueue(Right):
    """Between its SDK and on_frame it keeps what was lent to it, instead of a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Frame] = []

    def deliver(self, number: int) -> None:
        self.pixels[:] = number % 256
        self.waiting.append(Frame(self.pixels, number, self.stamp(number)))
        if len(self.waiting) > 3:
            self.on_frame(self.waiting.pop(0))


class SwallowsAGap(Right):
    """It numbers the frames that it delivers, not those that the device has taken."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered = 0

    def deliver(self, number: int) -> None:
        super().deliver(self.delivered)
        self.delivered += 1


class HasNoCounter(Right):
    """And tells nothing in its statistics either."""

    def deliver(self, number: int) -> None:
        self.pixels[:] = number % 256
        self.on_frame(Frame(self.pixels, None, None))


class CountsInItsDriver(HasNoCounter):
    """This one is right: what has no ids may tell by a counter."""

    lost = 0

    @property
    def left_out(self) -> int:
        return 0

    @left_out.setter
    def left_out(self, frames: int) -> None:
        self.lost += frames

    def statistics(self) -> dict[str, int]:
        return {"frames_lost": self.lost}


class TellsALossTwice(Right):
    def tell_loss(self) -> None:
        super().tell_loss()
        super().tell_loss()


class TellsALossAsAnyError(Right):
    def tell_loss(self) -> None:
        self.on_fault(CameraError("no frame"))


class DiesWithoutAWord(Right):
    def tell_loss(self) -> None:
        pass


class FailsToCloseWhenLost(Right):
    def close(self) -> None:
        super().close()
        if self.is_gone:
            raise OSError("the device is gone")


LEFT_BEHIND: list[Any] = []


class LeaksMemory(Right):
    def close(self) -> None:
        super().close()
        # Pages of its own: what numpy allocates may lie in memory that tests before this one have freed.
        memory = mmap.mmap(-1, 2**20)
        memory.write(bytes(2**20))
        LEFT_BEHIND.append(memory)


class LeaksADescriptor(Right):
    def close(self) -> None:
        super().close()
        LEFT_BEHIND.append(Path(__file__).open("rb"))  # noqa: SIM115


class LeaksAThread(Right):
    end = threading.Event()

    def close(self) -> None:
        super().close()
        thread = threading.Thread(target=self.end.wait, daemon=True)
        thread.start()
        LEFT_BEHIND.append(thread)
