"""What photo cameras keep of their sensor, as LibRaw develops it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.hardware.replay.good_recordings import dng

from rheed_acquire_replay.formats import open_recording

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

MOSAIC = np.full((64, 96), 1000, np.uint16)
MOSAIC[:, 48:] = 3000
MOSAIC[:16] //= 2
LOSSLESS = {"compression": "jpeg", "compressionargs": {"lossless": True, "bitspersample": 12}}
ORIENTATION = 274


@pytest.mark.parametrize(
    ("bits", "how"),
    [(8, {}), (12, {}), (12, {"bitspersample": 12}), (12, LOSSLESS), (14, {}), (16, {})],
    ids=["8", "12", "12-packed", "12-compressed", "14", "16"],
)
def test_a_raw_picture_is_developed_from_any_depth(
    tmp_path: Path, stage: Stage, bits: int, how: dict[str, Any]
) -> None:
    mosaic = MOSAIC << (bits - 12) if bits >= 12 else (MOSAIC >> 4).astype(np.uint8)
    played = stage.play_all(dng(tmp_path / "a.dng", mosaic, white=(1 << bits) - 1, **how))
    assert played.info.pixel_format == "Mono16"
    left, right = played.frames[0][24:, 8:40].mean(), played.frames[0][24:, 56:88].mean()
    assert right / left == pytest.approx(3.0, rel=0.05)
    assert right == pytest.approx(3000 / 4095 * 65_535, rel=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_raw_picture_is_turned_as_pillow_turns_others(tmp_path: Path, orientation: int) -> None:
    from PIL import Image, ImageOps

    path = dng(tmp_path / "a.dng", MOSAIC, (ORIENTATION, 3, 1, orientation, True))
    (block,) = open_recording(path).source.blocks(0, 1)
    image = Image.fromarray((MOSAIC >> 4).astype(np.uint8))
    image.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert block.pixels[0].shape[:2] == expected.shape
    for rows in (slice(2, 6), slice(-6, -2)):
        for columns in (slice(2, 6), slice(-6, -2)):
            found = block.pixels[0][rows, columns].mean() / 65_535
            assert found == pytest.approx(expected[rows, columns].mean() / 255, abs=0.03)


def test_a_raw_picture_has_its_date(tmp_path: Path) -> None:
    path = dng(tmp_path / "a.dng", MOSAIC, datetime="2026:01:01 10:00:00")
    recording = open_recording(path)
    recording.close()
    assert recording.captured_ns == datetime(2026, 1, 1, 10).timestamp() * 1e9  # noqa: DTZ001
    undated = open_recording(dng(tmp_path / "b.dng", MOSAIC))
    undated.close()
    assert undated.captured_ns is None


@pytest.mark.parametrize("how", [{}, LOSSLESS], ids=["plain", "compressed"])
def test_a_raw_picture_that_is_cut_off_is_refused(tmp_path: Path, stage: Stage, how: dict[str, Any]) -> None:
    noise = np.random.default_rng(1).integers(0, 4096, (64, 96), np.uint16)
    path = dng(tmp_path / "a.dng", noise, **how)
    path.write_bytes(path.read_bytes()[: -noise.nbytes // 2])
    assert "a.dng cannot be read as an image" in str(stage.refusal(path))


def test_a_mosaic_in_a_tiff_is_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", MOSAIC, photometric=32803, metadata=None)
    recording = open_recording(tmp_path / "a.tif")
    recording.close()
    assert any("mosaic" in warning for warning in recording.warnings)
