"""What a camera tells of itself: info, counters, temperature, exposure and gain, whenever it can be asked."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial

from rheed_acquire.cameras.camera import (
    Camera,
    CameraInfo,
    CameraSettingError,
    DeviceInfo,
    SettingReadback,
)
from rheed_acquire.host.guard.camera_numbers import plain_numbers
from rheed_acquire.testing.calls import opened, within
from rheed_acquire.testing.frame_checks import SHORTEST_CYCLE
from rheed_acquire.testing.observer import Observer
from rheed_acquire.testing.rules import Rule, broken

COLDEST_C, WARMEST_C = -100.0, 150.0
"""Between which a camera works."""
MAY_CHANGE = ("ptp_synchronized", "notes", "warnings")
ADJUSTABLE = ("exposure_us", "gain")
SAME = 1e-3
"""How far a value may be off that a camera is given which has it already: its steps may be coarse."""
NO_LINE = "no-such-line"


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
        _check_adjustment(camera)
        _check_line(camera)
        observer.stop(camera)
        _check_unchanged(first, read_info(camera), "after stop")
        _check_answers(camera, "after stop")
    _check_temperature(camera, "after close")
    _held_by(camera, "after close")
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
    _held_by(camera, when)


def _held_by(camera: Camera, when: str) -> dict[str, float]:
    held: object = within(camera.adjustable, Rule.ADJUSTABLE, f"adjustable {when}")
    if not isinstance(held, Mapping):
        broken(Rule.ADJUSTABLE, f"adjustable {when} returned {held!r:.60}, not a mapping")
    for name, value in held.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if name not in ADJUSTABLE or not is_number:
            broken(Rule.ADJUSTABLE, f"adjustable {when} has {name!r}: {value!r:.40}")
    return dict(held)


def _check_adjustment(camera: Camera) -> None:
    """Give the camera what it holds already."""
    for name, value in _held_by(camera, "while it streams").items():
        told = f"adjust {name} {value:g}, which it holds,"
        taken: object = within(partial(camera.adjust, {name: value}), Rule.ADJUSTABLE, told)
        if not isinstance(taken, Mapping) or list(taken) != [name]:
            broken(Rule.ADJUSTABLE, f"{told} returned {taken!r:.60}")
        if not math.isclose(taken[name], value, rel_tol=SAME, abs_tol=SAME):
            broken(Rule.ADJUSTABLE, f"{told} made {taken[name]:g} of it")


def _check_line(camera: Camera) -> None:
    """Ask for a line that no camera has."""

    def ask() -> object:
        try:
            return camera.line_is_high(NO_LINE)
        except CameraSettingError:
            return None

    answer = within(ask, Rule.LINE, f"line_is_high of {NO_LINE}")
    if answer is not None:
        broken(Rule.LINE, f"line_is_high of {NO_LINE} returned {answer!r:.40}")


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
