"""What is done with a camera to see whether it keeps the rules; each check opens and closes its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import Camera, CameraInfo, CameraLostError
from rheed_acquire.testing.calls import LIMIT_S, opened, within
from rheed_acquire.testing.frame_checks import check_frames, doubt_of_stamps, id_step
from rheed_acquire.testing.observer import Observer, TakenFrame
from rheed_acquire.testing.rules import Rule, broken
from rheed_acquire.testing.telling import check_telling, read_info

Opener = Callable[[], Camera]
Expected = Callable[[CameraInfo, TakenFrame], NDArray[Any] | None]

FRAMES = 30
TRIES = 3
"""What frames only suggest about stamps has to show so often: a busy computer takes frames late."""
QUIET_S = 0.1
"""How long to listen for a callback that comes too late."""


def check_start(open_camera: Opener, limit_s: float = LIMIT_S) -> None:
    """Hold the first callback back until `start` has returned: it must not have been waited for."""
    gate = threading.Event()
    observer = Observer(gate=gate)
    with opened(open_camera) as camera:
        try:
            observer.start(camera, limit_s=limit_s)
        finally:
            gate.set()
        observer.wait_for_frames(1)
        observer.stop(camera)
    observer.verdict()


def check_delivery(open_camera: Opener, expected: Expected | None = None, frames: int = FRAMES) -> None:
    """Take frames in one go: order, thread, layout, ids, stamps and, where they can be known, pixels."""
    for tries_left in reversed(range(TRIES)):
        observer = Observer()
        with opened(open_camera) as camera:
            info = read_info(camera)
            observer.start(camera)
            observer.wait_for_frames(frames)
            observer.stop(camera)
        observer.verdict()
        check_frames(info, observer.kept)
        if expected is not None:
            check_images(info, observer.kept, expected)
        doubt = doubt_of_stamps(info, observer.kept) if frames >= FRAMES else None
        if doubt is None:
            return
        if not tries_left:
            broken(*doubt)


def check_images(info: CameraInfo, kept: list[TakenFrame], expected: Expected) -> None:
    """Compare frames, bit by bit, with what they have to be."""
    for taken in kept:
        pixels = expected(info, taken)
        different = 0 if pixels is None else int(np.count_nonzero(taken.pixels != pixels))
        if different:
            broken(
                Rule.IMAGE,
                f"{different} of the {taken.pixels.size} pixels of frame {taken.id} are not as expected",
            )


def check_lent_pixels(open_camera: Opener, frames: int = 4) -> None:
    """Be slow in the callback: the pixels must stay while it lasts, however many frames come meanwhile."""
    observer = Observer(hold_s=0.05)
    with opened(open_camera) as camera:
        observer.start(camera)
        observer.wait_for_frames(frames)
        observer.stop(camera)
    observer.verdict()


def check_buffers(open_camera: Opener, frames: int = FRAMES) -> None:
    """Overwrite each buffer after its callback: no later frame may show what was written."""
    observer = Observer(poison=True)
    with opened(open_camera) as camera:
        observer.start(camera)
        observer.wait_for_frames(frames)
        observer.stop(camera)
    observer.verdict()


def check_stop(open_camera: Opener, times: int = 3) -> None:
    """Stop in the midst of a callback, then listen."""
    with opened(open_camera) as camera:
        for number in range(times):
            observer = Observer(hold_s=0.02)
            observer.start(camera, Rule.STARTS if number == 0 else Rule.RESTARTS)
            observer.wait_for_a_running_callback()
            observer.stop(camera)
            time.sleep(QUIET_S)
            observer.verdict()


def check_restarts(open_camera: Opener, times: int) -> None:
    """Start and stop again and again: each run is in order, and no frame of one comes in the next."""
    runs = []
    with opened(open_camera) as camera:
        info = read_info(camera)
        for number in range(times):
            observer = Observer()
            observer.start(camera, Rule.STARTS if number == 0 else Rule.RESTARTS)
            observer.wait_for_frames(2)
            observer.stop(camera)
            runs.append(observer)
        time.sleep(QUIET_S)
    for observer in runs:
        observer.verdict()
        check_frames(info, observer.kept)


def check_close_while_streaming(open_camera: Opener, limit_s: float = LIMIT_S) -> None:
    """Close without a stop, then stop and close once more."""
    observer = Observer(hold_s=0.002)
    with opened(open_camera) as camera:
        observer.start(camera)
        observer.wait_for_frames(3)
        observer.end(camera.close, "close", limit_s)
        time.sleep(QUIET_S)
        within(camera.stop, Rule.CLOSES, "stop on a closed camera", limit_s)
        within(camera.close, Rule.CLOSES, "close on a closed camera", limit_s)
    observer.verdict()


def check_idle_calls(open_camera: Opener, limit_s: float = LIMIT_S) -> None:
    """Stop a camera that never started, and close one twice."""
    with opened(open_camera) as camera:
        for name, call in (("stop on a stopped camera", camera.stop), ("close", camera.close)):
            for _ in range(2):
                within(call, Rule.CLOSES, name, limit_s)


def check_gap(open_camera: Opener, lose_frames: Callable[[Camera], int | None]) -> None:
    """Make the device lose frames: its ids must tell, or its driver's counter where it has no ids."""
    observer = Observer()
    with opened(open_camera) as camera:
        info = read_info(camera)
        observer.start(camera)
        observer.wait_for_frames(5)
        lost = lose_frames(camera)
        observer.wait_for_frames(FRAMES)
        observer.stop(camera)
        counted = within(camera.statistics, Rule.STATISTICS, "statistics").get("frames_lost", 0)
    observer.verdict()
    check_frames(info, observer.kept)
    ids = [taken.id for taken in observer.kept if taken.id is not None]
    jumps = sum(id_step(info, before, after) - 1 for before, after in pairwise(ids))
    reported, where = (jumps, "its ids") if ids else (counted, "frames_lost of its statistics")
    if reported < (1 if lost is None else lost):
        broken(Rule.GAP, f"the camera lost {lost or 'some'} frames, and {where} told of {reported}")


def check_loss(
    open_camera: Opener, lose_device: Callable[[Camera], None], open_again: Opener | None = None
) -> None:
    """Take the device away while it streams: told once, closed, and opened when it is back."""
    observer = Observer()
    with opened(open_camera) as camera:
        info = read_info(camera)
        observer.start(camera)
        observer.wait_for_frames(10)
        lose_device(camera)
        fault = observer.wait_for_fault()
        if not isinstance(fault, CameraLostError):
            broken(
                Rule.FAULT, f"the device is gone, and on_fault was given a {type(fault).__name__}: {fault}"
            )
        observer.stop(camera)
        within(camera.close, Rule.CLOSES, "close of a lost camera")
    if len(observer.faults) != 1:
        broken(Rule.FAULT, f"one loss was told {len(observer.faults)} times")
    observer.verdict()
    check_frames(info, observer.kept)
    if open_again is not None:
        check_delivery(open_again, frames=5)


def check_camera(open_camera: Opener) -> None:
    """Make every check that needs no knowledge of the backend.

    Raises
    ------
    ContractBreachError
        The camera breaks a rule.
    """
    check_idle_calls(open_camera)
    check_start(open_camera)
    check_delivery(open_camera)
    check_telling(open_camera)
    check_lent_pixels(open_camera)
    check_stop(open_camera)
    check_restarts(open_camera, 5)
    check_close_while_streaming(open_camera)
