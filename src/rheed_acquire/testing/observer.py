"""Takes a camera's callbacks as a run would, and notes every breach of the contract that shows there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import Camera, CameraError, Frame
from rheed_acquire.testing.calls import LIMIT_S, within
from rheed_acquire.testing.rules import ContractBreachError, Rule, broken, told

KEPT = 64
POISONED_RUN = 16
"""So many bytes in a row as the poison has them are no chance."""


@dataclass(frozen=True, slots=True)
class TakenFrame:
    """A copy of a frame.

    Attributes
    ----------
    id, timestamp_ns
        As the frame brought them.
    pixels
        A copy, as `Frame.pixels` was.
    arrived_ns
        When it came, by `time.perf_counter_ns`.
    """

    id: int | None
    timestamp_ns: int | None
    pixels: NDArray[Any]
    arrived_ns: int = 0


class Observer:
    """One run of a camera, from its start to its stop.

    Parameters
    ----------
    hold_s
        How long each callback lasts, in seconds, as in a process that is kept busy.
    gate
        For which callbacks wait.
    poison
        Overwrite each buffer at the end of its callback, where it can be written to, and look for that in
        the frames that follow.

    Attributes
    ----------
    frames
        Callbacks that have returned.
    kept
        Copies of the first frames.
    """

    def __init__(
        self, hold_s: float = 0.0, gate: threading.Event | None = None, *, poison: bool = False
    ) -> None:
        self.frames = 0
        self.kept: list[TakenFrame] = []
        self.threads: set[threading.Thread | int] = set()
        self.faults: list[CameraError] = []
        self.breaches: list[str] = []
        self._hold_s, self._gate = hold_s, gate
        self._poison: NDArray[np.uint8] | None = None
        self._poisons = poison
        self._let_go = threading.Event()
        self._running = 0
        self._stopper: int | None = None
        self._stopped = False
        self._changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        """Take a frame; raises nothing, whatever it is."""
        arrived_ns = time.perf_counter_ns()
        with self._changed:
            self._running += 1
            number = getattr(frame, "id", None)
            if self._stopped:
                self.note(Rule.STOPS, f"a frame (id {number}) came after stop or close had returned")
            if self._running > 1:
                self.note(Rule.ONE_THREAD, f"frame {number} came while on_frame was running already")
            self.threads.add(_this_thread())
            if len(self.threads) > 1:
                self.note(Rule.ONE_THREAD, f"frame {number} came from another thread than those before it")
            self._changed.notify_all()
        try:
            self._take(frame, arrived_ns)
        except Exception as error:  # noqa: BLE001 - told by its rule
            self.note(Rule.PIXELS, f"frame {number} cannot be read ({error!r})")
        finally:
            with self._changed:
                self.frames += 1
                self._running -= 1
                self._changed.notify_all()

    def _take(self, frame: Frame, arrived_ns: int) -> None:
        pixels: object = frame.pixels
        if not isinstance(pixels, np.ndarray):
            self.note(
                Rule.PIXELS, f"the pixels of frame {frame.id} are {type(pixels).__name__}, no numpy array"
            )
            return
        taken = TakenFrame(frame.id, frame.timestamp_ns, pixels.copy(), arrived_ns)
        if self._gate is not None:
            self._gate.wait(LIMIT_S)
        if self._hold_s:
            self._let_go.wait(self._hold_s)
        with self._changed:
            if not np.array_equal(taken.pixels, frame.pixels):
                self.note(Rule.LENT, f"the pixels of frame {taken.id} changed while on_frame was running")
            if self._poisons:
                self._look_for_poison(taken)
                self._overwrite(frame.pixels)
            if len(self.kept) < KEPT:
                self.kept.append(taken)

    def _look_for_poison(self, taken: TakenFrame) -> None:
        if self._poison is None:
            self._poison = np.random.default_rng().integers(0, 256, taken.pixels.nbytes, np.uint8)
            return
        shown = taken.pixels.reshape(-1).view(np.uint8)
        size = min(shown.size, self._poison.size)
        size -= size % POISONED_RUN
        same = (shown[:size] == self._poison[:size]).reshape(-1, POISONED_RUN).all(axis=1)
        if same.any():
            self.note(
                Rule.IMAGE,
                f"{np.count_nonzero(same) * POISONED_RUN} of the {shown.size} bytes of frame {taken.id} were "
                "not written by the camera: they are what on_frame left in the buffer of an earlier frame",
            )

    def _overwrite(self, pixels: NDArray[Any]) -> None:
        if self._poison is None or not pixels.flags.writeable:
            return
        # Also where the rows do not follow one another in memory, as those of a cut or a turned picture.
        some = np.resize(self._poison, pixels.nbytes) if pixels.nbytes > self._poison.size else self._poison
        pixels[...] = some[: pixels.nbytes].view(pixels.dtype).reshape(pixels.shape)

    def on_fault(self, error: CameraError) -> None:
        """Take a fault."""
        with self._changed:
            if self._stopped or threading.get_ident() == self._stopper:
                self.note(Rule.FAULT, f"on_fault came from within stop or after it: {error}")
            if not isinstance(error, CameraError):
                self.note(Rule.FAULT, f"on_fault was given no CameraError but {error!r}")
            self.faults.append(error)
            self._changed.notify_all()

    def note(self, rule: Rule, what: str) -> None:
        """Note a breach; a few are enough."""
        if len(self.breaches) < 5:
            self.breaches.append(told(rule, what))

    def wait_for_frames(self, count: int) -> None:
        """Wait until so many callbacks have returned; a fault before is a breach."""
        self._wait(lambda: self.frames >= count or bool(self.faults), f"{count} frames")
        if self.faults and self.frames < count:
            broken(Rule.FAULT, f"on_fault came though the device is there: {self.faults[0]}")

    def wait_for_a_running_callback(self) -> None:
        """Wait until one has begun and not returned."""
        self._wait(lambda: self._running > 0, "a frame")

    def wait_for_fault(self) -> CameraError:
        """Wait for the first fault."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.faults, LIMIT_S):
                broken(Rule.FAULT, f"the device is gone, and on_fault did not come within {LIMIT_S:g} s")
        return self.faults[0]

    def start(self, camera: Camera, rule: Rule = Rule.STARTS, limit_s: float | None = None) -> None:
        """Start the camera with the callbacks of this observer; that it can is a rule."""
        within(lambda: camera.start(self.on_frame, self.on_fault), rule, "start", limit_s)

    def end(self, ending: Callable[[], None], name: str, limit_s: float | None = None) -> None:
        """Stop or close the camera; from when it returns on, every callback is a breach."""
        rule = Rule.CLOSES if name == "close" else Rule.STOPS

        def stop() -> None:
            self._stopper = threading.get_ident()
            ending()
            with self._changed:
                if self._running:
                    self.note(Rule.STOPS, f"{name} returned while on_frame was running")
                self._stopped, self._stopper = True, None

        within(stop, rule, name, limit_s)

    def stop(self, camera: Camera) -> None:
        """Stop the camera; see `end`."""
        self.end(camera.stop, "stop")

    def verdict(self) -> None:
        """Fail with what was noted."""
        self._let_go.set()
        with self._changed:
            if self.breaches:
                raise ContractBreachError("\n".join(self.breaches))

    def _wait(self, happened: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(happened, LIMIT_S):
                broken(Rule.STARTS, f"{what} did not come within {LIMIT_S:g} s of start")


def _this_thread() -> threading.Thread | int:
    """Who calls: a thread of Python's as such, since numbers are given anew; one of an SDK's by its number.

    From Python 3.13 on each call that comes out of such a thread makes another object for it.
    """
    thread = threading.current_thread()
    return threading.get_native_id() if isinstance(thread, threading._DummyThread) else thread
