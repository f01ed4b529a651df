"""Takes frames from Aravis's fake GigE camera at the highest rate that it gives, and compares every one.

``python -m tests.hardware.aravis.campaign --seconds 60`` does so on a link that loses nothing and on one that
loses packets, with and without resending. What Aravis gives is watched where the plugin takes it: each
whole buffer must be a frame, each frame must be bit by bit what the camera draws for its number, and what is
missing must be in Aravis's own counters.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from tests.hardware.aravis.fake_gige import ADDRESS, FakeGige, expected_mono8

from rheed_acquire import CameraError, CaptureRequest, Frame
from rheed_acquire_aravis import AravisSettings
from rheed_acquire_aravis.camera import AravisCamera
from rheed_acquire_aravis.connection import Connection
from rheed_acquire_aravis.devices import choose
from rheed_acquire_aravis.functions import BUFFER_CLEARED, BUFFER_SUCCESS
from rheed_acquire_aravis.library import Library, load

WIDTH, HEIGHT, EXPOSURE_US = 300, 200, 10_000.0
RAMP = 255
FASTEST_FPS = 1000.0
CYCLE = 65535


class Watched:
    """The library, with what it says of each buffer that is taken kept.

    Attributes
    ----------
    seen
        Number and status of each buffer that was filled, in part or whole.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self.seen: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def arv_buffer_get_status(self, buffer: int) -> int:
        status: int = self._library.arv_buffer_get_status(buffer)
        if status != BUFFER_CLEARED:
            self.seen.append((self._library.arv_buffer_get_frame_id(buffer), status))
        return status


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    frames
        Numbers of those that were delivered.
    wrong
        Those of them that were not as they should be.
    seen
        Number and status of each buffer that was taken.
    counted
        What Aravis counts, which may have filled a few buffers more.
    """

    frames: list[int]
    wrong: int
    seen: list[tuple[int, int]]
    counted: Mapping[str, int]
    seconds: float

    @property
    def missing(self) -> int:
        """Frames that the numbers of the delivered ones leave out."""
        return sum(step - 1 for step in _steps(self.frames))

    def faults(self) -> list[str]:
        """Say what does not agree."""
        counted = self.counted
        whole = [place for place, (_, status) in enumerate(self.seen) if status == BUFFER_SUCCESS]
        incomplete = len(self.seen) - len(whole)
        # A buffer whose first packet is missing bears no number: those of the whole ones before and behind it
        # say how many frames there were.
        between = [after - before - 1 for before, after in pairwise(whole)]
        unseen = [step - 1 - some for step, some in zip(_steps(self.frames), between, strict=True)]
        gaps = counted.get("missing_frames", 0)  # one for each, however many frames are in it
        left = counted["completed_buffers"] + counted["failures"] - len(self.seen)
        at_the_ends = len(self.seen) - (whole[-1] - whole[0] + 1 if whole else 0) + left
        told = {
            "frames are not as the camera draws them": self.wrong == 0,
            "whole buffers were not delivered": [self.seen[place][0] for place in whole] == self.frames,
            "buffers were counted otherwise": left >= 0,
            "incomplete buffers were counted otherwise": 0 <= counted["failures"] - incomplete <= left,
            "frames are missing twice": min(unseen, default=0) >= 0,
            "gaps were counted otherwise": sum(map(bool, unseen)) <= gaps <= sum(unseen) + at_the_ends,
        }
        return [what for what, holds in told.items() if not holds]

    def __str__(self) -> str:
        rate = len(self.frames) / self.seconds
        return (
            f"{len(self.frames)} frames in {self.seconds:.1f} s ({rate:.0f}/s), {self.wrong} of them wrong, "
            f"{self.missing} missing; {', '.join(self.faults()) or 'as Aravis counts'}"
        )


def _steps(numbers: list[int]) -> list[int]:
    return [(after - before) % CYCLE for before, after in pairwise(numbers)]


def take(seconds: float, **settings: object) -> Outcome:
    """Take frames for a while, and compare each."""
    chosen = {"address": ADDRESS, "width": WIDTH, "height": HEIGHT, "exposure_us": EXPOSURE_US, "gain": 0}
    asked = AravisSettings.model_validate(chosen | {"pixel_format": "Mono8", "buffers": 200} | settings)
    pictures = [expected_mono8(number, WIDTH, HEIGHT, EXPOSURE_US) for number in range(RAMP)]
    library: Any = Watched(load(None))
    ids: list[int] = []
    wrong = 0
    faults: list[CameraError] = []
    ended = threading.Event()

    def on_frame(frame: Frame) -> None:
        nonlocal wrong
        assert frame.id is not None
        ids.append(frame.id)
        wrong += not np.array_equal(frame.pixels, pictures[frame.id % RAMP])

    def on_fault(error: CameraError) -> None:
        faults.append(error)
        ended.set()

    connection = Connection(library, choose(library, asked))
    with AravisCamera(connection, asked, CaptureRequest(fps=FASTEST_FPS)) as camera:
        assert camera.info.frame_id_cycle == CYCLE
        began = time.monotonic()
        camera.start(on_frame, on_fault)
        ended.wait(seconds)
        camera.stop()
        took = time.monotonic() - began
        counted = camera.statistics()
    if faults:
        raise faults[0]
    return Outcome(ids, wrong, library.seen, counted, took)


def main() -> int:
    parser = argparse.ArgumentParser(description="compare every frame of Aravis's fake GigE camera")
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    failed = False
    for lost, resend in ((0.0, True), (1.0, True), (1.0, False)):
        with FakeGige(lost):
            outcome = take(seconds, packet_resend=resend)
        failed = failed or bool(outcome.faults())
        print(f"{lost:g} of 1,000 packets lost, resending {'on' if resend else 'off'}: {outcome}")
        print(f"  {dict(outcome.counted)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
