"""Recordings and records to report on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import CameraInfo, DeviceInfo
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.layout import folder_name
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.run.report import RunInfo, RunReport
from rheed_acquire.run_report.record import RunRecord

START_MS = 1_700_000_000_000
FPS = 10.0
CHUNK = 20

MakeRecording: TypeAlias = Callable[..., Path]


@pytest.fixture
def make_recording(tmp_path: Path) -> MakeRecording:
    """Make a run's folder as the local server does, of frames (N, H, W) in chunks of 20 at 10 frames/s."""

    def make(
        frames: NDArray[np.uint8], *, name: str = "growth", missing: tuple[int, ...] = (), closed: bool = True
    ) -> Path:
        number = len(list(tmp_path.glob("runs/*")))
        data_id = f"{number:08x}-0000-4000-8000-000000000000"
        folder = tmp_path / "runs" / folder_name(name, data_id, datetime(2026, 1, 2, tzinfo=UTC))
        folder.mkdir(parents=True)
        declared = StreamDeclaration(
            name=name,
            fps=FPS,
            rotations_per_min=0.0,
            rotational_period=None,
            project_id=None,
            azimuth_label=None,
        )
        stream = RunWriter.create(folder, data_id, declared)
        for index in range(-(-len(frames) // CHUNK)):
            part = frames[index * CHUNK : (index + 1) * CHUNK]
            if index in missing:
                continue
            start_ms = START_MS + round(index * CHUNK * 1000 / FPS)
            received = stream.incoming_path()
            received.write_bytes(bytes(encode_shard(np.ascontiguousarray(part))))
            stream.commit(
                received,
                ChunkDeclaration(
                    index=index,
                    frames=len(part),
                    height=part.shape[1],
                    width=part.shape[2],
                    chunk_size=CHUNK,
                    start_unix_ms=start_ms,
                    clock_offset_ms=None,
                    clock_uncertainty_ms=None,
                ),
            )
        if closed:
            stream.close("the test has ended it")
        return folder

    return make


def run_report(**figures: Any) -> RunReport:
    """A run as it ended, with these figures."""
    device = DeviceInfo("thirdparty", serial="TP-1", model="One", vendor="Third Party")
    camera = CameraInfo(device, 32, 24, "Mono8", FPS, firmware="1.2.3")
    started = datetime.fromtimestamp(START_MS / 1e3, UTC)
    info = RunInfo("abc-1", camera, FPS, 0.0, CHUNK, started)
    return RunReport(info=info, ended_utc=started, **figures)


def record(**known: Any) -> RunRecord:
    """What is known of a run that has reported its end."""
    report = run_report(frames_received=40, frames_pushed=40, chunks_pushed=2, chunks_uploaded=2)
    basis: dict[str, Any] = {
        "written_utc": "2026-01-02T03:04:05+00:00",
        "made_from": "run",
        "name": "growth",
        "data_id": "abc-1",
        "started_utc": "2026-01-02T03:04:05+00:00",
        "fps": FPS,
        "run": report.as_json(),
        "frames": 40,
        "first_utc_ms": START_MS,
        "last_utc_ms": START_MS + 3900.0,
    }
    return RunRecord(**(basis | known))
