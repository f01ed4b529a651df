"""The rules of a camera, in the words of its contract, and the one form in which a breach is told."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn


class Rule(StrEnum):
    """Each text stands as it is in the docstring of `Camera`, `CameraInfo`, `Frame` or `CameraBackend`."""

    STARTS = "`start` returns at once"
    ONE_THREAD = "``on_frame`` is called from one thread, in order, one call at a time"
    LENT = "``frame.pixels`` is valid until ``on_frame`` returns"
    FAULT = "``on_fault`` is called, from any thread but not from within `stop`, when the device is gone"
    STOPS = "When `stop` returns no callback is running and none comes any more"
    RESTARTS = "`start` may then be called again"
    CLOSES = "`stop` on a stopped camera and `close` on a closed one do nothing. `close` stops first"
    PIXELS = "Shape (H, W) for monochrome and Bayer formats, uint8 or uint16"
    ID = "The camera's own frame counter as it counts it"
    STAMP = "on the camera's own clock in nanoseconds from any origin"
    SETTINGS = "Every setting that was asked for, as the device took it"
    DISCOVER = "Lists the devices that can be opened now"
    OPEN = "Opens the device that the settings choose and configures it. Raises a `CameraError`"
    GIVE_BACK = "Give the device back"


def told(rule: Rule, what: str) -> str:
    """Say what happened and which rule it breaks."""
    return f"{what}.\n  It breaks the rule: {rule.value} (rule {rule.name})"


def broken(rule: Rule, what: str) -> NoReturn:
    """Fail the test by this rule."""
    raise AssertionError(told(rule, what))
