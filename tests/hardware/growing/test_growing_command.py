"""The whole command beside a program that writes: nothing is lost to measuring the rate, or at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from tests.hardware.growing.campaign import ROOT
from tests.hardware.growing.writers import frame

LIMIT_S = 120.0
"""Against hangs."""
FRAMES = 400


def test_a_growth_is_streamed_from_its_first_frame_to_its_last_though_nobody_says_its_rate(
    tmp_path: Path,
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEED_", "AS_API_"))}
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "rheed_acquire", "--camera", "growing", "--json"),
            *("--growing.path", "growth", "--growing.idle", "2", "--verbosity", "2"),
        ],
        cwd=tmp_path,
        env=kept | {"PYTHONUTF8": "1", "RHEED_SPOOL_DIR": str(tmp_path / "spool")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as run:
        assert run.stderr is not None
        told = [run.stderr.readline()]
        while told[-1] and "waiting for the first frame" not in told[-1]:
            told.append(run.stderr.readline())
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hardware.growing.writers", "png"),
                *(str(tmp_path / "growth"), str(FRAMES), "100"),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        ) as writing:
            assert writing.stdout is not None
            writing.stdout.readline()
            writing.kill()
        try:
            out, err = run.communicate(timeout=LIMIT_S)
        finally:
            run.kill()
    report: dict[str, Any] = json.loads(out)
    # A writer that the computer keeps waiting leaves pauses, which the run tells of.
    assert run.returncode in (0, 3), (told, err)
    assert (report["frames_received"], report["frames_overrun"]) == (FRAMES, 0), (told, err, out)
    stream: Any = zarr.open_group(tmp_path / report["output"] / "frames.zarr", mode="r")
    np.testing.assert_array_equal(stream["frames"][:], np.stack([frame(number) for number in range(FRAMES)]))
    assert "has not grown for 2 s" in out
    assert "of the run" not in out  # that it ended in silence is no fault
