"""What a camera tells of itself: its info, its counters and its temperature, at each time it can be asked."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import fields

from rheed_acquire.cameras.camera import Camera, CameraInfo, DeviceInfo, SettingReadback
from rheed_acquire.host.guard.camera_numbers import plain_numbers
from rheed_acquire.testing.calls import opened, within
from rheed_acquire.testing.frame_checks import SHORTEST_CYCLE
from rheed_acquire.testing.observer import Observer
from rheed_acquire.testing.rules import Rule, broken

COLDEST_C, WARMEST_C = -100.0, 150.0
"""Between which a camera works."""
MAY_CHANGE = ("ptp_synchronized", "notes", "warnings")


def read_info(camera: Camera) -> CameraInfo:
    """Ask a camera for its info, and judge it by itself."""
    info: object = within(lambda: camera.info, Rule.INFO, "info")
    if not isinstance(info, CameraInfo):
        broken(Rule.INFO, f"info is {info!r:.60}, not a CameraInfo")
    if not isinstance(info.device, DeviceInfo):
        broken(Rule.INFO, f"info.device is {info.device!r:.60}, not a DeviceInfo")
    if not isinstance(info.settings, tuple) or not all(
        isinstance(one, SettingReadback) for one in info.settings
    ):
        broken(Rule.INFO, f"info.settings is {info.settings!r:.60}, not a tuple of SettingReadback")
    try:
        plain_numbers(info)
    except ValueError as error:
        broken(Rule.INFO, str(error))
    cycle = info.frame_id_cycle
    if cycle is not None and cycle < SHORTEST_CYCLE:
        broken(Rule.CYCLE, f"info.frame_id_cycle is {cycle}: a loss of {cycle} frames would not show")
    return info


def check_telling(open_camera: Callable[[], Camera]) -> None:
    """Ask for everything before, during and after a run."""
    observer = Observer()
    with opened(open_camera) as camera:
        first = read_info(camera)
        _check_answers(camera, "before start")
        observer.start(camera)
        observer.wait_for_frames(2)
        _check_unchanged(first, read_info(camera), "while it streams")
        _check_answers(camera, "while it streams")
        observer.stop(camera)
        _check_unchanged(first, read_info(camera), "after stop")
        _check_answers(camera, "after stop")
    _check_temperature(camera, "after close")
    observer.verdict()


def _check_unchanged(first: CameraInfo, now: CameraInfo, when: str) -> None:
    for one in fields(CameraInfo):
        was, became = getattr(first, one.name), getattr(now, one.name)
        if one.name not in MAY_CHANGE and was != became:
            broken(Rule.INFO, f"info.{one.name} was {was} and is {became} {when}")


def _check_answers(camera: Camera, when: str) -> None:
    counts: object = within(camera.statistics, Rule.STATISTICS, f"statistics {when}")
    if not isinstance(counts, Mapping):
        broken(Rule.STATISTICS, f"statistics {when} returned {counts!r:.60}, not a mapping")
    for name, count in counts.items():
        if not isinstance(name, str) or isinstance(count, bool) or not _is_count(count):
            broken(Rule.STATISTICS, f"statistics {when} has {name!r}: {count!r:.40}")
    _check_temperature(camera, when)


def _is_count(value: object) -> bool:
    try:
        return operator.index(value) >= 0  # type: ignore[arg-type]
    except TypeError:
        return False


def _check_temperature(camera: Camera, when: str) -> None:
    value: object = within(camera.temperature_c, Rule.TEMPERATURE, f"temperature_c {when}")
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        broken(Rule.TEMPERATURE, f"temperature_c {when} returned {value!r:.40}")
    if not COLDEST_C <= value <= WARMEST_C:
        broken(Rule.TEMPERATURE, f"temperature_c {when} returned {value:g}, at which no camera works")
