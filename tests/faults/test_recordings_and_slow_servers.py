"""A recording waits for a server that a live camera would lose frames to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.faults.rig import Rig

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer

COUNT = 1500


@pytest.mark.parametrize("speed", ["0", "100"])
def test_a_recording_waits_for_a_slow_server_and_loses_nothing(
    rig: Rig, faulty_server: FaultyServer, tmp_path: Path, speed: str
) -> None:
    for module in ("av", "h5py", "PIL", "tifffile"):
        pytest.importorskip(module, reason="the extra 'replay' is not installed")
    from hardware_mocks.faulty_server import Kind, Rule

    frames = np.random.default_rng(5).integers(0, 256, (COUNT, 32, 48), np.uint8)
    np.save(tmp_path / "growth.npy", frames)
    faulty_server.add(Rule("upload", Kind.DELAY, 0.3))
    # The disk takes nothing, so each chunk keeps its place in the ring until the server has it.
    full = ("--spool-limit", "0.00001", "--spool-full", "drop", "--ring-chunks", "2")
    path, start = str(tmp_path / "growth.npy"), "2026-01-01T00:00:00Z"
    recording = (
        "--replay.path",
        path,
        "--replay.fps",
        "60",
        "--replay.start",
        start,
        "--replay.speed",
        speed,
    )
    where = ("--stream-name", rig.name, "--endpoint", faulty_server.endpoint)
    ended = rig.finish(rig.command("--camera", "replay", *recording, *where, *full, "--json"))
    assert ended.code == 0, ended.err + ended.out
    assert (ended.report["frames_pushed"], ended.report["frames_overrun"]) == (COUNT, 0)
    assert len(faulty_server.plan.faults) == ended.report["chunks_pushed"] == 13
    (stored,) = rig.stored()
    np.testing.assert_array_equal(stored.frames[:], frames)
