"""The command with a camera whose every grab fails, on pylon's own emulation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

LIMIT_S = 110.0
"""Less than the run would last that only ended by its duration."""


def test_image_files_that_are_none_end_the_run_with_the_first_reason(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "notes.txt").write_text("not an image")
    features = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(images)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEED_", "AS_API_"))}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rheed_acquire", "--camera", "basler", "--basler.index", "0"),
            *(f"--basler.features.{name}={value}" for name, value in features.items()),
            *("--fps", "20", "--duration", "120", "--json"),
        ],
        cwd=tmp_path,
        env=kept | {"PYTHONUTF8": "1", "RHEED_SPOOL_DIR": str(tmp_path / "spool")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["exit_code"], report["frames_received"]) == (1, 1, 0)
    (no_frame,) = [problem["text"] for problem in report["problems"] if problem["code"] == "no-frame"]
    assert "Failed to load image file" in no_frame
    assert "notes.txt" in no_frame
    assert "Traceback" not in done.stderr
