"""The simulated camera: a thread that delivers frames on an absolute schedule."""

from __future__ import annotations

import math
import threading
import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import (
    Camera,
    CameraError,
    CameraInfo,
    CameraSettingError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    OnFault,
    OnFrame,
    SettingReadback,
)
from rheed_acquire_simulated.bank import PatternBank
from rheed_acquire_simulated.images import ImageFiles
from rheed_acquire_simulated.settings import SimulatedSettings

DEFAULT_FPS = 120.0

SHORTEST_SLEEP_S = 0.001
"""Frames due sooner than this are delivered together: a sleep costs more than a frame."""
LONGEST_SLEEP_S = 0.05
"""`time.sleep` is precise but cannot be woken by `stop`, so it is used for the last stretch only. (A timed
wait on an event can be woken, but overshoots by up to 16 ms on Windows.)"""

_BITS = {"Mono8": 8, "Mono12": 12, "Mono16": 16, "RGB8": 8}


class FrameSource(Protocol):
    """What makes the pictures: `PatternBank` or `ImageFiles`."""

    width: int
    height: int
    pixel_format: str

    def pixels(self, number: int) -> NDArray[Any]:
        """Return frame ``number``, C-contiguous, valid until the next call.

        The caller may write into its first 8 pixels.
        """


class SimulatedCamera(Camera):
    """A camera whose every frame follows from the settings and the frame's number.

    Frame k is due k / fps after `start`, to the nanosecond, however late the frames before it were: after a
    delay the overdue frames are delivered at once, in order, and none is left out. `Frame.timestamp_ns` is
    the time at which the frame was due, on the clock of `time.perf_counter_ns`; `Frame.id` counts from 0 at
    each `start`.

    Parameters
    ----------
    request
        ``fps`` is 120 where it is None. ``rotations_per_min`` turns the computed pattern; images stay as
        they are.

    Raises
    ------
    CameraError
        The folder of images cannot be played.
    CameraSettingError
        ``fps`` is not a positive number, or ``rotations_per_min`` a negative one.
    """

    def __init__(self, settings: SimulatedSettings, request: CaptureRequest, device: DeviceInfo) -> None:
        fps = DEFAULT_FPS if request.fps is None else request.fps
        if not (math.isfinite(fps) and fps > 0):
            raise CameraSettingError(f"--fps {fps}: the simulated camera needs a positive number")
        turns = request.rotations_per_min
        if not (math.isfinite(turns) and turns >= 0):
            raise CameraSettingError(f"--rotations-per-min {turns}: 0 or a positive number is needed")
        self._source: FrameSource | None = _open_source(settings, fps, turns)
        self._info = _describe(settings, fps, device, self._source)
        self._stamp_shift = _BITS[self._source.pixel_format] - 8 if settings.stamp else None
        # As a ratio of integers, so that the schedule is exact however long the run.
        self._frames, self._seconds = float(fps).as_integer_ratio()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def info(self) -> CameraInfo:
        """The camera with its present settings."""
        return self._info

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """Begin to deliver frames, with `Frame.id` from 0.

        Raises
        ------
        CameraError
            The camera is closed, or is delivering already.
        """
        with self._lock:
            if self._source is None:
                raise CameraError("the simulated camera is closed and cannot be started")
            if self._thread is not None and self._thread.is_alive():
                raise CameraError(
                    "the simulated camera is delivering already; stop it before it is started again"
                )
            self._stopping = threading.Event()
            self._thread = threading.Thread(
                target=self._deliver,
                args=(self._source, self._stopping, on_frame, on_fault),
                name="simulated-camera",
                daemon=True,
            )
            self._thread.start()

    def stop(self) -> None:
        """End delivery. From within ``on_frame``, the call that is running is the last."""
        with self._lock:
            self._stopping.set()
            thread = self._thread
        # Not under the lock: on_frame may call stop as well.
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def close(self) -> None:
        """Stop, and free the pictures."""
        self.stop()
        self._source = None

    def _deliver(
        self, source: FrameSource, stopping: threading.Event, on_frame: OnFrame, on_fault: OnFault
    ) -> None:
        start_ns = time.perf_counter_ns()
        frame: Frame | None = None
        number = 0
        while True:
            due_ns = start_ns + number * self._seconds * 1_000_000_000 // self._frames
            if not _wait_until(due_ns, stopping):
                return
            try:
                pixels = source.pixels(number)
            except CameraError as error:
                fault = error
                break
            # Whatever it is, the session has to learn that no frame will come any more.
            except Exception as error:  # noqa: BLE001
                fault = CameraError(f"the simulated camera failed at frame {number}: {error!r}")
                fault.__cause__ = error
                break
            if self._stamp_shift is not None:
                _stamp(pixels, number, self._stamp_shift)
            if stopping.is_set():
                return
            if frame is None:
                frame = Frame(pixels, number, due_ns)
            frame.pixels, frame.id, frame.timestamp_ns = pixels, number, due_ns
            on_frame(frame)
            number += 1
        if not stopping.is_set():
            on_fault(fault)


def _wait_until(due_ns: int, stopping: threading.Event) -> bool:
    """Sleep until the time has come, or a little longer; False where `stop` came first."""
    while not stopping.is_set():
        wait_s = (due_ns - time.perf_counter_ns()) * 1e-9
        if wait_s <= 0:
            return True
        if wait_s > LONGEST_SLEEP_S:
            stopping.wait(min(wait_s - LONGEST_SLEEP_S, threading.TIMEOUT_MAX))
        else:
            time.sleep(max(wait_s, SHORTEST_SLEEP_S))
    return False


def _stamp(pixels: NDArray[Any], number: int, shift: int) -> None:
    """Write the frame number into the first 8 pixels, one byte in the upper 8 significant bits of each."""
    stamp = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
    if pixels.ndim == 3:
        pixels.reshape(-1, 3)[:8] = stamp[:, np.newaxis]
    elif shift:
        pixels.reshape(-1)[:8] = stamp.astype(pixels.dtype) << shift
    else:
        pixels.reshape(-1)[:8] = stamp


def _open_source(settings: SimulatedSettings, fps: float, rotations_per_min: float) -> FrameSource:
    if settings.images is not None:
        return ImageFiles(settings.images)
    return PatternBank(
        width=settings.width,
        height=settings.height,
        pixel_format=settings.pixel_format,
        seed=settings.seed,
        noise=settings.noise,
        fps=fps,
        rotations_per_min=rotations_per_min,
        oscillation_period_s=settings.oscillation_period_s,
        oscillation_damping_s=settings.oscillation_damping_s,
    )


def _describe(settings: SimulatedSettings, fps: float, device: DeviceInfo, source: FrameSource) -> CameraInfo:
    asked = settings.model_dump(mode="json", include=settings.model_fields_set)
    return CameraInfo(
        device=device,
        width=source.width,
        height=source.height,
        pixel_format=source.pixel_format,
        fps=fps,
        # Images bring a size and a format of their own, whatever was asked for.
        settings=tuple(
            SettingReadback(name, value, getattr(source, name, value)) for name, value in asked.items()
        ),
    )
