"""The observer of the documentation: what it writes, and that a run does not depend on it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from rheed_acquire.frames.ring import Chunk
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.run.report import Journal, RunReport

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.conftest import Distributions

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "mean_frames"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = PROJECT["name"]
((ENTRY_POINT, MODULE),) = PROJECT["entry-points"]["rheed_acquire"].items()


def install(distributions: Distributions) -> None:
    """Put the example where pip would, under the names that its pyproject.toml gives."""
    source = (EXAMPLE / f"{MODULE}.py").read_text(encoding="utf-8")
    distributions.add(NAME, source, plugin=ENTRY_POINT, module=MODULE, version=PROJECT["version"])


def run_command(folder: Path, site: Path, means: Path) -> tuple[dict[str, Any], str]:
    """Make a run of two chunks on the local server; its report and its stderr."""
    dropped = ("RHEED_", "AS_API_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    kept |= {name: os.environ[name] for name in ("RHEED_SPOOL_DIR", "RHEED_SHARED_MEMORY")}
    camera = ("--camera", "simulated", "--simulated.width", "64", "--simulated.height", "48", "--fps", "50")
    done = subprocess.run(
        [sys.executable, "-m", "rheed_acquire", *camera, "--frames", "130", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env=kept | {"PYTHONPATH": str(site), "PYTHONUTF8": "1", "MEAN_FRAMES_DIR": str(means)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_each_file_is_the_mean_of_the_chunk_as_it_was_recorded(
    distributions_on_disk: Distributions, tmp_path: Path
) -> None:
    install(distributions_on_disk)
    report, err = run_command(tmp_path, distributions_on_disk.folder, tmp_path / "means")
    assert f"plugin {NAME}" not in err
    group: Any = zarr.open_group(Path(report["output"]) / "frames.zarr", mode="r")
    ends = np.cumsum(group["chunk_frames"][:])
    assert ends.tolist() == [100, 130]
    chunks = np.split(group["frames"][:], ends[:-1])
    files = sorted((tmp_path / "means" / report["data_id"]).iterdir())
    assert [file.name for file in files] == ["000000.npy", "000001.npy"]
    for file, chunk in zip(files, chunks, strict=True):
        mean = np.load(file)
        assert mean.dtype == np.float32
        np.testing.assert_allclose(mean, chunk.mean(axis=0), rtol=1e-6)


def test_a_folder_that_cannot_be_made_is_logged_and_costs_the_run_nothing(
    distributions_on_disk: Distributions, tmp_path: Path
) -> None:
    install(distributions_on_disk)
    (tmp_path / "means").write_text("a file where the folder should be", encoding="utf-8")
    report, err = run_command(tmp_path, distributions_on_disk.folder, tmp_path / "means")
    assert (report["frames_pushed"], report["chunks_uploaded"], report["problems"]) == (130, 2, [])
    assert f"plugin {NAME}:{ENTRY_POINT} failed in rheed_run_started: " in err
    assert [warning["code"] for warning in report["warnings"]] == ["observer-failed"]
    assert err.count(f"plugin {NAME}") == 1
    assert "Traceback" not in err


@pytest.fixture
def host(installed: Distributions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginHost:
    """A host with the example as its only plugin, whose files go to ``tmp_path / "means"``."""
    monkeypatch.setenv("MEAN_FRAMES_DIR", str(tmp_path / "means"))
    install(installed)
    host = PluginHost(sources=installed.entry_points())
    assert [(record.provenance, record.failure) for record in host.plugins] == [(f"{NAME} 0.1.0", None)]
    return host


class Recorded:
    """A run whose source can wait, so that the observer is shown every chunk."""

    data_id = "d-1"
    camera = SimpleNamespace(can_wait=True)

    def __init__(self, host: PluginHost) -> None:
        run: Any = self
        self._run = run
        self._observers = host.observers()
        self.journal = Journal()
        self._observers.started(run, self.journal)

    def complete(self, index: int, frames: NDArray[np.uint8]) -> None:
        numbers = np.arange(len(frames))
        self._observers.completed(self._run, Chunk(index, frames, numbers, numbers, numbers), self.journal)

    def finish(self) -> list[str]:
        self._observers.finished(self._run, RunReport(self._run, datetime.now(UTC)), self.journal)
        return [warning.text for warning in self.journal.warnings]


def test_frames_may_change_as_soon_as_the_run_has_shown_them(host: PluginHost, tmp_path: Path) -> None:
    run = Recorded(host)
    frames = np.full((4, 2, 3), 7, np.uint8)
    for index in range(2):
        run.complete(index, frames)
        frames[:] = 200
    assert run.finish() == []
    means = [np.load(tmp_path / "means" / "d-1" / f"{index:06}.npy") for index in range(2)]
    assert [mean.tolist() for mean in means] == [[[7.0] * 3] * 2, [[200.0] * 3] * 2]


def test_a_file_that_cannot_be_written_is_told_when_the_run_ends(
    host: PluginHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Recorded(host)
    (tmp_path / "means" / "d-1").rmdir()
    for index in range(2):
        run.complete(index, np.zeros((2, 2, 2), np.uint8))
    (warning,) = run.finish()
    assert f"plugin {NAME}:{ENTRY_POINT} failed in rheed_run_finished: FileNotFoundError" in warning
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [warning]


class SlowFrames:
    """Frames whose mean takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def copy(self) -> SlowFrames:
        return self

    def mean(self, axis: int, dtype: type) -> Any:
        self.begun.set()
        assert self.let_go.wait(60)
        return np.zeros((2, 2), dtype)


def test_chunks_that_come_while_the_thread_is_behind_are_left_out_and_counted(
    host: PluginHost, tmp_path: Path
) -> None:
    assert host.failures == []
    writer = sys.modules[MODULE].MeanWriter(tmp_path / "means")
    slow = SlowFrames()
    writer.take(0, slow)
    assert slow.begun.wait(60)
    for index in range(1, 6):  # two wait, three are too many
        writer.take(index, np.zeros((2, 2, 2), np.uint8))
    slow.let_go.set()
    with pytest.raises(RuntimeError, match="3 chunks have no mean frame"):
        writer.finish(60)
    assert [path.stem for path in sorted((tmp_path / "means").iterdir())] == ["000000", "000001", "000002"]
