"""Every format against a reference that is slow and plain: Python integers, one pixel at a time."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import CameraSettingError
from rheed_acquire.cameras.pixel_formats import (
    SUPPORTED_FORMATS,
    SUPPORTED_IN_WORDS,
    find_pixel_format,
    frame_layout,
)
from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.pixels import make_converter, make_leveller

CONTAINERS = {"Mono10": 10, "Mono12": 12, "Mono14": 14, "Mono16": 16}
PACKED = {"Mono10p": 10, "Mono12p": 12, "Mono12Packed": 12}
MOSAICS = {
    "BayerRG8": ("RG", "GB"),
    "BayerGR8": ("GR", "BG"),
    "BayerGB8": ("GB", "RG"),
    "BayerBG8": ("BG", "GR"),
}
POISON = 0xA5

Gray = list[list[int]]


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


def narrowed(samples: Sequence[int], width: int, shift: int) -> Gray:
    flat = [min(sample // 2**shift, 255) for sample in samples]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def packed(pixel_format: str, samples: Sequence[int]) -> NDArray[np.uint8]:
    """Pack as the standards' figures draw it."""
    bits = PACKED[pixel_format]
    size = math.ceil(bits * len(samples) / 8)
    if pixel_format != "Mono12Packed":
        stream = sum(sample << (bits * index) for index, sample in enumerate(samples))
        return np.frombuffer(stream.to_bytes(size, "little"), np.uint8).copy()
    payload: list[int] = []
    for index in range(0, len(samples), 2):
        first = samples[index]
        second = samples[index + 1] if index + 1 < len(samples) else 0
        payload += [first >> 4, (first & 15) | (second & 15) << 4, second >> 4]
    return np.array(payload[:size], np.uint8)


def luma(red: int, green: int, other_green: int, blue: int) -> int:
    return (77 * red + 75 * green + 75 * other_green + 29 * blue + 128) // 256


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


def luma_of_mosaic(name: str, mosaic: NDArray[Any]) -> list[int]:
    """Of each pixel, by the four around it."""
    height, width = mosaic.shape
    tile = MOSAICS[f"{name[:7]}8"]
    expected = []
    for y, x in itertools.product(range(height), range(width)):
        seen: dict[str, list[int]] = {"R": [], "G": [], "B": []}
        top, left = min(y, height - 2), min(x, width - 2)
        for near_y, near_x in itertools.product((top, top + 1), (left, left + 1)):
            seen[tile[near_y % 2][near_x % 2]].append(int(mosaic[near_y, near_x]))
        expected.append(luma(*seen["R"], *seen["G"], *seen["B"]))
    return expected


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
