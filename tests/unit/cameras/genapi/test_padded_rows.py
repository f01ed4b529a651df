"""Rows that end in bytes which are no pixels, in every format that is streamed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire import CameraError
from rheed_acquire.cameras.genapi.image_layout import PaddedRows, image_layout
from rheed_acquire.cameras.pixel_formats import SUPPORTED_FORMATS, find_pixel_format


@given(
    pixel_format=st.sampled_from(SUPPORTED_FORMATS),
    width=st.integers(2, 24),
    height=st.integers(2, 6),
    padding=st.integers(1, 17),
    last_is_padded=st.booleans(),
)
def test_padded_rows_give_the_same_pixels_or_one_clear_refusal(
    pixel_format: str, width: int, height: int, padding: int, last_is_padded: bool
) -> None:
    layout = image_layout(pixel_format, width, height)
    if (len(layout.shape) == 1) and width * find_pixel_format(pixel_format).bits % 8:
        with pytest.raises(CameraError, match=r"do not end on whole bytes.* choose a width"):
            PaddedRows(layout, padding)
        return
    plain = np.random.default_rng(width).integers(0, 256, layout.nbytes, np.uint8)
    rows = np.full((height, layout.nbytes // height + padding), 165, np.uint8)
    rows[:, :-padding] = plain.reshape(height, -1)
    sent = rows.tobytes() if last_is_padded else rows.tobytes()[:-padding]
    reader = PaddedRows(layout, padding)
    expected = plain.view(layout.dtype).reshape(layout.shape)
    np.testing.assert_array_equal(reader.read(memoryview(sent)), expected)
    with pytest.raises(
        CameraError, match=f"sent {reader.nbytes - 1} bytes where an image of {width} x {height}"
    ):
        reader.read(memoryview(sent)[: reader.nbytes - 1])
