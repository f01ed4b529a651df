"""What a frame costs in the camera's own thread, measured and never judged: other machines differ."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rheed_acquire.cameras.camera import Camera, CameraError, Frame
from rheed_acquire.testing.calls import LIMIT_S, opened, within
from rheed_acquire.testing.rules import Rule, broken


@dataclass(frozen=True, slots=True)
class FrameCost:
    """Of one run.

    Attributes
    ----------
    fps
        Frames per second that came.
    megabytes_per_s
        Of pixels, in 10**6 bytes.
    cpu_us
        Processor time of the camera's thread for one frame, in microseconds, with a callback that does next
        to nothing.
    """

    fps: float
    megabytes_per_s: float
    cpu_us: float

    def __str__(self) -> str:
        return (
            f"{self.fps:.1f} frames/s, {self.megabytes_per_s:.1f} MB/s, "
            f"{self.cpu_us:.0f} us of the camera's thread for each"
        )


def measure_frame_cost(open_camera: Callable[[], Camera], frames: int) -> FrameCost:
    """Stream with a callback that does next to nothing."""
    done = threading.Event()
    faults: list[CameraError] = []
    wall_ns: list[int] = []
    cpu_ns: list[int] = []
    size = 0

    def on_frame(frame: Frame) -> None:
        nonlocal size
        if len(wall_ns) <= frames:
            size = frame.pixels.nbytes
            wall_ns.append(time.perf_counter_ns())
            cpu_ns.append(time.thread_time_ns())
        else:
            done.set()

    def on_fault(error: CameraError) -> None:
        faults.append(error)
        done.set()

    with opened(open_camera) as camera:
        within(lambda: camera.start(on_frame, on_fault), Rule.STARTS, "start")
        came = done.wait(LIMIT_S)
        within(camera.stop, Rule.STOPS, "stop")
    if faults or not came:
        broken(Rule.STARTS, f"{frames} frames did not come within {LIMIT_S:g} s ({faults or 'no fault'})")
    seconds = (wall_ns[-1] - wall_ns[0]) * 1e-9
    # A stand-in may deliver faster than its clock can tell.
    fps = frames / max(seconds, 1e-9)
    return FrameCost(fps, fps * size / 1e6, (cpu_ns[-1] - cpu_ns[0]) / frames / 1e3)
