"""Which rate a stream declares, and how long its chunks are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire import CameraInfo, DeviceInfo, SettingsError
from rheed_acquire.clocks.cadence import decide_chunk_size, decide_fps
from rheed_acquire.frames.ring_size import decide_ring_chunks
from rheed_acquire.system.memory import total_memory


def camera(fps: float | None, limit: str | None = None) -> CameraInfo:
    return CameraInfo(DeviceInfo("test", serial="1"), 8, 4, "Mono8", fps, fps_limited_by=limit)


@given(st.floats(1e-3, 1e5), st.none() | st.floats(2, 60))
def test_a_chunk_is_as_long_as_asked_for_and_never_shorter_than_two_seconds(
    fps: float, seconds: float | None
) -> None:
    frames = decide_chunk_size(fps, None, seconds)
    assert frames >= (seconds or 2) * fps > frames - 1


def test_a_chunk_size_below_two_seconds_is_refused_with_the_least_that_is_possible() -> None:
    assert decide_chunk_size(120, 240, None) == 240
    with pytest.raises(SettingsError, match=r"--chunk-size 239 .* at least 240 "):
        decide_chunk_size(120, 239, None)


def test_without_a_wish_the_stream_declares_what_the_camera_really_does() -> None:
    assert decide_fps(camera(96.97), None, 0.01) == 96.97


@given(st.floats(1, 1e4), st.floats(-0.009, 0.009))
def test_a_real_rate_within_the_tolerance_leaves_the_declared_one(asked: float, off: float) -> None:
    assert decide_fps(camera(asked * (1 + off)), asked, 0.01) == asked


def test_a_real_rate_beyond_the_tolerance_is_an_error_that_says_what_limits_it() -> None:
    with pytest.raises(SettingsError, match=r"delivers 96\.97, limited by the exposure time of 10000 us"):
        decide_fps(camera(96.97, "the exposure time of 10000 us"), 120.0, 0.01)
    assert decide_fps(camera(96.97), 120.0, 0.2) == 120.0


def test_a_triggered_camera_needs_to_be_told_the_rate() -> None:
    with pytest.raises(SettingsError, match="--fps"):
        decide_fps(camera(None), None, 0.01)
    assert decide_fps(camera(None), 30.0, 0.01) == 30.0


def test_a_bound_is_declared_by_nobody_and_holds_for_what_is_asked_for() -> None:
    limit = "the exposure time of 200 us"
    bounded = replace(camera(None, limit), fps_at_most=5000.0)
    with pytest.raises(SettingsError, match=r"\(at most 5000 frames/s, by the exposure time of 200 us\)"):
        decide_fps(bounded, None, 0.01)
    assert decide_fps(bounded, 60.0, 0.01) == 60.0
    with pytest.raises(SettingsError, match=r"asks for 6000 .* delivers at most 5000, limited by"):
        decide_fps(bounded, 6000.0, 0.01)


@pytest.mark.parametrize(("measured", "declared"), [(102.964, 100.0), (98.0, 98.0)])
def test_what_was_measured_is_asked_for_by_nobody_and_declared_up_to_the_bound(
    measured: float, declared: float
) -> None:
    bounded = replace(camera(None, "the exposure time of 10000 us"), fps_at_most=100.0)
    assert decide_fps(bounded, None, 0.01, measured) == declared
    assert decide_fps(camera(None), None, 0.01, measured) == measured
    assert decide_fps(camera(60.0), None, 0.01, measured) == 60.0


def test_a_ring_of_more_than_half_of_the_memory_is_refused_unless_a_limit_allows_it() -> None:
    total = total_memory()
    if total is None:
        pytest.skip("this system does not tell how much memory it has")
    frames = total // 10_000_000  # of 10 MB each, four times as many: four times the memory
    with pytest.raises(SettingsError, match=r"more than half of this computer's .*--fps"):
        decide_ring_chunks(None, None, frames, 2500, 4000)
    assert decide_ring_chunks(None, 4 * total / 1e9, frames, 2500, 4000) >= 2
    assert decide_ring_chunks(None, None, 240, 300, 500) == 4
