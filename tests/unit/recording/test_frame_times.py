"""Frames' own times as a text: what is written is read back, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.recording.frame_times import LONGEST, decode_times, encode_times


@given(st.lists(st.integers(0, 10**12 - 1), min_size=0, max_size=50), st.integers(-500, 500))
def test_times_are_read_back_as_they_were_written(steps: list[int], first: int) -> None:
    since_us = np.cumsum([first, *steps])
    text = encode_times(since_us)
    assert text is not None
    np.testing.assert_array_equal(decode_times(text, len(since_us)), since_us)


def test_times_that_run_backwards_stand_still() -> None:
    text = encode_times(np.array([0, 10, 5, 20]))
    assert text == "0,10,0,10"


def test_times_too_long_for_a_request_are_not_written() -> None:
    assert encode_times(np.arange(LONGEST // 3) * 1000) is None


@given(st.text("0123456789-,. ", max_size=30), st.integers(1, 5))
def test_what_is_no_list_of_so_many_numbers_is_refused(text: str, frames: int) -> None:
    try:
        since_us = decode_times(text, frames)
    except ValueError:
        return
    assert len(since_us) == frames
    assert (np.diff(since_us) >= 0).all()


def test_more_than_fits_a_request_is_not_read() -> None:
    with pytest.raises(ValueError, match="whole numbers of microseconds"):
        decode_times(",".join(["1"] * LONGEST), LONGEST)
