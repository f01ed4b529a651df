"""The whole command with Aravis's fake GigE camera: a cable that is pulled, and put in again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import zarr
from tests.hardware.aravis.fake_gige import ADDRESS, FakeGige, expected_mono8

FRAMES, FPS, LIMIT_S = 600, 50, 300.0
WIDTH, HEIGHT, EXPOSURE_US = 64, 48, 10_000.0
RAMP = 255


def test_a_camera_that_comes_back_is_taken_on_and_each_frame_is_the_cameras(
    gige: FakeGige, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEED_", "AS_API_"))}
    region = ("--aravis.width", str(WIDTH), "--aravis.height", str(HEIGHT), "--aravis.pixel-format", "Mono8")
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "rheed_acquire", "--camera", "aravis", "--aravis.address", ADDRESS),
            *(*region, "--aravis.exposure-us", str(EXPOSURE_US), "--aravis.gain", "0"),
            *("--fps", str(FPS), "--frames", str(FRAMES), "--json"),
        ],
        cwd=tmp_path,
        env=kept | {"PYTHONUTF8": "1", "RHEED_SPOOL_DIR": str(tmp_path / "spool")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        limit = time.monotonic() + LIMIT_S
        while not any(tmp_path.glob("runs/*/frames.zarr/frames/c/*")) and run.poll() is None:
            assert time.monotonic() < limit, "no chunk has come"
            time.sleep(0.02)
        gige.unplug()
        gige.plug_in()
        out, err = run.communicate(timeout=LIMIT_S)
    finally:
        run.kill()
        run.communicate()
    report = json.loads(out)
    assert (run.returncode, report.get("frames_received")) == (3, FRAMES), err + out
    assert "camera-away" in {problem["code"] for problem in report["problems"] + report["warnings"]}, out
    frames = zarr.open_group(tmp_path / report["output"] / "frames.zarr", mode="r")["frames"][:]  # type: ignore[index]
    pictures = [expected_mono8(number, WIDTH, HEIGHT, EXPOSURE_US) for number in range(RAMP)]
    for frame in np.asarray(frames):
        assert np.array_equal(frame, pictures[int(frame[0, 0])])
