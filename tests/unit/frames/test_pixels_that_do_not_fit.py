"""The layout that a frame must have; and formats, shifts, sizes and arrays that do not fit are refused."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.frames.plain_pixels import CONTAINERS, PACKED, POISON

from rheed_acquire.cameras.camera import CameraSettingError
from rheed_acquire.cameras.pixel_formats import (
    SUPPORTED_FORMATS,
    SUPPORTED_IN_WORDS,
    find_pixel_format,
    frame_layout,
)
from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.pixels import make_converter


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("Mono8", (3, 5), "u1"),
        ("BayerGB8", (3, 5), "u1"),
        ("Mono10", (3, 5), "<u2"),
        ("Mono16", (3, 5), "<u2"),
        ("BGR8", (3, 5, 3), "u1"),
        ("RGB12", (3, 5, 3), "<u2"),
        ("BayerGR12", (3, 5), "<u2"),
        ("BayerGR12p", (23,), "u1"),
        ("RGB16Packed", (3, 5, 3), "<u2"),
        ("Mono10p", (19,), "u1"),
        ("Mono12p", (23,), "u1"),
        ("Mono12Packed", (23,), "u1"),
    ],
)
def test_the_layout_of_a_frame_follows_from_its_format(name: str, shape: tuple[int, ...], dtype: str) -> None:
    assert frame_layout(name, 3, 5) == (shape, np.dtype(dtype))


@pytest.mark.parametrize("name", ["YUV422Packed", "Mono8s", "mono8", "", "Mono10Packed"])
def test_an_unsupported_format_is_refused_with_the_supported_ones(name: str) -> None:
    for refused in (find_pixel_format, lambda name: frame_layout(name, 3, 5)):
        with pytest.raises(CameraSettingError) as caught:
            refused(name)
        assert repr(name) in str(caught.value)
        assert SUPPORTED_IN_WORDS in str(caught.value)
    with pytest.raises(CameraSettingError):
        make_converter(name, 3, 5)


@pytest.mark.parametrize("name", ["Mono8", "RGB8", "BayerRG8"])
def test_8_bit_formats_take_no_shift_but_zero(name: str) -> None:
    make_converter(name, 2, 2, 0)
    for bit_shift in (-1, 1, 8):
        with pytest.raises(SettingsError, match=f"--bit-shift {bit_shift}: {name} "):
            make_converter(name, 2, 2, bit_shift)


@pytest.mark.parametrize(("name", "bits"), sorted((CONTAINERS | PACKED).items()))
def test_a_shift_that_leaves_no_bit_is_refused(name: str, bits: int) -> None:
    for bit_shift in (-1, bits):
        with pytest.raises(SettingsError, match=f"--bit-shift {bit_shift}: {name} has {bits} bits"):
            make_converter(name, 2, 2, bit_shift)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_a_frame_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no pixels"):
        make_converter("Mono8", *size)


@pytest.mark.parametrize("size", [(1, 5), (5, 1)])
def test_a_bayer_frame_too_small_for_all_colours_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CameraSettingError, match="at least 2 x 2"):
        make_converter("BayerRG8", *size)


@pytest.mark.parametrize("name", SUPPORTED_FORMATS)
def test_a_source_of_another_shape_or_type_is_refused_and_nothing_written(name: str) -> None:
    shape, dtype = frame_layout(name, 6, 4)
    slot = np.full((6, 4), POISON, np.uint8)
    convert_frame = make_converter(name, 6, 4)
    wrong = [
        np.zeros((shape[0] + 1, *shape[1:]), dtype),
        np.zeros((shape[0] - 1, *shape[1:]), dtype),
        np.zeros((1, *shape), dtype),
        np.zeros(shape, "i1"),
        np.zeros(shape, ">u2"),
        np.zeros(shape, "f4"),
        np.zeros(shape, "u1" if dtype.itemsize == 2 else "<u2"),
    ]
    for source in wrong:
        with pytest.raises(ValueError, match=f"{name} pixels of 4 x 6 must be {dtype}"):
            convert_frame(source, slot)
    assert np.all(slot == POISON)


@pytest.mark.parametrize("name", SUPPORTED_FORMATS)
def test_a_destination_that_is_not_a_slot_is_refused(name: str) -> None:
    source = np.zeros(*frame_layout(name, 6, 4))
    convert_frame = make_converter(name, 6, 4)
    wrong = [
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6), np.uint8).T,
        np.zeros((6, 8), np.uint8)[:, ::2],
        np.zeros((6, 4), np.uint16),
        np.zeros((6, 4), np.int8),
    ]
    for destination in wrong:
        with pytest.raises(ValueError, match="destination must be C-contiguous uint8"):
            convert_frame(source, destination)  # type: ignore[arg-type]
