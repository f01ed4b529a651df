"""The camera: a grab thread that keeps a schedule of frames and of faults."""

from __future__ import annotations

import mmap
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rheed_acquire import (
    Camera,
    CameraError,
    CameraInfo,
    CameraLostError,
    CaptureRequest,
    Frame,
    OnFault,
    OnFrame,
)

from .device import DEVICE
from .pattern import draw, lay_out
from .settings import FaultySettings

DEFAULT_FPS = 60.0
WITNESS_BYTES = 8


class GrabError(RuntimeError):
    """What goes wrong in the grab thread on demand."""


@dataclass(slots=True)
class _Device:
    """What the device itself remembers, however often this process opens it."""

    frames: int = 0
    gone_until: float = 0.0
    stalled: bool = False
    vanished: bool = False
    failed_at: int = -1

    def is_there(self) -> bool:
        return time.monotonic() >= self.gone_until


_device = _Device()


def plug_in() -> None:
    """Replace the device by a new one: frames count from 0, and nothing has happened yet."""
    global _device
    _device = _Device()


class Witness:
    """Tells how many callbacks have returned, also to who looks after this process was killed.

    Parameters
    ----------
    path
        Of the file; made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size < WITNESS_BYTES:
            path.write_bytes(bytes(WITNESS_BYTES))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), WITNESS_BYTES)
        self.cells = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        self.cells.release()
        self._memory.close()


def read_witness(path: Path) -> int:
    """How many callbacks had returned when the camera's process came to its end; 0 where it had none."""
    try:
        return int.from_bytes(path.read_bytes()[:WITNESS_BYTES], "little")
    except FileNotFoundError:
        return 0


class FaultyCamera(Camera):
    """Delivers computed frames, numbered on through every reconnection, until a fault is due.

    `Frame.id` counts from 0 at each `start`, as a device's counter does when it has lost its power;
    `Frame.timestamp_ns` is when the frame was due by a clock that is right, on ``time.perf_counter_ns``
    at the first frame.

    Raises
    ------
    CameraLostError
        The device has vanished and not come back.
    """

    def __init__(self, settings: FaultySettings, request: CaptureRequest) -> None:
        if not _device.is_there():
            raise CameraLostError(f"{DEVICE} is not connected; check its cable and power")
        _device.stalled = _device.vanished = False
        self._settings = settings
        self._fps = request.fps or DEFAULT_FPS
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._witness = Witness(settings.witness) if settings.witness is not None else None

    @property
    def info(self) -> CameraInfo:
        """The camera with its settings."""
        settings = self._settings
        cycle = settings.id_cycle or None
        return CameraInfo(
            DEVICE, settings.width, settings.height, settings.pixel_format, self._fps, frame_id_cycle=cycle
        )

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """Begin to deliver.

        Raises
        ------
        CameraError
            It is delivering already.
        """
        if self._thread is not None and self._thread.is_alive():
            raise CameraError("the faulty camera is delivering already")
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._grab, args=(on_frame, on_fault), name="faulty-camera", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End delivery; hangs for a while where the device has vanished or stalled and is to hang then."""
        self._stopping.set()
        if _device.stalled or _device.vanished:
            time.sleep(self._settings.hang_s)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def close(self) -> None:
        """Stop, and let the witness file go."""
        self.stop()
        if self._witness is not None:
            self._witness.close()
            self._witness = None

    def _grab(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        try:
            self._deliver(on_frame)
        except CameraLostError as error:
            if not self._settings.silent:
                on_fault(error)
        except GrabError as error:
            on_fault(CameraError(f"the grab thread of {DEVICE} failed: {error}"))
        except SystemExit:
            return  # how a thread dies without a word

    def _deliver(self, on_frame: OnFrame) -> None:
        settings, device, fps = self._settings, _device, self._fps
        chance = random.Random(settings.seed + device.frames)
        pixels = np.empty((settings.height, settings.width), np.uint8)
        cells = self._witness.cells if self._witness is not None else None
        begun_ns, begun_at = time.perf_counter_ns(), device.frames
        period_ns = 1e9 / fps
        next_id = 0
        frame = Frame(pixels, 0, 0)
        while not self._stopping.is_set():
            number = device.frames
            self._fail_if_due(number)
            since = number - begun_at
            stamp_ns = begun_ns + round(since * period_ns)
            # Bursts: the frames of one come together, when the last of them is due.
            group = settings.burst or 1
            due = (since // group * group + group - 1) * period_ns / settings.speed
            due += chance.uniform(0.0, settings.jitter_ms * 1e6)
            if not self._sleep_until(begun_ns + due):
                return
            if settings.shape_change_at and number >= settings.shape_change_at:
                pixels = np.empty((settings.height - 1, settings.width), np.uint8)
            draw(number, settings.seed, pixels)
            next_id = self._next_id(number, next_id)
            frame.pixels = lay_out(pixels, number, settings.pixel_format)
            frame.id = next_id % settings.id_cycle if settings.id_cycle else next_id
            bits = settings.timestamp_wrap_bits
            frame.timestamp_ns = stamp_ns % (1 << bits) if bits else stamp_ns
            on_frame(frame)
            device.frames = number + 1
            if cells is not None:
                cells[0] = number + 1
            next_id += 1

    def _next_id(self, number: int, next_id: int) -> int:
        settings = self._settings
        if number == 0:
            return next_id
        if settings.gap_every and number % settings.gap_every == 0:
            next_id += settings.gap_length
        if settings.duplicate_every and number % settings.duplicate_every == 0:
            next_id -= 1
        if settings.backward_every and number % settings.backward_every == 0:
            next_id = max(0, next_id - settings.backward_by)
        return next_id

    def _fail_if_due(self, number: int) -> None:
        settings, device = self._settings, _device
        failed_here = device.failed_at == number
        if settings.raise_at and number == settings.raise_at and (settings.raise_again or not failed_here):
            device.failed_at = number
            raise GrabError(f"made to fail at frame {number}")
        if settings.die_at and number == settings.die_at and not failed_here:
            device.failed_at = number
            raise SystemExit
        if settings.stall_at and number == settings.stall_at and not failed_here:
            device.stalled, device.failed_at = True, number
            if settings.stall_s:
                self._stopping.wait(settings.stall_s)
                device.stalled = False
            else:
                self._stopping.wait()
        if self._vanishes(number):
            device.vanished, device.failed_at = True, number
            device.gone_until = time.monotonic() + (settings.vanish_s or float("inf"))
            raise CameraLostError(f"{DEVICE} does not answer any more")

    def _vanishes(self, number: int) -> bool:
        settings = self._settings
        since = number - settings.vanish_at
        if not settings.vanish_at or since < 0 or number == _device.failed_at:
            return False
        return since == 0 or bool(settings.vanish_every and since % settings.vanish_every == 0)

    def _sleep_until(self, due_ns: float) -> bool:
        while not self._stopping.is_set():
            left_s = (due_ns - time.perf_counter_ns()) * 1e-9
            if left_s <= 0:
                return True
            self._stopping.wait(left_s) if left_s > 0.05 else time.sleep(left_s)
        return False
