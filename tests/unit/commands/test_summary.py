"""What a run's summary says of where its frames are, and of how many bits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rheed_acquire.cameras.camera import CameraInfo, DeviceInfo
from rheed_acquire.commands.summary import print_summary
from rheed_acquire.run.report import RunInfo, RunReport

HINT = "8 of the camera's 12 bits: --archive DIR keeps all"


def summary(
    capsys: pytest.CaptureFixture[str], pixel_format: str, output: Path | None, archive: Path | None
) -> str:
    camera = CameraInfo(DeviceInfo("any"), 8, 8, pixel_format, 50.0)
    info = RunInfo("1", camera, 50.0, 0.0, 100, datetime.now(UTC), output, archive=archive)
    report = RunReport(info, datetime.now(UTC), frames_archived=90, frames_not_archived=10)
    print_summary(report)
    return capsys.readouterr().out


def test_a_deep_camera_that_is_recorded_in_eight_bits_is_told_of_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert summary(capsys, "Mono12p", tmp_path, None).count(HINT) == 1
    for pixel_format, output, archive in (
        ("Mono8", tmp_path, None),
        ("Mono12p", tmp_path, tmp_path),
        ("Mono12p", None, None),
    ):
        assert "--archive" not in summary(capsys, pixel_format, output, archive)


@pytest.mark.parametrize(
    ("pixel_format", "lacks"),
    [
        ("RGB8", "gray of its RGB8"),
        ("BayerRG12p", "8 of the camera's 12 bits and gray of its BayerRG12p"),
    ],
)
def test_a_colour_camera_that_is_recorded_in_gray_is_told_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, pixel_format: str, lacks: str
) -> None:
    assert f"frames.zarr, {lacks}: --archive DIR keeps all" in summary(capsys, pixel_format, tmp_path, None)
    assert "gray of" not in summary(capsys, pixel_format, tmp_path, tmp_path)


def test_an_archive_is_said_to_lie_where_with_how_many_frames(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = summary(capsys, "Mono12p", None, tmp_path / "archive")
    (line,) = [line for line in said.splitlines() if line.startswith("  archive")]
    assert "frames.zarr, 90 frames of 12 bits, 10 not archived" in line
