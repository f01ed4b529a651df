"""What frames hold: pictures of each depth, numbers that begin again, the camera's own time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.hardware.aravis.fake_gige import FakeGige, expected_mono8, expected_mono16

from rheed_acquire import Frame

if TYPE_CHECKING:
    from tests.hardware.aravis.conftest import Cameras


@pytest.mark.parametrize("gain", [0, 3])
def test_8_bits_are_bit_exact(gige: FakeGige, cameras: Cameras, gain: int) -> None:
    camera = cameras.open(width=101, height=33, gain=gain)
    taken = cameras.start(camera)
    taken.wait_for_frames(10)
    camera.stop()
    for number, pixels in zip(taken.ids, taken.pixels, strict=True):
        np.testing.assert_array_equal(pixels, expected_mono8(number, 101, 33, 5000.0, gain))


def test_16_bits_are_bit_exact(gige: FakeGige, cameras: Cameras) -> None:
    camera = cameras.open(pixel_format="Mono16", exposure_us=10000.0)
    taken = cameras.start(camera)
    taken.wait_for_frames(10)
    camera.stop()
    for number, pixels in zip(taken.ids, taken.pixels, strict=True):
        np.testing.assert_array_equal(pixels, expected_mono16(number, 64, 48))


@pytest.mark.parametrize(
    ("pixel_format", "shape"),
    [("RGB8", (48, 64, 3)), ("BayerRG8", (48, 64)), ("BayerGB8", (48, 64))],
)
def test_colours_have_the_shape_of_their_format(
    gige: FakeGige, cameras: Cameras, pixel_format: str, shape: tuple[int, ...]
) -> None:
    camera = cameras.open(pixel_format=pixel_format)
    taken = cameras.start(camera)
    taken.wait_for_frames(2)
    camera.stop()
    assert {(pixels.shape, str(pixels.dtype)) for pixels in taken.pixels} == {(shape, "uint8")}
    assert camera.info.pixel_format == pixel_format


def test_numbers_of_16_bits_begin_again_at_1_as_the_camera_says(gige: FakeGige, cameras: Cameras) -> None:
    gige.unplug()
    gige.plug_in()  # it counts from 65000 or so
    camera = cameras.open(fps=1000.0, width=16, height=16)
    taken = cameras.start(camera)
    taken.wait_for(lambda: taken.ids and taken.ids[-1] < 1000)
    camera.stop()
    cycle = camera.info.frame_id_cycle
    assert cycle == 65535
    assert max(taken.ids) <= cycle
    assert min(taken.ids) >= 1
    steps = [(after - before) % cycle for before, after in pairwise(taken.ids)]
    wrap = next(place for place, number in enumerate(taken.ids) if number < 1000)
    assert sum(steps[:wrap]) == taken.ids[wrap] + cycle - taken.ids[0]
    assert all(0 < step < 1000 for step in steps)


def test_stamps_are_the_cameras_and_go_on(gige: FakeGige, cameras: Cameras) -> None:
    camera = cameras.open()
    stamps: list[int | None] = []
    taken = cameras.start(camera)
    taken.wait_for_frames(1)
    camera.stop()

    def keep(frame: Frame) -> None:
        stamps.append(frame.timestamp_ns)
        taken.on_frame(frame)

    camera.start(keep, taken.on_fault)
    taken.wait_for_frames(20)
    camera.stop()
    known = [stamp for stamp in stamps if stamp is not None]
    assert len(known) == len(stamps)
    assert known == sorted(known)


def test_a_camera_without_a_clock_has_no_stamps(cameras: Cameras) -> None:
    camera = cameras.open(address=None, fake=True, serial="1")
    stamps: set[int | None] = set()
    taken = cameras.start(camera)
    taken.wait_for_frames(1)
    camera.stop()

    def keep(frame: Frame) -> None:
        stamps.add(frame.timestamp_ns)
        taken.on_frame(frame)

    camera.start(keep, taken.on_fault)
    taken.wait_for_frames(5)
    camera.stop()
    assert stamps == {None}


def test_a_software_trigger_paces_the_frames(gige: FakeGige, cameras: Cameras) -> None:
    camera = cameras.open(fps=20.0, trigger="software")
    taken = cameras.start(camera)
    taken.wait_for_frames(5)
    camera.stop()
    assert not taken.faults
    assert camera.info.fps == 20.0
    assert "triggers_missed" in camera.statistics()
