"""What the page shows of a frame's pixels."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from rheed_acquire.system.addresses import may_be_called
from rheed_acquire.view.server.frames import RawFrame, encode_frame, line_profile, pixel_value

PIXELS = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 60)))


@given(PIXELS, st.data())
def test_a_profile_along_a_row_or_column_is_the_pixels_themselves(
    pixels: NDArray[np.uint8], data: st.DataObject
) -> None:
    height, width = pixels.shape
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    frame = RawFrame(pixels, 0, None)
    assert np.array_equal(line_profile(frame, (0, row, width - 1, row)), pixels[row])
    assert np.array_equal(line_profile(frame, (width - 1, row, 0, row)), pixels[row, ::-1])
    assert np.array_equal(line_profile(frame, (column, 0, column, height - 1)), pixels[:, column])


@given(PIXELS, st.tuples(*[st.integers(0, 99)] * 4))
def test_any_profile_begins_at_its_first_end_and_stays_within_the_pixels(
    pixels: NDArray[np.uint8], ends: tuple[int, int, int, int]
) -> None:
    height, width = pixels.shape
    profile = line_profile(RawFrame(pixels, 0, None), ends)
    assert profile[0] == pixels[min(ends[1], height - 1), min(ends[0], width - 1)]
    assert profile.min() >= float(pixels.min()) - 1e-3
    assert profile.max() <= float(pixels.max()) + 1e-3


def test_a_sloping_profile_of_a_plane_is_that_plane() -> None:
    y, x = np.mgrid[:50, :50]
    frame = RawFrame((2 * x + 3 * y).astype(np.uint8), 0, None)
    profile = line_profile(frame, (0, 0, 40, 30))
    along = np.arange(51)
    assert np.allclose(profile, 2 * along * 0.8 + 3 * along * 0.6, atol=1e-4)


def test_a_pixel_outside_the_frame_has_no_value() -> None:
    frame = RawFrame(np.arange(6, dtype=np.uint8).reshape(2, 3), 0, None)
    assert pixel_value(frame, 2, 1) == 5
    assert pixel_value(frame, 3, 1) is None


@given(PIXELS)
def test_saturated_pixels_are_marked_exactly(pixels: NDArray[np.uint8]) -> None:
    message = encode_frame(RawFrame(pixels, 7, 1.5))
    (header_bytes,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + header_bytes])
    rest = message[4 + header_bytes :]
    picture, mask = rest[: header["picture_bytes"]], rest[header["picture_bytes"] :]
    assert Image.open(io.BytesIO(picture)).size == pixels.shape[::-1]
    assert header["saturated"] == np.count_nonzero(pixels == 255)
    marked = np.asarray(Image.open(io.BytesIO(mask))) if mask else np.zeros(pixels.shape, bool)
    assert np.array_equal(marked, pixels == 255)


@pytest.mark.parametrize(
    ("host", "listening_on", "may"),
    [
        ("localhost", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("[::1]", "127.0.0.1", True),
        ("192.168.0.5", "127.0.0.1", False),
        ("evil.example", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("192.168.0.5", "0.0.0.0", True),
        ("lab-pc.example", "lab-pc.example", True),
        ("evil.example", "0.0.0.0", False),
    ],
)
def test_a_host_may_be_called_by_its_own_names_only(host: str, listening_on: str, may: bool) -> None:
    assert may_be_called(host, listening_on) is may


def test_a_deep_frame_is_shown_in_8_bits_and_its_figures_are_the_cameras() -> None:
    pixels = np.full((20, 30), 1000, np.uint16)
    pixels[2, 3], pixels[4, 5] = 4095, 4094
    frame = RawFrame(pixels, 7, None, bits=12, shift=4)
    message = encode_frame(frame)
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + length])
    assert (header["darkest"], header["brightest"], header["top"], header["level"]) == (1000, 4095, 4095, 16)
    assert header["saturated"] == 1
    picture = np.asarray(Image.open(io.BytesIO(message[4 + length :][: header["picture_bytes"]])))
    assert abs(int(picture[15, 20]) - (1000 >> 4)) <= 2
    assert (pixel_value(frame, 3, 2), pixel_value(frame, 0, 0)) == (4095, 1000)
    assert line_profile(frame, (0, 10, 20, 10)).tolist() == [1000.0] * 21
