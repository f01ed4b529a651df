"""What a decoded picture becomes: luma as it comes, with its depth, and colours in their order."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hardware.video.taking import taking

from rheed_acquire import CameraSettingError
from rheed_acquire.cameras.pixel_formats import frame_layout
from rheed_acquire_video.pictures import picture_form

sizes = st.tuples(st.integers(1, 40).map(lambda n: 2 * n), st.integers(1, 40).map(lambda n: 2 * n))

LUMA = {
    # The name in PFNC, bytes of a sample, bytes to the next one, where the first is, and how far to shift.
    "gray": ("Mono8", 1, 1, 0, 0),
    "yuv420p": ("Mono8", 1, 1, 0, 0),
    "yuvj422p": ("Mono8", 1, 1, 0, 0),
    "yuv444p": ("Mono8", 1, 1, 0, 0),
    "nv12": ("Mono8", 1, 1, 0, 0),
    "nv21": ("Mono8", 1, 1, 0, 0),
    "yuyv422": ("Mono8", 1, 2, 0, 0),
    "yvyu422": ("Mono8", 1, 2, 0, 0),
    "uyvy422": ("Mono8", 1, 2, 1, 0),
    "ya8": ("Mono8", 1, 2, 0, 0),
    "gray10le": ("Mono10", 2, 2, 0, 0),
    "gray12le": ("Mono12", 2, 2, 0, 0),
    "gray16le": ("Mono16", 2, 2, 0, 0),
    "yuv420p10le": ("Mono10", 2, 2, 0, 0),
    "yuv422p12le": ("Mono12", 2, 2, 0, 0),
    "p010le": ("Mono10", 2, 2, 0, 6),
    "y210le": ("Mono10", 2, 4, 0, 6),
    "bayer_rggb8": ("BayerRG8", 1, 1, 0, 0),
}
COLOURS = {
    "rgb24": ("RGB8", 3, 0),
    "bgr24": ("BGR8", 3, 0),
    "rgb0": ("RGB8", 4, 0),
    "bgr0": ("BGR8", 4, 0),
    "bgra": ("BGR8", 4, 0),
    "0rgb": ("RGB8", 4, 1),
    "abgr": ("BGR8", 4, 1),
}


def filled(name: str, width: int, height: int, seed: int) -> tuple[av.VideoFrame, list[bytes]]:
    """Make a picture of random bytes; with the rows of its first plane."""
    frame = av.VideoFrame(width, height, name)
    plane = frame.planes[0]
    data = np.random.default_rng(seed).integers(0, 256, plane.buffer_size, np.uint8).tobytes()
    plane.update(data)
    step = plane.line_size
    return frame, [data[start : start + step] for start in range(0, height * step, step)]


@pytest.mark.parametrize("name", LUMA)
@settings(max_examples=15)
@given(size=sizes, seed=st.integers(0, 1000))
def test_luma_is_taken_as_it_comes_with_all_its_bits(name: str, size: tuple[int, int], seed: int) -> None:
    width, height = size
    pixel_format, sample, step, first, shift = LUMA[name]
    frame, rows = filled(name, width, height, seed)
    form = picture_form(frame)
    taken = form.view(frame)
    expected = [
        [
            int.from_bytes(row[start : start + sample], "little") >> shift
            for start in range(first, first + width * step, step)
        ]
        for row in rows
    ]
    assert form.pixel_format == pixel_format
    assert (taken.shape, taken.dtype) == frame_layout(pixel_format, height, width)
    assert taken.tolist() == expected


@pytest.mark.parametrize("name", COLOURS)
@settings(max_examples=15)
@given(size=sizes, seed=st.integers(0, 1000))
def test_colours_are_taken_in_their_order(name: str, size: tuple[int, int], seed: int) -> None:
    width, height = size
    pixel_format, step, first = COLOURS[name]
    frame, rows = filled(name, width, height, seed)
    form = picture_form(frame)
    expected = [
        [list(row[start : start + 3]) for start in range(first, first + width * step, step)] for row in rows
    ]
    assert form.pixel_format == pixel_format
    assert form.view(frame).tolist() == expected


@pytest.mark.parametrize("name", ["gray16be", "gray12be", "yuv420p10be"])
def test_samples_with_the_high_byte_first_are_turned(name: str) -> None:
    frame, rows = filled(name, 32, 8, 3)
    taken = picture_form(frame).view(frame)
    assert taken.dtype == np.dtype("<u2")
    assert taken.tolist() == [
        [int.from_bytes(row[at : at + 2], "big") for at in range(0, 64, 2)] for row in rows
    ]


@pytest.mark.parametrize(
    ("name", "pixel_format"),
    [("rgb565le", "RGB8"), ("gbrp", "RGB8"), ("pal8", "RGB8"), ("rgb48le", "Mono16"), ("gbrp12le", "Mono16")],
)
def test_other_pictures_are_brought_to_what_can_be_read(name: str, pixel_format: str) -> None:
    frame, _ = filled(name, 32, 8, 4)
    form = picture_form(frame)
    assert form.pixel_format == pixel_format
    taken = form.view(frame)
    assert (taken.shape, taken.dtype) == frame_layout(pixel_format, 8, 32)
    assert name in form.levels


def test_a_deep_mosaic_is_refused_with_what_can_be_read() -> None:
    with pytest.raises(CameraSettingError, match="bayer_rggb8"):
        picture_form(av.VideoFrame(32, 8, "bayer_rggb16le"))


@pytest.mark.parametrize(("name", "black", "white"), [("yuv420p", 16, 235), ("yuv420p10le", 64, 940)])
def test_the_limited_range_is_kept_and_told(name: str, black: int, white: int) -> None:
    graph = f"lavfi:nullsrc=size=32x16:rate=100,format={name},geq=lum={white}:cb=128:cr=128,realtime"
    with taking(source=graph) as taken:
        taken.wait_for_frames(2)
    assert set(np.unique(taken.pixels[0])) == {white}
    assert f"black is {black}, white {white}" in dict(taken.camera.info.notes)["levels"]


@pytest.mark.parametrize(
    ("name", "bits"), [("gray", 8), ("gray10le", 10), ("gray12le", 12), ("yuv422p10le", 10)]
)
def test_a_source_keeps_its_depth_from_end_to_end(name: str, bits: int) -> None:
    """The picture's number is written over the whole depth, in steps that 8 bits could not show."""
    top = 2**bits - 1
    graph = (
        f"lavfi:nullsrc=size=32x16:rate=100,format={name},geq=lum='mod(N*7+X,{top + 1})':cb=0:cr=0,realtime"
    )
    with taking(source=graph) as taken:
        taken.wait_for_frames(10)
    assert taken.camera.info.pixel_format == f"Mono{bits}"
    numbers = []
    for pixels in taken.pixels:
        row = pixels[0].astype(int)
        assert np.array_equal(row, (row[0] + np.arange(32)) % (top + 1))
        numbers.append(row[0])
    assert set(np.diff(numbers) % (top + 1)) == {7}


def test_a_region_of_interest_is_cut_out_of_the_picture() -> None:
    graph = "lavfi:nullsrc=size=64x32:rate=100,format=gray,geq=lum='X+4*Y',realtime"
    with taking(source=graph, width=20, height=5, offset_x=30, offset_y=10) as taken:
        taken.wait_for_frames(2)
    columns, rows = np.meshgrid(np.arange(30, 50), np.arange(10, 15))
    assert np.array_equal(taken.pixels[0], columns + 4 * rows)


@pytest.mark.parametrize("region", [{"width": 65}, {"offset_x": 64}, {"height": 30, "offset_y": 3}])
def test_a_region_outside_of_the_picture_is_refused_with_its_size(region: dict[str, int]) -> None:
    with (
        pytest.raises(CameraSettingError, match="not within pictures of 64 x 32"),
        taking(source="lavfi:testsrc2=size=64x32:rate=100,format=gray,realtime", **region),
    ):
        pass


def test_test_pictures_that_end_are_an_end_and_no_fault() -> None:
    from rheed_acquire import CameraEndedError

    graph = "lavfi:testsrc2=size=64x32:rate=100:duration=1,format=gray,realtime"
    with taking(source=graph) as taken:
        assert isinstance(taken.wait_for_fault(), CameraEndedError)


def test_the_fields_of_a_picture_become_frames_of_half_its_height_at_twice_its_rate() -> None:
    graph = "lavfi:nullsrc=size=32x16:rate=50,format=gray,geq=lum='40+100*mod(Y,2)+mod(N,30)',realtime"
    with taking(source=graph, deinterlace="fields", field_order="top") as taken:
        taken.wait_for_frames(10)
    info = taken.camera.info
    assert (info.width, info.height, info.fps) == (32, 8, 100.0)
    assert all(np.ptp(pixels) == 0 for pixels in taken.pixels)
    values = [int(pixels[0, 0]) for pixels in taken.pixels]
    upper, lower = values[0::2], values[1::2]
    if upper[0] > lower[0]:  # taken from the second field of a picture on
        upper, lower = lower, upper[1:]
    assert all(value < 80 for value in upper)
    assert all(value >= 140 for value in lower)
    known = [stamp for stamp in taken.stamps if stamp is not None]
    assert set(np.diff(known)) == {10_000_000}


@pytest.mark.parametrize(("order", "first"), [("top", 40), ("bottom", 140)])
def test_the_field_that_was_taken_first_comes_first(order: str, first: int) -> None:
    graph = "lavfi:nullsrc=size=32x16:rate=50,format=gray,geq=lum='40+100*mod(Y,2)',realtime"
    with taking(source=graph, deinterlace="fields", field_order=order) as taken:
        taken.wait_for_frames(6)
    # A picture's first field has the picture's own time.
    of_pictures = [
        int(pixels[0, 0])
        for pixels, stamp in zip(taken.pixels, taken.stamps, strict=True)
        if stamp is not None and stamp % 20_000_000 == 0
    ]
    assert set(of_pictures) == {first}


def test_interpolated_pictures_keep_their_height_and_rate() -> None:
    graph = "lavfi:testsrc2=size=32x16:rate=50,format=gray,realtime"
    with taking(source=graph, deinterlace="interpolate") as taken:
        taken.wait_for_frames(5)
    info = taken.camera.info
    assert (info.width, info.height, info.fps) == (32, 16, 50.0)
