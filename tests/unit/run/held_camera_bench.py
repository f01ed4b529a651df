"""A camera held for a preview and for runs, whose frames bear numbers, and a streamer that keeps these."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import (
    Camera,
    CameraInfo,
    CameraLostError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    OnFault,
    OnFrame,
)
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.run.acquisition import Acquisition
from rheed_acquire.run.held_camera import HeldCamera
from rheed_acquire.run.lent_camera import CameraTurn, RunStart
from rheed_acquire.run.report import RunReport
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer
from rheed_acquire.view.preview import PreviewStreamer, preview_settings

FPS, LIMIT_S = 400.0, 30.0
SETTINGS = RunSettings(fps=FPS)


class Beam:
    """Where the cameras of a test look: numbers of frames go on over all of them."""

    def __init__(self, cycle: int | None = None, fps: float | None = FPS) -> None:
        self.cycle, self.fps = cycle, fps
        self.opened: list[LiveCamera] = []
        self.refusals: list[Exception] = []
        self.seen: dict[int, int] = {}
        """When each frame was given, by its number."""

    def open(self, request: CaptureRequest) -> Camera:
        if self.refusals:
            raise self.refusals.pop()
        self.opened.append(LiveCamera(self))
        return self.opened[-1]


class LiveCamera(Camera):
    """Gives frames at its pace that bear their number in their pixels."""

    def __init__(self, beam: Beam) -> None:
        self._beam = beam
        self._halt, self._rest, self._rests = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._on_fault: OnFault | None = None
        self.starts = self.closed = 0

    @property
    def info(self) -> CameraInfo:
        return CameraInfo(DeviceInfo("live"), 4, 2, "Mono8", self._beam.fps, frame_id_cycle=self._beam.cycle)

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        self.starts += 1
        self._halt.clear()
        self._on_fault = on_fault
        self._thread = threading.Thread(target=self._play, args=(on_frame,), name="live camera")
        self._thread.start()

    def _play(self, on_frame: OnFrame) -> None:
        begun, frame = time.perf_counter(), Frame(np.zeros((2, 4), np.uint8), None, None)
        first = number = len(self._beam.seen)
        while not self._halt.wait(max(0.0, begun + (number - first) / FPS - time.perf_counter())):
            if self._rest.is_set():
                self._rests.set()
                continue
            frame.pixels.reshape(-1)[:] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
            frame.id = number if self._beam.cycle is None else number % self._beam.cycle
            frame.timestamp_ns = round(number * 1e9 / FPS)
            self._beam.seen[number] = time.perf_counter_ns()
            on_frame(frame)
            number += 1

    def rest(self) -> None:
        """Give no frame from the return on."""
        self._rests.clear()
        self._rest.set()
        assert self._rests.wait(LIMIT_S)

    def go_on(self) -> None:
        self._rest.clear()

    def lose(self) -> None:
        assert self._on_fault is not None
        self._halt.set()
        self._on_fault(CameraLostError("it was unplugged"))

    def stop(self) -> None:
        self._halt.set()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        self.stop()
        self.closed += 1


class KeepingStreamer(Streamer):
    """Keeps the numbers that the frames bear, and their ids."""

    def __init__(self, prepares: Callable[[], None] = lambda: None) -> None:
        self._prepares = prepares
        self.numbers: list[int] = []
        self.ids: list[int] = []

    def initialize(self, *declared: Any, **named: Any) -> str:
        self._prepares()
        return "data-1"

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        pixels: NDArray[Any] = chunk.pixels.reshape(len(chunk), 8)
        self.numbers += pixels.copy().view("<u8")[:, 0].tolist()
        self.ids += chunk.frame_ids.tolist()
        chunk.release()

    def status(self, data_id: str) -> DeliveryStatus:
        return DeliveryStatus()

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        return {}


class Under:
    """An acquisition under way."""

    def __init__(self, acquisition: Acquisition) -> None:
        self.acquisition = acquisition
        self.report: RunReport | None = None
        self.error: RheedAcquireError | None = None
        self._thread = threading.Thread(target=self._run, name="acquisition")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.report = self.acquisition.run()
        except RheedAcquireError as error:
            self.error = error

    def until(self, phase: str) -> None:
        wait_until(lambda: self.acquisition.progress().phase == phase)

    def until_frames(self) -> None:
        wait_until(lambda: self.acquisition.progress().frames_received > 0)

    def end(self) -> RunReport:
        self.acquisition.stop()
        self._thread.join(LIMIT_S)
        assert self.report is not None, self.acquisition.progress()
        return self.report


class Bench:
    """A held camera, its preview, and what makes runs of it."""

    def __init__(self, kept_s: float = 15.0, cycle: int | None = None, fps: float | None = FPS) -> None:
        self.beam = Beam(cycle, fps)
        self.held = HeldCamera(self.beam.open)
        self.begun: list[Under] = []
        turn = CameraTurn(self.held)
        self.preview = self._begin(
            Acquisition(
                preview_settings(SETTINGS.model_copy(update={"stall_timeout": 5.0})),
                turn.open,
                lambda given_up: PreviewStreamer(kept_s, given_up),
                turn=turn,
            )
        )
        wait_until(lambda: self.held.is_well and len(self.beam.seen) > 1)

    def run(
        self,
        pre_roll_s: float = 0.0,
        streamer: Streamer | None = None,
        waits_s: float = LIMIT_S,
        **settings: Any,
    ) -> tuple[Under, KeepingStreamer, RunStart]:
        start = RunStart(time.perf_counter_ns(), pre_roll_s, waits_s)
        turn = CameraTurn(self.held, start)
        kept = KeepingStreamer() if streamer is None else streamer
        asked = SETTINGS.model_copy(update=settings)
        under = self._begin(Acquisition(asked, turn.open, lambda given_up: kept, turn=turn))
        return under, kept, start  # type: ignore[return-value]

    def _begin(self, acquisition: Acquisition) -> Under:
        self.begun.append(Under(acquisition))
        return self.begun[-1]

    def wait_after(self, number: int, seconds: float) -> None:
        """Wait until this frame came longer ago than so many seconds."""
        wait_until(lambda: number in self.beam.seen)
        wait_until(lambda: time.perf_counter_ns() - self.beam.seen[number] > seconds * 1e9)

    def previewed(self) -> int:
        return self.preview.acquisition.progress().frames_received

    def end(self) -> None:
        for under in reversed(self.begun):
            under.acquisition.stop()
        for under in self.begun:
            under._thread.join(LIMIT_S)
            assert not under._thread.is_alive()
        assert all(camera.closed == 1 for camera in self.beam.opened)


def wait_until(fits: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def first_since(beam: Beam, since_ns: int) -> int:
    """The first frame that was given at this time or later."""
    return min(number for number, given_ns in beam.seen.items() if given_ns >= since_ns)


def assert_unbroken(numbers: list[int]) -> None:
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
