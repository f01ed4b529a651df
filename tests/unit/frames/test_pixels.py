"""Every format against a reference that is slow and plain: Python integers, one pixel at a time."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.frames.plain_pixels import (
    CONTAINERS,
    MOSAICS,
    PACKED,
    POISON,
    Gray,
    luma,
    luma_of_mosaic,
    narrowed,
    packed,
)

from rheed_acquire.cameras.pixel_formats import SUPPORTED_FORMATS, find_pixel_format, frame_layout
from rheed_acquire.frames.pixels import make_converter, make_leveller


def convert(
    pixel_format: str, source: NDArray[Any], height: int, width: int, bit_shift: int | None = None
) -> Gray:
    """Convert into the middle of three slots; its neighbours and the source must stay as they were."""
    ring = np.full((3, height, width), POISON, np.uint8)
    before = source.copy()
    source.flags.writeable = False
    make_converter(pixel_format, height, width, bit_shift)(source, ring[1])
    assert np.all(ring[0] == POISON)
    assert np.all(ring[2] == POISON)
    assert np.array_equal(source, before)
    rows: Gray = ring[1].tolist()
    return rows


sizes = st.tuples(st.integers(1, 9), st.integers(1, 13))


def samples_of(size: tuple[int, int], top: int) -> st.SearchStrategy[list[int]]:
    count = size[0] * size[1]
    values = st.one_of(st.integers(0, top), st.sampled_from([0, 1, 255, min(256, top), top - 1, top]))
    return st.lists(values, min_size=count, max_size=count)


@st.composite
def strided(draw: st.DrawFn, pixels: NDArray[Any]) -> NDArray[Any]:
    """The same pixels as a driver may hand them out: dense, with padded rows, or upside down."""
    match draw(st.sampled_from(["dense", "padded", "flipped"])):
        case "padded":
            roomy = np.full((pixels.shape[0], pixels.shape[1] + 3, *pixels.shape[2:]), POISON, pixels.dtype)
            roomy[:, : pixels.shape[1]] = pixels
            return roomy[:, : pixels.shape[1]]
        case "flipped":
            return pixels[::-1].copy()[::-1]
    return pixels


@given(st.data())
def test_mono8_arrives_as_it_is(data: st.DataObject) -> None:
    height, width = size = data.draw(sizes)
    samples = data.draw(samples_of(size, 255))
    pixels = np.array(samples, np.uint8).reshape(size)
    assert convert("Mono8", data.draw(strided(pixels)), height, width) == pixels.tolist()


@given(st.data())
def test_samples_in_16_bit_containers_are_shifted_and_saturate(data: st.DataObject) -> None:
    name, bits = data.draw(st.sampled_from(sorted(CONTAINERS.items())))
    height, width = size = data.draw(sizes)
    # Also what the format does not allow: a camera that sets bits above its depth must not look dark.
    top = data.draw(st.sampled_from([2**bits - 1, 0xFFFF]))
    samples = data.draw(samples_of(size, top))
    bit_shift = data.draw(st.none() | st.integers(0, bits - 1))
    pixels = data.draw(strided(np.array(samples, "<u2").reshape(size)))
    shift = bits - 8 if bit_shift is None else bit_shift
    assert convert(name, pixels, height, width, bit_shift) == narrowed(samples, width, shift)


@given(st.data())
def test_packed_samples_are_found_at_every_bit_position(data: st.DataObject) -> None:
    name, bits = data.draw(st.sampled_from(sorted(PACKED.items())))
    height, width = size = data.draw(sizes)
    samples = data.draw(samples_of(size, 2**bits - 1))
    bit_shift = data.draw(st.none() | st.integers(0, bits - 1))
    payload = packed(name, samples)
    if data.draw(st.booleans()):
        payload = np.repeat(payload, 2)[::2]
    shift = bits - 8 if bit_shift is None else bit_shift
    assert convert(name, payload, height, width, bit_shift) == narrowed(samples, width, shift)


@given(st.data())
def test_colour_becomes_luma(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["RGB8", "BGR8", "RGB8Packed", "BGR8Packed"]))
    height, width = size = data.draw(sizes)
    colours = [data.draw(samples_of(size, 255)) for _ in range(3)]
    expected = [luma(red, green, green, blue) for red, green, blue in zip(*colours, strict=True)]
    planes = colours if name.startswith("RGB") else colours[::-1]
    pixels = data.draw(strided(np.array(planes, np.uint8).T.reshape(height, width, 3).copy()))
    gray = convert(name, pixels, height, width)
    assert gray == narrowed(expected, width, 0)
    for red, green, blue, value in zip(*colours, itertools.chain(*gray), strict=True):
        assert abs(0.299 * red + 0.587 * green + 0.114 * blue - value) < 1.2


@given(st.data())
def test_a_bayer_pixel_becomes_the_luma_of_its_2_x_2_neighbourhood(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(MOSAICS)))
    height, width = size = data.draw(st.tuples(st.integers(2, 7), st.integers(2, 9)))
    mosaic = np.array(data.draw(samples_of(size, 255)), np.uint8).reshape(size)
    expected = luma_of_mosaic(name, mosaic)
    assert convert(name, data.draw(strided(mosaic)), height, width) == narrowed(expected, width, 0)


@given(colour=st.tuples(*[st.integers(0, 255)] * 3), name=st.sampled_from(sorted(MOSAICS)))
def test_a_scene_of_one_colour_is_as_gray_through_a_mosaic_as_in_rgb(
    colour: tuple[int, int, int], name: str
) -> None:
    seen = dict(zip("RGB", colour, strict=True))
    mosaic = np.array([[seen[MOSAICS[name][y % 2][x % 2]] for x in range(7)] for y in range(5)], np.uint8)
    full = np.full((5, 7, 3), colour, np.uint8)
    assert convert(name, mosaic, 5, 7) == convert("RGB8", full, 5, 7)


@given(st.data())
def test_deep_colour_becomes_luma_at_full_depth_before_it_is_shifted(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from([f"{order}{bits}" for order in ("RGB", "BGR") for bits in (10, 12, 14, 16)])
    )
    bits = int(name[3:])
    height, width = size = data.draw(sizes)
    colours = [data.draw(samples_of(size, 2**bits - 1)) for _ in range(3)]
    bit_shift = data.draw(st.none() | st.integers(0, bits - 1))
    expected = [luma(red, green, green, blue) for red, green, blue in zip(*colours, strict=True)]
    planes = colours if name.startswith("RGB") else colours[::-1]
    pixels = data.draw(strided(np.array(planes, "<u2").T.reshape(height, width, 3).copy()))
    shift = bits - 8 if bit_shift is None else bit_shift
    assert convert(name, pixels, height, width, bit_shift) == narrowed(expected, width, shift)
    levels = np.zeros(size, "<u2")
    make_leveller(name, height, width)(pixels, levels)
    assert levels.reshape(-1).tolist() == expected


@given(st.data())
def test_a_deep_mosaic_becomes_luma_at_full_depth_before_it_is_shifted_packed_or_not(
    data: st.DataObject,
) -> None:
    tile = data.draw(st.sampled_from(sorted(MOSAICS)))[:7]
    end, bits = data.draw(
        st.sampled_from(
            [("10", 10), ("12", 12), ("14", 14), ("16", 16), ("10p", 10), ("12p", 12), ("12Packed", 12)]
        )
    )
    name = tile + end
    height, width = size = data.draw(st.tuples(st.integers(2, 7), st.integers(2, 9)))
    samples = data.draw(samples_of(size, 2**bits - 1))
    mosaic = np.array(samples, "<u2").reshape(size)
    source = packed(f"Mono{end}", samples) if find_pixel_format(name).is_packed else mosaic
    bit_shift = data.draw(st.none() | st.integers(0, bits - 1))
    shift = bits - 8 if bit_shift is None else bit_shift
    expected = luma_of_mosaic(name, mosaic)
    assert convert(name, source.copy(), height, width, bit_shift) == narrowed(expected, width, shift)
    levels = np.zeros(size, "<u2")
    make_leveller(name, height, width)(source, levels)
    assert levels.reshape(-1).tolist() == expected


@pytest.mark.parametrize("name", ["RGB8", "BGR8"])
def test_gray_stays_gray_at_every_level(name: str) -> None:
    levels = np.arange(256, dtype=np.uint8)
    pixels = np.repeat(levels, 3).reshape(1, 256, 3)
    assert convert(name, pixels, 1, 256) == [levels.tolist()]


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        # Pixels 0x123 and 0xABC in the two ways of twelve bits.
        ("Mono12p", [0x23, 0xC1, 0xAB], [0x12, 0xAB]),
        ("Mono12Packed", [0x12, 0xC3, 0xAB], [0x12, 0xAB]),
        # Pixels 0x001, 0x3FF, 0x000, 0x200, which begin at bits 0, 10, 20 and 30.
        ("Mono10p", [0x01, 0xFC, 0x0F, 0x00, 0x80], [0x00, 0xFF, 0x00, 0x80]),
    ],
)
def test_packed_examples_written_out_by_hand(name: str, payload: list[int], expected: list[int]) -> None:
    assert convert(name, np.array(payload, np.uint8), 1, len(expected)) == [expected]


@pytest.mark.parametrize(("name", "bits"), sorted((CONTAINERS | PACKED).items()))
def test_every_value_of_a_sample_is_right_with_every_shift(name: str, bits: int) -> None:
    values = list(range(2**bits))
    source = np.array([values], "<u2") if name in CONTAINERS else packed(name, values)
    for shift in range(0, bits, 2):
        assert convert(name, source, 1, len(values), shift) == narrowed(values, len(values), shift)


@pytest.mark.parametrize(("name", "bits"), sorted((CONTAINERS | PACKED).items()))
def test_a_frame_whose_brightest_pixel_just_exceeds_255_saturates_there(name: str, bits: int) -> None:
    for shift in range(bits - 8):
        values = [0, 255 << shift, 256 << shift]
        source = np.array([values], "<u2") if name in CONTAINERS else packed(name, values)
        assert convert(name, source, 1, 3, shift) == [[0, 255, 255]]


@pytest.mark.parametrize(("name", "bits"), sorted(PACKED.items()))
def test_a_packed_pixel_is_bright_or_dark_for_itself_wherever_in_its_group_it_lies(
    name: str, bits: int
) -> None:
    dark, bright = 0, 2**bits - 1
    for alone, others in ((dark, bright), (bright, dark)):
        for place, count in itertools.product(range(8), range(8, 12)):
            values = [others] * count
            values[place] = alone
            for shift in (0, bits - 9, bits - 8, bits - 1):
                expected = narrowed(values, count, shift)
                assert convert(name, packed(name, values), 1, count, shift) == expected


@pytest.mark.parametrize(("name", "bits"), sorted((CONTAINERS | PACKED).items()))
def test_a_frame_of_many_rows_is_right_to_its_last_pixel_with_every_shift(name: str, bits: int) -> None:
    height, width = 67, 101
    values = np.random.default_rng(bits).integers(0, 2**bits, height * width).tolist()
    source = np.array(values, "<u2").reshape(height, width) if name in CONTAINERS else packed(name, values)
    for shift in range(bits):
        assert convert(name, source, height, width, shift) == narrowed(values, width, shift)


@pytest.mark.parametrize("name", SUPPORTED_FORMATS)
def test_no_memory_of_a_frames_size_is_taken_for_a_frame(name: str) -> None:
    height, width = 600, 1000
    shape, dtype = frame_layout(name, height, width)
    source, slot = (
        np.full(shape, 0xFF if dtype == np.uint8 else 0xFFFF, dtype),
        np.empty((height, width), "u1"),
    )
    for bit_shift in (None, 0):
        convert_frame = make_converter(name, height, width, bit_shift)
        tracemalloc.start()
        try:
            convert_frame(source, slot)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < height * width // 2
        assert np.all(slot == 255)


@pytest.mark.parametrize("name", sorted(PACKED))
def test_pylon_agrees_on_the_packed_layouts(name: str) -> None:
    pylon = pytest.importorskip("pypylon.pylon", reason="pypylon, whose converter is asked, is not installed")
    if name == "Mono12Packed":
        pixel_type = pylon.PixelType_Mono12packed
    else:
        pixel_type = getattr(pylon, f"PixelType_{name}")
    height, width = 6, 32
    shape, _ = frame_layout(name, height, width)
    payload = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)
    image = pylon.PylonImage()
    image.AttachMemoryView(payload.data, pixel_type, width, height, 0)
    converter = pylon.ImageFormatConverter()
    converter.OutputPixelFormat = pylon.PixelType_Mono8
    theirs = converter.Convert(image).GetArray().tolist()
    assert convert(name, payload, height, width) == theirs


def test_one_converter_keeps_nothing_of_an_earlier_frame() -> None:
    for name in SUPPORTED_FORMATS:
        bits = find_pixel_format(name).bits
        shape, dtype = frame_layout(name, 5, 7)
        convert_frame = make_converter(name, 5, 7, 0 if bits > 8 else None)
        bright = np.full(shape, 0xFF if dtype == np.uint8 else 2**bits - 1, dtype)
        dark = np.zeros(shape, dtype)
        slot = np.full((5, 7), POISON, np.uint8)
        for frame, level in ((bright, 255), (dark, 0), (bright, 255)):
            convert_frame(frame, slot)
            assert np.all(slot == level), name
