"""A thread that had to wait and then catches up, in a run that is complete before it has."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.run.conftest import ScriptedCamera

from rheed_acquire.run.report import DELIVERED, FRAMES_LOST

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage

    from rheed_acquire.cameras.camera import OnFrame

FPS, FRAMES, WAITS_BEFORE, WAITS_S = 100.0, 200, 150, 2.5


class WaitingCamera(ScriptedCamera):
    """Gives no frame for a while; then what was due meanwhile at once, or goes on as if nothing had been."""

    clock: str
    holds_back: bool

    def _play(self, on_frame: OnFrame) -> None:
        begun_s = time.perf_counter()
        for number, frame in enumerate(self._script):
            if number == WAITS_BEFORE:
                time.sleep(WAITS_S)
                begun_s = begun_s if self.holds_back else time.perf_counter() - number / FPS
            time.sleep(max(0.0, begun_s + number / FPS - time.perf_counter()))
            if self._halt.is_set():
                return
            frame.id = None  # type: ignore[union-attr]
            stamps = {"none": None, "camera": round(number * 1e9 / FPS), "hand-over": time.perf_counter_ns()}
            frame.timestamp_ns = stamps[self.clock]  # type: ignore[union-attr]
            on_frame(frame)  # type: ignore[arg-type]


@pytest.mark.parametrize("clock", ["none", "camera", "hand-over"])
@pytest.mark.parametrize("holds_back", [True, False])
def test_what_comes_too_fast_to_be_new_was_held_back_and_its_rest_is_not_lost(
    stage: Stage, clock: str, holds_back: bool
) -> None:
    info = replace(stage.camera([]).info, fps=FPS)
    camera = WaitingCamera([stage.frame_of(number) for number in range(FRAMES)], info=info)
    camera.clock, camera.holds_back = clock, holds_back
    session = stage.session(camera, stage.streamer(), frames=FRAMES, chunk_size=500, ring_chunks=8)
    report = session.run()
    assert report.frames_pushed == FRAMES
    assert report.exit_code == (DELIVERED if holds_back else FRAMES_LOST), report.problems
    assert (report.stretches == ()) == holds_back
