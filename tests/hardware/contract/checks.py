"""What is done with a camera to see whether it keeps the rules; each check opens and closes its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise

from tests.hardware.contract.observer import LIMIT_S, Observer, Taken, within
from tests.hardware.contract.rules import Rule, broken

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.pixels import frame_layout

Opener = Callable[[], Camera]
Exact = Callable[[CameraInfo, list[Taken]], None]

FRAMES = 30
QUIET_S = 0.1
"""How long to listen for a callback that comes too late."""


def check_start(open_camera: Opener, limit_s: float = LIMIT_S) -> None:
    """Hold the first callback back until `start` has returned: it must not have been waited for."""
    gate = threading.Event()
    observer = Observer(gate=gate)
    with open_camera() as camera:
        try:
            within(lambda: observer.start(camera), Rule.STARTS, "start", limit_s)
        finally:
            gate.set()
        observer.wait_for_frames(1)
        observer.stop(camera)
    observer.verdict()


def check_delivery(open_camera: Opener, exact: Exact | None = None, frames: int = FRAMES) -> None:
    """Take frames in one go: order, thread, layout, ids, stamps and, where they can be known, pixels."""
    observer = Observer()
    with open_camera() as camera:
        info = camera.info
        observer.start(camera)
        observer.wait_for_frames(frames)
        observer.stop(camera)
    observer.verdict()
    check_frames(info, observer.kept)
    if exact is not None:
        exact(info, observer.kept)


def check_frames(info: CameraInfo, kept: list[Taken]) -> None:
    """Judge frames by what needs no knowledge of the picture."""
    shape, dtype = frame_layout(info.pixel_format, info.height, info.width)
    for taken in kept:
        if taken.pixels.shape != shape or taken.pixels.dtype != dtype:
            broken(
                Rule.PIXELS,
                f"frame {taken.id} has shape {taken.pixels.shape} and dtype {taken.pixels.dtype}, but "
                f"{info.width} x {info.height} {info.pixel_format} is {shape}, {dtype}",
            )
    for before, after in pairwise(kept):
        _check_ids(info, before.id, after.id)
        _check_stamps(info, before, after)


def _check_ids(info: CameraInfo, before: int | None, after: int | None) -> None:
    if before is None or after is None:
        if before is not after:
            broken(Rule.ID, f"a frame with id {after} follows one with id {before}: all have one or none has")
        return
    # With a counter that wraps, half of its cycle is the line between a jump ahead and one back.
    step = after - before if info.frame_id_cycle is None else (after - before) % info.frame_id_cycle
    if step <= 0 or (info.frame_id_cycle is not None and step > info.frame_id_cycle // 2):
        broken(Rule.ONE_THREAD, f"frame id {after} follows {before}: out of order")


def _check_stamps(info: CameraInfo, before: Taken, after: Taken) -> None:
    first, second = before.timestamp_ns, after.timestamp_ns
    if first is None or second is None:
        if first is not second:
            broken(Rule.STAMP, f"frame {after.id} and the one before it do not both have a time stamp")
        return
    wraps = info.timestamp_wraps_ns
    if second < first and (wraps is None or (second - first) % wraps > wraps // 2):
        broken(Rule.STAMP, f"the stamp of frame {after.id} is {first - second} ns before that of {before.id}")


def check_lent_pixels(open_camera: Opener, frames: int = 4) -> None:
    """Be slow in the callback: the pixels must stay while it lasts, however many frames come meanwhile."""
    observer = Observer(hold_s=0.05)
    with open_camera() as camera:
        observer.start(camera)
        observer.wait_for_frames(frames)
        observer.stop(camera)
    observer.verdict()


def check_stop(open_camera: Opener, times: int = 3) -> None:
    """Stop in the midst of a callback, then listen."""
    with open_camera() as camera:
        for _ in range(times):
            observer = Observer(hold_s=0.02)
            observer.start(camera)
            observer.wait_for_a_running_callback()
            observer.stop(camera)
            time.sleep(QUIET_S)
            observer.verdict()


def check_restarts(open_camera: Opener, times: int) -> None:
    """Start and stop again and again: each run is in order, and no frame of one comes in the next."""
    runs = []
    with open_camera() as camera:
        info = camera.info
        for number in range(1, times + 1):
            observer = Observer()
            try:
                observer.start(camera)
            except Exception as error:  # noqa: BLE001 - told by its rule
                broken(Rule.RESTARTS, f"start {number} of {times} raised {error!r}")
            observer.wait_for_frames(2)
            observer.stop(camera)
            runs.append(observer)
        time.sleep(QUIET_S)
    for observer in runs:
        observer.verdict()
        check_frames(info, observer.kept)


def check_close_while_streaming(open_camera: Opener, limit_s: float = LIMIT_S) -> None:
    """Close without a stop, then stop and close once more."""
    camera = open_camera()
    observer = Observer(hold_s=0.002)
    observer.start(camera)
    observer.wait_for_frames(3)
    observer.end(camera.close, "close", limit_s)
    time.sleep(QUIET_S)
    within(camera.stop, Rule.CLOSES, "stop on a closed camera", limit_s)
    within(camera.close, Rule.CLOSES, "close on a closed camera", limit_s)
    observer.verdict()


def check_idle_calls(open_camera: Opener, limit_s: float = LIMIT_S) -> None:
    """Stop a camera that never started, and close one twice."""
    camera = open_camera()
    for name, call in (("stop on a stopped camera", camera.stop), ("close", camera.close)):
        for _ in range(2):
            within(call, Rule.CLOSES, name, limit_s)
