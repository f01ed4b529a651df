"""The whole command on pylon's own emulation."""

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

from rheed_acquire import RecordedRun

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

LIMIT_S = 110.0
"""Less than the longest of these runs would last that only ended by its duration."""


def make_run(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the command with the first emulated camera; how it ended, and its report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEED_", "AS_API_"))}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rheed_acquire", "--camera", "basler", "--basler.index", "0"),
            *arguments,
            "--json",
        ],
        cwd=folder,
        env=kept | {"PYTHONUTF8": "1", "RHEED_SPOOL_DIR": str(folder / "spool")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )
    return done, json.loads(done.stdout)


def test_image_files_that_are_none_end_the_run_with_the_first_reason(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "notes.txt").write_text("not an image")
    features = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(images)}
    done, report = make_run(
        tmp_path,
        *(f"--basler.features.{name}={value}" for name, value in features.items()),
        *("--fps", "20", "--duration", "120"),
    )
    assert (done.returncode, report["exit_code"], report["frames_received"]) == (1, 1, 0)
    (no_frame,) = [problem["text"] for problem in report["problems"] if problem["code"] == "no-frame"]
    assert "Failed to load image file" in no_frame
    assert "notes.txt" in no_frame
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("pixel_format", "kept_as", "shape"),
    [("BayerGB12", "BayerGB12", (48, 64)), ("RGB16Packed", "RGB16", (48, 64, 3))],
)
def test_the_archive_has_mosaics_and_colour_as_they_come_and_the_stream_their_gray(
    tmp_path: Path, pixel_format: str, kept_as: str, shape: tuple[int, ...]
) -> None:
    done, report = make_run(
        tmp_path,
        *("--basler.width", "64", "--basler.height", "48", "--basler.pixel-format", pixel_format),
        *("--fps", "50", "--frames", "100", "--archive", "originals"),
    )
    assert report["problems"] == [], done.stderr
    assert (done.returncode, report["frames_archived"]) == (0, 100)
    run = RecordedRun(Path(report["archive"]))
    frames = run.read(0, 100)
    assert (run.pixel_format, frames.shape) == (kept_as, (100, *shape))
    assert frames.dtype == np.uint16
    assert frames.max() > 255
    stream: Any = zarr.open_group(tmp_path / report["output"] / "frames.zarr", mode="r")
    np.testing.assert_array_equal(stream["frames"][:], run.gray(frames))


def test_the_archive_has_all_bits_and_the_stream_the_upper_eight(tmp_path: Path) -> None:
    done, report = make_run(
        tmp_path,
        *("--basler.width", "64", "--basler.height", "48", "--basler.pixel-format", "Mono12"),
        *("--fps", "100", "--frames", "300", "--archive", "originals"),
    )
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
