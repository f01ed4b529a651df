"""The genicam plugin on the mock GenTL producer, built from this checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire import Camera, CameraError, CaptureRequest, Frame

sys.path.insert(0, str(Path(__file__).parents[3] / "hardware_mocks" / "gentl_producer" / "python"))

from rheed_mock_gentl.building import BuildToolMissingError, build

DEADLINE_S = 30.0


@pytest.fixture(scope="session")
def cti(pytestconfig: pytest.Config) -> Path:
    """Path of the producer; skip without harvesters or the tools to build it."""
    pytest.importorskip("harvesters", reason="harvesters is not installed")
    cache = pytestconfig.cache
    assert cache is not None
    try:
        return build(cache.mkdir("rheed_mock_gentl")) / "rheed_mock.cti"
    except BuildToolMissingError as missing:
        pytest.skip(f"the mock producer cannot be built: {missing}")


@pytest.fixture(autouse=True)
def mock_environment(monkeypatch: pytest.MonkeyPatch, cti: Path) -> None:
    """Two devices, found by the search path, whatever the environment of the caller says."""
    for name in [name for name in os.environ if name.startswith("MOCK_GENTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOCK_GENTL_DEVICES", "2")
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(cti.parent))


@dataclass
class Recorder:
    """Keeps what a camera delivers, and lets a test wait for it."""

    ids: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    pixels: list[NDArray[Any]] = field(default_factory=list)
    faults: list[CameraError] = field(default_factory=list)
    also: Callable[[], None] = lambda: None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def on_frame(self, frame: Frame) -> None:
        with self.changed:
            assert frame.id is not None
            assert frame.timestamp_ns is not None
            self.ids.append(frame.id)
            self.stamps.append(frame.timestamp_ns)
            if len(self.pixels) < 16:
                self.pixels.append(frame.pixels.copy())
            self.changed.notify_all()
        self.also()

    def on_fault(self, error: CameraError) -> None:
        with self.changed:
            self.faults.append(error)
            self.changed.notify_all()

    def wait_for_frames(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.ids) >= count, DEADLINE_S), "too few frames came"

    def wait_for_fault(self) -> CameraError:
        with self.changed:
            assert self.changed.wait_for(lambda: self.faults, DEADLINE_S), "no fault was reported"
        return self.faults[0]


class Genicam:
    """Opens cameras, small and quick unless told otherwise; closed after the test."""

    def __init__(self) -> None:
        self.small = {"serial": "MOCK-0001", "width": 64, "height": 48, "exposure_us": 50.0}
        self._opened: list[Camera] = []

    def open(self, fps: float | None = 500.0, **settings: Any) -> Camera:
        from rheed_acquire_genicam import GenicamSettings, open_camera

        chosen = {name: value for name, value in (self.small | settings).items() if value is not None}
        camera = open_camera(GenicamSettings(**chosen), CaptureRequest(fps=fps))
        self._opened.append(camera)
        return camera

    def record(self, camera: Camera, count: int) -> Recorder:
        recorder = Recorder()
        camera.start(recorder.on_frame, recorder.on_fault)
        recorder.wait_for_frames(count)
        camera.stop()
        assert not recorder.faults
        return recorder

    @staticmethod
    def recorder() -> Recorder:
        return Recorder()

    @staticmethod
    def command(camera: Camera, feature: str) -> None:
        """Execute a feature of the mock, as a fault that comes while it streams."""
        camera._connection.node_map.get_node(feature).execute()  # type: ignore[attr-defined]

    def close(self) -> None:
        for camera in self._opened:
            camera.close()


@pytest.fixture
def genicam() -> Iterator[Genicam]:
    before = signal.getsignal(signal.SIGINT)
    opener = Genicam()
    yield opener
    opener.close()
    assert signal.getsignal(signal.SIGINT) is before


class Command:
    """Runs ``rheed-acquire``, or a program, in a process and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, module: str | None = "rheed_acquire", **variables: str) -> Any:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RHEED_A", "PYLON_"))
        }
        kept["RHEED_SPOOL_DIR"] = str(self.folder / "spool")
        kept["PYTHONUNBUFFERED"] = "1"
        process = subprocess.Popen(
            [sys.executable, *(["-m", module] if module else []), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=kept | variables,
        )
        self._started.append(process)
        return process

    @staticmethod
    def report(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
        """Wait for a run that was given ``--json``."""
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (process.returncode, err)
        report: dict[str, Any] = json.loads(out)
        return report

    def program(self, text: str) -> subprocess.CompletedProcess[str]:
        process = self.start("-X", "faulthandler", "-c", text, module=None)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    folder = tmp_path / "work"
    folder.mkdir()
    command = Command(folder)
    yield command
    command.end()


def _read_frames(output: str) -> NDArray[np.uint8]:
    import zarr

    group: Any = zarr.open_group(Path(output) / "frames.zarr", mode="r")
    frames: NDArray[np.uint8] = group["frames"][:]
    return frames


@pytest.fixture
def read_frames() -> Callable[[str], NDArray[np.uint8]]:
    return _read_frames
