"""The numbers of a camera are Python's own, or are refused by name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rheed_acquire.cameras.camera import CameraInfo, DeviceInfo
from rheed_acquire.host.guard.camera_numbers import plain_numbers

GOOD = CameraInfo(DeviceInfo("one"), 48, 32, "Mono8", 50.0)


@pytest.mark.parametrize("name", ["width", "height", "fps", "frame_id_cycle", "timestamp_wraps_ns"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "50", b"50", True, [], object()])
def test_what_is_no_number_above_0_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^CameraInfo\.{name} is .*, and must be "):
        plain_numbers(replace(GOOD, **{name: value}))


@pytest.mark.parametrize("name", ["width", "height"])
@pytest.mark.parametrize("value", [None, 48.0, np.float64(48), 10**6])
def test_sides_are_whole_and_within_what_can_be_carried(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"CameraInfo.{name}"):
        plain_numbers(replace(GOOD, **{name: value}))


@pytest.mark.parametrize("name", ["fps_at_most", "captured_unix_ns", "ended_unix_ns", "frames"])
@pytest.mark.parametrize("value", ["now", b"5", True, [], float("nan"), object(), 10**30])
def test_what_else_is_no_number_is_refused_by_name(name: str, value: Any) -> None:
    if (name, value) == ("frames", 10**30):
        return
    with pytest.raises(ValueError, match=rf"^CameraInfo\.{name} is .*, and must be "):
        plain_numbers(replace(GOOD, **{name: value}))


@pytest.mark.parametrize("fps", [1e-300, 5e-324, 1e300])
def test_a_rate_that_no_camera_has_is_refused(fps: float) -> None:
    with pytest.raises(
        ValueError, match=r"^CameraInfo\.fps is .*, and must be a number from 1e-06 to 1e\+09"
    ):
        plain_numbers(replace(GOOD, fps=fps))


def test_numbers_of_any_kind_become_pythons_own() -> None:
    numbers: dict[str, Any] = {
        "width": np.int64(48),
        "height": np.uint16(32),
        "fps": np.float32(50),
        "frame_id_cycle": np.uint32(65535),
    }
    plain = plain_numbers(replace(GOOD, **numbers))
    assert plain == replace(GOOD, frame_id_cycle=65535)
    kinds = [type(one) for one in (plain.width, plain.height, plain.fps, plain.frame_id_cycle)]
    assert kinds == [int, int, float, int]
    third: Any = Fraction(100, 3)
    assert plain_numbers(replace(GOOD, fps=third)).fps == 100 / 3
    assert plain_numbers(replace(GOOD, fps=None)).fps is None
