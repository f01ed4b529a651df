"""Whatever is raised at whatever call of the tap, it looks at later frames."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rheed_acquire.cameras.camera import Frame
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region

if TYPE_CHECKING:
    from tests.integration.errors_at_every_call.conftest import EveryCall, RaisesOnce


@pytest.mark.timeout(600)
def test_an_error_at_any_call_of_the_tap_costs_it_some_frames_and_no_more(every_call: EveryCall) -> None:
    def fail(error: Exception) -> None:
        raise error

    height, width = 4, 8
    whole = Region(name="whole", x=0, y=0, width=width, height=height)

    def make_run(raises: RaisesOnce) -> None:
        shown: list[int] = []
        newest = threading.Event()
        ring = ChunkRing(3, 10, height, width)
        chunks: list[Chunk] = []
        convert = make_copier("Mono8", height, width)
        accumulator = ChunkAccumulator(ring, convert, (height, width), 10.0, chunks.append, fail)

        def show(levels: object, number: int, utc_ms: object, form: object) -> None:
            shown.append(number)
            if number == 9:
                newest.set()

        tap = FrameTap([whole], show, lambda points, regions, arrived_ns: None, looks_per_s=500.0)
        tap.watch(accumulator)
        with raises.in_new_threads():
            tap.begin(width, height, lambda stamps, arrived: arrived / 1e6)
        pixels = np.zeros((height, width), np.uint8)
        for number in range(9):
            accumulator.on_frame(Frame(pixels, number, None))
            threading.Event().wait(0.003)
        accumulator.on_frame(Frame(pixels, 9, None))
        accumulator.close()
        tap.complete(chunks[0], chunks[0].host_ns / 1e6)
        chunks[0].release()
        for number in range(10, 19):
            accumulator.on_frame(Frame(pixels, number, None))
        tap.stop()
        assert shown == sorted(shown)
        assert newest.is_set()

    process_clock()  # called by all, and computed once
    assert every_call("frame-tap", make_run) > 5
