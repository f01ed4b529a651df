"""Exposure and gain of a camera that Aravis reaches while it streams, on its fake GigE camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.hardware.aravis.fake_gige import FakeGige, expected_mono8

from rheed_acquire import CameraError, CameraSettingError

if TYPE_CHECKING:
    from tests.hardware.aravis.conftest import Cameras


def test_exposure_and_gain_are_changed_while_frames_come_and_none_is_lost(
    gige: FakeGige, cameras: Cameras
) -> None:
    camera = cameras.open(fps=100.0, exposure_us=5000.0)
    taken = cameras.start(camera)
    taken.wait_for_frames(5)
    assert camera.adjust({"exposure_us": 8000.0, "gain": 2.0}) == {"exposure_us": 8000.0, "gain": 2.0}
    assert camera.adjustable() == {"exposure_us": 8000.0, "gain": 2.0}
    changed = len(taken.ids)
    taken.wait_for_frames(10)
    camera.stop()
    assert not taken.faults
    assert camera.statistics()["frames_lost"] == 0
    for number, pixels in list(zip(taken.ids, taken.pixels, strict=True))[changed + 2 :]:
        np.testing.assert_array_equal(pixels, expected_mono8(number, 64, 48, 8000.0, 2))
    camera.close()
    assert camera.adjustable() == {}
    with pytest.raises(CameraError, match="closed"):
        camera.adjust({"gain": 1.0})


def test_what_the_camera_refuses_leaves_all_as_it_was(gige: FakeGige, cameras: Cameras) -> None:
    camera = cameras.open(fps=100.0, exposure_us=5000.0, gain=1)
    taken = cameras.start(camera)
    taken.wait_for_frames(2)
    for changes, said in (
        ({"exposure_us": 20_000.0}, r"at 100 frames/s it is at most 10000"),
        ({"exposure_us": 6000.0, "gain": 1000.0}, r"gain 1000\.0: GainRaw can be 0 to 10"),
    ):
        with pytest.raises(CameraSettingError, match=said):
            camera.adjust(changes)
        assert camera.adjustable() == {"exposure_us": 5000.0, "gain": 1.0}
    taken.wait_for_frames(5)
    camera.stop()
    assert not taken.faults


def test_a_camera_that_has_no_lines_says_so(gige: FakeGige, cameras: Cameras) -> None:
    with pytest.raises(CameraSettingError, match="tells of no line"):
        cameras.open().line_is_high("Line1")
