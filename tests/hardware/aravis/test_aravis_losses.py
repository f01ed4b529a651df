"""Packets that get lost: what is lost is what Aravis counts, and everything else is as the camera sent it."""

from __future__ import annotations

import pytest
from tests.hardware.aravis.campaign import take
from tests.hardware.aravis.fake_gige import FakeGige

SECONDS = 2.0


@pytest.mark.parametrize("resend", [True, False])
def test_frames_lost_are_those_that_aravis_counts(resend: bool) -> None:
    with FakeGige(lost_per_thousand=10.0):
        outcome = take(SECONDS, packet_resend=resend)
    assert outcome.faults() == []
    assert outcome.frames
    assert outcome.counted["failures"] > 0
    assert outcome.counted["frames_lost"] > 0


def test_at_the_highest_rate_each_frame_is_as_the_camera_sent_it() -> None:
    with FakeGige():
        outcome = take(SECONDS)
    assert outcome.faults() == []
    assert outcome.frames
