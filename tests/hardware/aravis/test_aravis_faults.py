"""A camera that goes away, falls silent, or belongs to another program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.hardware.aravis.fake_gige import FakeGige

from rheed_acquire import CameraError, CameraLostError

if TYPE_CHECKING:
    from tests.hardware.aravis.conftest import Cameras


def test_a_camera_that_is_unplugged_is_lost_once_and_opens_again(gige: FakeGige, cameras: Cameras) -> None:
    camera = cameras.open()
    taken = cameras.start(camera)
    taken.wait_for_frames(5)
    gige.unplug()
    taken.wait_for(lambda: taken.faults)
    camera.close()
    gige.plug_in()
    again = cameras.open()
    more = cameras.start(again)
    more.wait_for_frames(5)
    again.stop()
    assert [type(fault) for fault in taken.faults] == [CameraLostError]
    assert "is gone" in str(taken.faults[0])


def test_one_that_comes_back_at_once_as_another_program_would_take_it_is_lost(
    gige: FakeGige, cameras: Cameras
) -> None:
    camera = cameras.open()
    taken = cameras.start(camera)
    taken.wait_for_frames(5)
    gige.unplug()
    gige.plug_in()  # it answers, and does not know who controls it
    taken.wait_for(lambda: taken.faults)
    assert isinstance(taken.faults[0], CameraLostError)


def test_one_that_is_silent_for_a_moment_goes_on(gige: FakeGige, cameras: Cameras) -> None:
    camera = cameras.open()
    taken = cameras.start(camera)
    taken.wait_for_frames(5)
    gige.freeze()
    try:
        time.sleep(1.0)
    finally:
        gige.thaw()
    taken.wait_for_frames(20)
    camera.stop()
    assert not taken.faults


def test_one_that_another_program_controls_is_refused_with_what_to_do(
    gige: FakeGige, cameras: Cameras
) -> None:
    first = cameras.open()
    with pytest.raises(CameraError, match=r"GV-4711.* cannot be opened: .*Close any other program"):
        cameras.open()
    taken = cameras.start(first)
    taken.wait_for_frames(3)  # it goes on for whom it belongs to
    first.stop()
    assert not taken.faults
