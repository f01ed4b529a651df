"""The command as a user types it: a process of its own, in an empty folder, with a third party's camera."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from tests.child_processes import children_of
from tests.ctrl_c import OWN_CONSOLE, press_ctrl_c

if TYPE_CHECKING:
    from tests.conftest import Distributions

PROGRESS = re.compile(r"[a-z ]+ \d+:\d\d:\d\d: frames \d")
"""How a line about a run's progress begins, where stderr is no terminal."""
PHASE = re.compile(r"[a-z ]+")
"""A line that says what a run is at before its first frame, where that takes long."""

THIRD_PARTY = """
import threading
import time
from pathlib import Path

from pydantic import BaseModel, Field
from rheed_acquire import (
    Camera, CameraBackend, CameraInfo, CameraLostError, DeviceInfo, Frame, SettingReadback, hookimpl
)

DEVICE = DeviceInfo(backend="thirdparty", serial="TP-1", model="One", vendor="Third Party")


class Settings(BaseModel):
    fps: float = Field(50.0, gt=0, description="frames per second")
    pause_after: int = Field(0, description="deliver so many frames and no more")
    skip: int = Field(-1, description="id of a frame that gets lost")
    vanish_after: int = Field(0, description="be unplugged after so many frames")
    away_s: float = Field(0.0, description="once only, and for so many seconds")


vanished_s = float("-inf")


class ThirdPartyCamera(Camera):
    def __init__(self, settings):
        self._settings = settings
        self._stop = threading.Event()
        self._thread = None
        self._gain = 0

    @property
    def info(self):
        readback = SettingReadback("fps", self._settings.fps, self._settings.fps)
        return CameraInfo(DEVICE, 32, 24, "Mono8", self._settings.fps, settings=(readback,))

    def start(self, on_frame, on_fault):
        self._stop.clear()
        self._thread = threading.Thread(target=self._deliver, args=(on_frame, on_fault))
        self._thread.start()

    def _deliver(self, on_frame, on_fault):
        global vanished_s
        import numpy as np

        settings, pixels, begun = self._settings, np.zeros((24, 32), np.uint8), time.monotonic()
        number = 0
        while not self._stop.wait(max(0.0, begun + number / settings.fps - time.monotonic())):
            if settings.pause_after and number >= settings.pause_after:
                Path("paused").touch()
                self._stop.wait()
                return
            is_back = settings.away_s and vanished_s > 0
            if settings.vanish_after and number >= settings.vanish_after and not is_back:
                vanished_s = time.monotonic()
                on_fault(CameraLostError("Third Party One (serial TP-1) does not answer any more"))
                return
            if number != settings.skip:
                pixels.reshape(-1)[:8] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
                on_frame(Frame(pixels, number, round(number / settings.fps * 1e9)))
            number += 1

    def stop(self):
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self):
        self.stop()

    def adjust(self, changes):
        self._gain = round(changes["gain"])
        return {"gain": self._gain}

    def adjustable(self):
        return {"gain": self._gain}


def open_camera(settings, request):
    if time.monotonic() - vanished_s < settings.away_s:
        raise CameraLostError("Third Party One (serial TP-1) is not there")
    return ThirdPartyCamera(settings)


@hookimpl
def rheed_register_cameras(register):
    register(
        CameraBackend(
            name="thirdparty",
            description="somebody else's camera",
            settings=Settings,
            discover=lambda settings: [DEVICE],
            open=open_camera,
        )
    )
"""

LIMIT_S = 180.0
"""After which a process that should have ended is a failure."""


def silent_after(frames: int) -> tuple[str, ...]:
    """Flags of a camera that gives so many frames and no more, however long a test looks on: no loss."""
    number, for_ever = str(frames), "600"
    camera = ("--camera", "thirdparty", "--thirdparty.pause-after", number)
    return (*camera, "--stall-timeout", for_ever, "--gap-tolerance", for_ever)


class Command:
    """Runs ``rheed-acquire`` in a folder of its own, with nothing of the caller's environment in it."""

    def __init__(self, folder: Path, plugins: Distributions) -> None:
        self.folder, self.plugins = folder, plugins
        self._started: list[subprocess.Popen[str]] = []

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RHEED_", "AS_API_", "ATOMSCALE_", "PYLON_"))
        }
        kept |= {"PYTHONPATH": str(self.plugins.folder), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
        kept["RHEED_SPOOL_DIR"] = str(self.folder / "spool")
        kept["RHEED_SHARED_MEMORY"] = os.environ["RHEED_SHARED_MEMORY"]
        kept["RHEED_STATIONS"] = str(self.folder / "stations")
        return kept | variables

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return self._spawn(["-m", "rheed_acquire", *arguments], variables)

    def script(self, file: str) -> subprocess.CompletedProcess[str]:
        return self.finish(self._spawn([file], {}))

    def _spawn(self, arguments: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=self.environment(**variables),
            creationflags=OWN_CONSOLE,
        )
        self._started.append(process)
        return process

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.finish(self.start(*arguments, **variables))

    def finish(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        out, err = process.communicate(timeout=LIMIT_S)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def report(self, *arguments: str, code: int = 0, **variables: str) -> dict[str, Any]:
        """Run with ``--json`` and return the one object on stdout."""
        done = self(*arguments, "--json", **variables)
        assert done.returncode == code, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def error(self, *arguments: str, code: int = 2, **variables: str) -> str:
        """Run what cannot work, and return what the user is told: one line, and no traceback.

        Where the computer is slow, lines about the progress come before it.
        """
        done = self(*arguments, **variables)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        (line,) = (line for line in lines if not (PROGRESS.match(line) or PHASE.fullmatch(line)))
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    @staticmethod
    def interrupt(process: subprocess.Popen[str]) -> None:
        """Press Ctrl-C."""
        press_ctrl_c(process)

    @staticmethod
    def child(process: subprocess.Popen[str], word: str) -> int:
        """The one process that this one has started with that word in its command line."""
        (found,) = (child.pid for child in children_of(process.pid) if word in child.words)
        return found

    def wait_for(self, name: str) -> None:
        """Wait until a file appears in the command's folder."""
        deadline = time.monotonic() + LIMIT_S
        while not (self.folder / name).exists():
            assert time.monotonic() < deadline, f"{name} never appeared"
            time.sleep(0.02)

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def command(tmp_path: Path, distributions_on_disk: Distributions) -> Iterator[Command]:
    distributions_on_disk.add("third-party-camera", THIRD_PARTY, plugin="thirdparty")
    folder = tmp_path / "work"
    folder.mkdir()
    command = Command(folder, distributions_on_disk)
    yield command
    command.end()


def _read_stamps(recording: Path | str) -> list[int]:
    """The counter in the first 8 pixels of each frame of ``frames.zarr``."""
    group: Any = zarr.open_group(recording, mode="r")
    frames: NDArray[np.uint8] = group["frames"][:]
    stamps: NDArray[np.uint64] = np.ascontiguousarray(frames.reshape(len(frames), -1)[:, :8]).view("<u8")
    return [int(stamp) for stamp in stamps[:, 0]]


@pytest.fixture
def read_stamps() -> Any:
    return _read_stamps
