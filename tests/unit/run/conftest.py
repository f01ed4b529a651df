"""A camera and a streamer that play a script, and sessions between the two."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from pydantic import BaseModel, SecretStr
from tests.unit.run.held_camera_bench import Bench

from rheed_acquire.cameras.camera import (
    Camera,
    CameraError,
    CameraInfo,
    CameraNotFoundError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    OnFault,
    OnFrame,
)
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.camera import LIMITS, CameraLimits, guard_camera_backend
from rheed_acquire.host.guard.observers import Observers
from rheed_acquire.host.guard.streamer import guard_streamer_backend
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.run.acquisition import Acquisition
from rheed_acquire.run.readings import RunReadings
from rheed_acquire.run.report import RunReport
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer, StreamerBackend, StreamerRequest

HEIGHT, WIDTH, FPS, CHUNK = 2, 4, 4.0, 8
PATIENCE_S = 120.0

Entry: TypeAlias = int | Frame | Callable[[], object]


def frame_of(number: int, height: int = HEIGHT) -> Frame:
    """The frame that a camera without faults delivers as its `number`-th: its pixels are its id."""
    return Frame(np.full((height, WIDTH), number % 256, np.uint8), number, round(number * 1e9 / FPS))


class ScriptedCamera(Camera):
    """Plays a script in a thread of its own: a number is a frame of that id, what can be called is called.

    `refusal` is raised by `start`, and `stuck` by the first `stop` once the thread has ended.
    """

    def __init__(
        self,
        script: Sequence[Entry],
        info: CameraInfo | None = None,
        refusal: Exception | None = None,
        stuck: CameraError | None = None,
        statistics: dict[str, int] | None = None,
    ) -> None:
        self._script, self._refusal, self._stuck = script, refusal, stuck
        self._info = info or CameraInfo(DeviceInfo("scripted", serial="1"), WIDTH, HEIGHT, "Mono8", FPS)
        self._statistics = statistics or {}
        self._thread: threading.Thread | None = None
        self._halt = threading.Event()
        self._on_fault: OnFault | None = None
        self.played = threading.Event()
        self.closed = 0

    @property
    def info(self) -> CameraInfo:
        return self._info

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        if self._refusal is not None:
            raise self._refusal
        self._on_fault = on_fault
        self._thread = threading.Thread(target=self._play, args=(on_frame,), name="scripted camera")
        self._thread.start()

    def _play(self, on_frame: OnFrame) -> None:
        for entry in self._script:
            if self._halt.is_set():
                return
            if callable(entry):
                entry()
            else:
                on_frame(entry if isinstance(entry, Frame) else frame_of(entry))
        self.played.set()

    def fault(self, error: CameraError) -> None:
        assert self._on_fault is not None
        self._on_fault(error)

    def stop(self) -> None:
        self._halt.set()
        if self._thread is not None:
            self._thread.join()
        stuck, self._stuck = self._stuck, None
        if stuck is not None:
            raise stuck

    def close(self) -> None:
        self.stop()
        self.closed += 1

    def statistics(self) -> dict[str, int]:
        return self._statistics


class ScriptedStreamer(Streamer):
    """Keeps what it is pushed; what it is told to do at each call may raise, wait or give another answer."""

    def __init__(self, **told: Callable[..., Any]) -> None:
        self._told = told
        self.calls: list[str] = []
        self.stream: dict[str, Any] = {}
        self.pushed: list[tuple[int, list[int], float | None]] = []
        self.closing = threading.Event()
        self.drain_timeout_s: float | None = None

    def _tell(self, call: str, *arguments: Any) -> Any:
        return self._told[call](*arguments) if call in self._told else None

    def initialize(self, **stream: Any) -> str:  # type: ignore[override]
        self._tell("initialize")
        self.calls.append("initialize")
        self.stream = stream
        return "data-1"

    def open_ring(
        self, data_id: str, count: int, height: int, width: int, form: ChunkForm | None = None
    ) -> ChunkRing | None:
        self._tell("open_ring")
        return None

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        assert data_id == "data-1"
        self._tell("push", chunk)
        self.pushed.append((chunk.index, chunk.frames[:, 0, 0].tolist(), chunk.capture_start_ms_utc))
        chunk.release()
        self._tell("pushed", chunk)

    def status(self, data_id: str) -> DeliveryStatus:
        answer: DeliveryStatus | None = self._tell("status")
        return answer or DeliveryStatus(len(self.pushed), len(self.pushed))

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        self.calls.append("finalize")
        self.drain_timeout_s = drain_timeout_s
        answer: dict[str, Any] | None = self._tell("finalize")
        count = len(self.pushed)
        return answer or {"chunks_uploaded": count, "chunks_not_uploaded": 0, "closed": True, "lost": []}

    def close(self) -> None:
        self.calls.append("close")
        self.closing.set()

    @property
    def frames(self) -> list[int]:
        return [frame for _, frames, _ in self.pushed for frame in frames]


class Nothing(BaseModel):
    """No settings."""


class Session:
    """A run in a thread of its own, as the command makes it; `again` is found where the camera is lost.

    Of several, each is found after the one before it was lost; where there is none any more, nothing opens.
    """

    def __init__(
        self,
        camera: ScriptedCamera | CameraError,
        streamer: ScriptedStreamer | Exception,
        again: ScriptedCamera | Sequence[ScriptedCamera | CameraError] = (),
        notify: Callable[..., None] = lambda hook, **arguments: None,
        locate_output: Callable[[str], Path | None] = lambda data_id: None,
        observers: Observers | None = None,
        limits: CameraLimits = LIMITS,
        patience: Patience | None = None,
        max_fps: float | None = None,
        tap: FrameTap | None = None,
        readings: RunReadings | None = None,
        **settings: Any,
    ) -> None:
        self.streamers_opened = 0
        self.requests: list[CaptureRequest] = []
        after = [again] if isinstance(again, ScriptedCamera) else again
        self._cameras: list[ScriptedCamera | CameraError] = [camera, *after]
        self._streamer = streamer
        patience = patience or Patience()
        guarded = guard_camera_backend(
            CameraBackend(
                "scripted", "", Nothing, lambda _: [], lambda _, request: self._open_camera(request)
            ),
            "a test 1.0",
            patience,
            limits,
        )
        guarded_streamer = guard_streamer_backend(
            StreamerBackend("scripted", "", Nothing, lambda _, request: self._open_streamer(request)),
            "a test 1.0",
            patience,
        )
        self.acquisition = Acquisition(
            RunSettings(**{"chunk_size": CHUNK, "ring_chunks": 2, **settings}),
            lambda request: guarded.open(None, request),
            lambda given_up: guarded_streamer.open(
                None, StreamerRequest(SecretStr("any"), given_up=given_up)
            ),
            notify,
            locate_output,
            tap=tap,
            observers=observers,
            patience=patience,
            max_fps=max_fps,
            readings=readings,
        )
        self._report: RunReport | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def _open_camera(self, request: CaptureRequest) -> Camera:
        self.requests.append(request)
        if not self._cameras:
            raise CameraNotFoundError("it is gone")
        camera = self._cameras.pop(0)
        if isinstance(camera, CameraError):
            raise camera
        return camera

    def _open_streamer(self, request: StreamerRequest) -> Streamer:
        self.streamers_opened += 1
        self.run_is_to_end = request.given_up
        if isinstance(self._streamer, Exception):
            raise self._streamer
        return self._streamer

    def _run(self) -> None:
        try:
            self._report = self.acquisition.run()
        except BaseException as error:  # noqa: BLE001
            self._error = error

    def start(self) -> Session:
        self._thread.start()
        return self

    def result(self) -> RunReport:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"the run hangs while {self.acquisition.progress().phase}"
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report

    def run(self) -> RunReport:
        return self.start().result()


class Stage:
    """What a test of a session needs; test modules do not see their neighbours in importlib mode."""

    camera = ScriptedCamera
    streamer = ScriptedStreamer
    session = Session
    frame_of = staticmethod(frame_of)

    @staticmethod
    def wait_for(event: threading.Event) -> None:
        assert event.wait(PATIENCE_S)

    @staticmethod
    def assert_ended_once(streamer: ScriptedStreamer, camera: ScriptedCamera) -> None:
        assert [call for call in streamer.calls if call != "close"] == ["initialize", "finalize"]
        assert streamer.calls[-1] == "close"
        assert camera.closed == 1


@pytest.fixture
def hang() -> Iterator[Callable[..., Any]]:
    """Never returns, until the test is over."""
    over = threading.Event()

    def deed(*_: object, **__: object) -> None:
        over.wait(120)

    yield deed
    over.set()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()
