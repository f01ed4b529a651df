"""The numbers of a `CameraInfo` as a plugin gives them: whole and positive, or refused by name."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rheed_acquire.cameras.camera import CameraInfo

LARGEST_SIDE = 65_536
"""What the protocol can carry, in pixels."""
SLOWEST, FASTEST = 1e-6, 1e9
"""Frames per second: a frame in eleven days, and one a nanosecond."""
MOMENTS_NS = -(2**63), 2**63 - 1
"""What 64 bits hold: from the year 1677 to 2262."""


def plain_numbers(info: CameraInfo) -> CameraInfo:
    """Make Python's own numbers of those of a camera.

    Raises
    ------
    ValueError
        One cannot be what it is said to be; the message names it, and says what it must be.
    """
    side = f"a whole number from 1 to {LARGEST_SIDE}"
    rate = f"a number from {SLOWEST:g} to {FASTEST:g}, or None where only an outside trigger knows"
    bound = f"a number from {SLOWEST:g} to {FASTEST:g}, or None"
    count = "a whole number above 0, or None"
    moment = "a whole number of nanoseconds since 1970, or None"
    return replace(
        info,
        width=_number(info.width, "width", side, operator.index, 1, LARGEST_SIDE),
        height=_number(info.height, "height", side, operator.index, 1, LARGEST_SIDE),
        fps=_unless_none(info.fps, "fps", rate, float, SLOWEST, FASTEST),
        fps_at_most=_unless_none(info.fps_at_most, "fps_at_most", bound, float, SLOWEST, FASTEST),
        frame_id_cycle=_unless_none(
            info.frame_id_cycle, "frame_id_cycle", "a whole number above 1, or None", operator.index, 2
        ),
        timestamp_wraps_ns=_unless_none(
            info.timestamp_wraps_ns, "timestamp_wraps_ns", count, operator.index, 1
        ),
        captured_unix_ns=_unless_none(
            info.captured_unix_ns, "captured_unix_ns", moment, operator.index, *MOMENTS_NS
        ),
        ended_unix_ns=_unless_none(info.ended_unix_ns, "ended_unix_ns", moment, operator.index, *MOMENTS_NS),
        frames=_unless_none(info.frames, "frames", "a whole number, or None", operator.index, 0),
    )


def _unless_none(
    value: object, name: str, wanted: str, make: Callable[[Any], Any], least: float, most: float = math.inf
) -> Any:
    return None if value is None else _number(value, name, wanted, make, least, most)


def _number(
    value: object, name: str, wanted: str, make: Callable[[Any], Any], least: float, most: float
) -> Any:
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError  # noqa: TRY301
        number = make(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (least <= number <= most and number != math.inf):
        raise ValueError(f"CameraInfo.{name} is {value!r:.40}, and must be {wanted}")
    return number
