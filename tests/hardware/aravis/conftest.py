"""The aravis plugin on Aravis's fake cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from numpy.typing import NDArray
from tests.hardware.aravis.fake_gige import ADDRESS, FakeGige, need_aravis

from rheed_acquire import Camera, CameraError, CaptureRequest, Frame

LIMIT_S = 60.0


@dataclass
class Taken:
    """What a camera delivered.

    Attributes
    ----------
    ids, pixels
        Of each frame.
    """

    ids: list[int] = field(default_factory=list)
    pixels: list[NDArray[Any]] = field(default_factory=list)
    faults: list[CameraError] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def on_frame(self, frame: Frame) -> None:
        with self.changed:
            assert frame.id is not None
            self.ids.append(frame.id)
            self.pixels.append(frame.pixels.copy())
            self.changed.notify_all()

    def on_fault(self, error: CameraError) -> None:
        with self.changed:
            self.faults.append(error)
            self.changed.notify_all()

    def wait_for(self, happened: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, LIMIT_S), f"{len(self.ids)} frames, faults: {self.faults}"

    def wait_for_frames(self, more: int) -> None:
        wanted = len(self.ids) + more
        self.wait_for(lambda: len(self.ids) >= wanted)


class Cameras:
    """Opens cameras; closed after the test."""

    def __init__(self) -> None:
        self._opened: list[Camera] = []

    def open(self, fps: float | None = 200.0, **settings: Any) -> Camera:
        from rheed_acquire_aravis import AravisSettings, open_camera

        usual = {"address": ADDRESS, "width": 64, "height": 48, "pixel_format": "Mono8"}
        usual |= {"exposure_us": 5000.0, "gain": 0}
        chosen = {name: value for name, value in (usual | settings).items() if value is not None}
        camera = open_camera(AravisSettings(**chosen), CaptureRequest(fps=fps))
        self._opened.append(camera)
        return camera

    def start(self, camera: Camera) -> Taken:
        taken = Taken()
        camera.start(taken.on_frame, taken.on_fault)
        return taken

    def close(self) -> None:
        for camera in self._opened:
            camera.close()


@pytest.fixture(autouse=True, scope="session")
def aravis() -> None:
    """The library and its fake camera, without which everything here is skipped."""
    need_aravis()


@pytest.fixture
def cameras() -> Iterator[Cameras]:
    opener = Cameras()
    yield opener
    opener.close()


@pytest.fixture(scope="module")
def gige() -> Iterator[FakeGige]:
    with FakeGige() as camera:
        yield camera
