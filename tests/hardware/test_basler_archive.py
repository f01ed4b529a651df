"""pylon's own emulation at 12 bits, with an archive and a stream at once: both bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

LIMIT_S = 110.0


def test_the_archive_has_all_bits_and_the_stream_the_upper_eight(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEED_", "AS_API_"))}
    small = ("--basler.width", "64", "--basler.height", "48", "--basler.pixel-format", "Mono12")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rheed_acquire", "--camera", "basler", "--basler.index", "0", *small),
            *("--fps", "100", "--frames", "300", "--archive", "originals", "--json"),
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
    assert report["problems"] == [], done.stderr
    assert (done.returncode, report["frames_archived"]) == (0, 300)
    archive: Any = zarr.open_group(Path(report["archive"]) / "frames.zarr", mode="r")
    frames = archive["frames"][:]
    # The emulation's picture is a ramp that moves by one row with each frame.
    assert frames.dtype == np.uint16
    assert 255 < frames.max() <= 4095
    np.testing.assert_array_equal(frames[1:, :-1], frames[:-1, 1:])
    stream: Any = zarr.open_group(tmp_path / report["output"] / "frames.zarr", mode="r")
    np.testing.assert_array_equal(stream["frames"][:], frames >> 4)
