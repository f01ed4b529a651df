"""The simulated camera: a thread that delivers frames on an absolute schedule."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import (
    CameraInfo,
    CameraSettingError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    GrabLoopCamera,
    SettingReadback,
)
from rheed_acquire_simulated.bank import PatternBank
from rheed_acquire_simulated.images import ImageFiles
from rheed_acquire_simulated.settings import SimulatedSettings

DEFAULT_FPS = 120.0

MOST_GAIN_DB = 24.0

LINE = "Line1"

SHORTEST_SLEEP_S = 0.001
"""Frames due sooner than this are delivered together: a sleep costs more than a frame."""

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


class SimulatedCamera(GrabLoopCamera):
    """A camera whose every frame follows from the settings and the frame's number.

    Frame k is due k / fps after `start`, to the nanosecond, however late the frames before it were: after a
    delay the overdue frames are delivered at once, in order, and none is left out. `Frame.timestamp_ns` is
    the time at which the frame was due, on the clock of `time.perf_counter_ns`; `Frame.id` counts from 0 at
    each `start`. Exposure and gain can be changed while it runs: the pictures become as much brighter as with
    a camera that has no noise. It is opened with an exposure of a whole period, and 0 dB.

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
        self._frame = Frame(np.empty(0, np.uint8), None, None)
        self._held = {"exposure_us": 1e6 / fps, "gain": 0.0}
        self._brightness = 1.0
        self._line_period_s = settings.line_period_s
        self._start_ns = time.perf_counter_ns()

    @property
    def info(self) -> CameraInfo:
        """The camera with its present settings."""
        return self._info

    def begin_grabbing(self) -> None:
        """Begin to count frames, from 0."""
        self._number, self._start_ns = 0, time.perf_counter_ns()

    def grab(self, timeout_s: float) -> Frame | None:
        """Give the next frame where it is due, else wait for it.

        Raises
        ------
        CameraError
            An image file cannot be read any more.
        """
        number, frame = self._number, self._frame
        due_ns = self._start_ns + number * self._seconds * 1_000_000_000 // self._frames
        wait_s = (due_ns - time.perf_counter_ns()) * 1e-9
        if wait_s > 0:
            time.sleep(min(timeout_s, max(wait_s, SHORTEST_SLEEP_S)))
            return None
        assert self._source is not None
        pixels = self._brightened(self._source.pixels(number))
        if self._stamp_shift is not None:
            _stamp(pixels, number, self._stamp_shift)
        frame.pixels, frame.id, frame.timestamp_ns = pixels, number, due_ns
        self._number = number + 1
        return frame

    def write_adjustment(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure, up to a frame's period, or gain, from the next frame on."""
        longest_us = 1e6 / (self._info.fps or DEFAULT_FPS)
        for name, most in (("exposure_us", longest_us), ("gain", MOST_GAIN_DB)):
            if not 0 <= changes.get(name, 0.0) <= most:
                raise CameraSettingError(
                    f"{self._info.device} refuses {name} {changes[name]:g}: it must be 0 to {most:.10g}"
                )
        self._held |= changes
        self._brightness = self._held["exposure_us"] / longest_us * 10 ** (self._held["gain"] / 20)
        return {name: self._held[name] for name in changes}

    def read_adjustable(self) -> Mapping[str, float]:
        """Tell exposure and gain."""
        return dict(self._held)

    def read_line(self, line: str) -> bool:
        """Tell whether Line1 is high: in the second half of each of its periods."""
        if line.casefold() != LINE.casefold():
            raise CameraSettingError(f"{self._info.device} has no line {line}: it has {LINE}")
        period_s = self._line_period_s
        return period_s > 0 and (time.perf_counter_ns() - self._start_ns) * 1e-9 % period_s >= period_s / 2

    def _brightened(self, pixels: NDArray[Any]) -> NDArray[Any]:
        brightness = self._brightness
        if brightness == 1.0:
            return pixels
        top = 2 ** _BITS[self._info.pixel_format] - 1
        brightened: NDArray[Any] = np.minimum(pixels * brightness, top).astype(pixels.dtype)
        return brightened

    def disconnect(self) -> None:
        """Free the pictures."""
        self._source = None
        self._frame.pixels = np.empty(0, np.uint8)


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
