"""The temperature of a GenICam camera, on the mock GenTL producer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam


def test_the_temperature_is_told_before_while_and_after_it_streams_but_not_once_it_is_closed(
    genicam: Genicam,
) -> None:
    camera, recorder = genicam.open(), genicam.recorder()
    assert camera.temperature_c() == 41.5
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(20)
    assert camera.temperature_c() == 41.5
    camera.stop()
    assert camera.temperature_c() == 41.5
    camera.close()
    assert camera.temperature_c() is None
    assert not recorder.faults
