"""The lines of a GenICam camera while it streams, on the mock GenTL producer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from rheed_acquire import CameraError, CameraSettingError

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam

DEADLINE_S = 30.0


def test_a_line_is_seen_to_go_up_and_down_while_frames_come_and_none_is_lost(genicam: Genicam) -> None:
    camera, recorder = genicam.open(), genicam.recorder()
    assert camera.line_is_high("line1") is False  # nothing is wired to it
    camera.close()
    camera = genicam.open(features={"LineGeneratorFrequency": 20.0})
    camera.start(recorder.on_frame, recorder.on_fault)
    deadline = time.monotonic() + DEADLINE_S
    seen: list[bool] = []
    while len(seen) < 4:
        assert time.monotonic() < deadline
        is_high = camera.line_is_high("Line1")
        if seen[-1:] != [is_high]:
            seen.append(is_high)
    recorder.wait_for_frames(len(recorder.ids) + 5)
    camera.stop()
    assert recorder.ids == list(range(recorder.ids[0], recorder.ids[0] + len(recorder.ids)))
    assert not recorder.faults
    with pytest.raises(CameraSettingError, match="has no line Line2: it has Line1"):
        camera.line_is_high("Line2")
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.line_is_high("Line1")


def test_a_camera_without_a_selector_tells_of_no_line(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_GENTL_RENAME", "LineSelector=PinSelector")
    with pytest.raises(CameraSettingError, match="tells of no line: it has no feature LineSelector"):
        genicam.open().line_is_high("Line1")
