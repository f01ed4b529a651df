"""Archives as recordings: what the camera delivered comes again, in colour and behind mosaics too."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.recording.archive import Archive, free_folder
from rheed_acquire.recording.declarations import StreamDeclaration

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

HEIGHT, WIDTH, COUNT = 6, 8, 5
DATA_ID = "00000001-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("pixel_format", "played_as"),
    [("BayerGB8",) * 2, ("BayerRG12p", "BayerRG12"), ("RGB8",) * 2, ("BGR8",) * 2, ("RGB12",) * 2],
)
def test_an_archive_is_replayed_in_its_own_pixel_format(
    stage: Stage, tmp_path: Path, pixel_format: str, played_as: str
) -> None:
    form = FrameForm(HEIGHT, WIDTH, pixel_format)
    top = 256 if form.dtype.itemsize == 1 else 1 << form.bits
    pixels = np.random.default_rng(0).integers(0, top, (COUNT, *form.shape)).astype(form.dtype)
    declared = StreamDeclaration("growth", 50.0, 0.0, None, None, None)
    folder = free_folder(tmp_path, declared.name, DATA_ID, datetime(2026, 11, 28, tzinfo=UTC))
    archive = Archive.create(folder, DATA_ID, declared, form)
    numbers = np.arange(COUNT)
    chunk = Chunk(
        0,
        pixels=pixels,
        form=form,
        frame_ids=numbers,
        timestamps_ns=numbers * 20_000_000,
        host_ns=numbers * 20_000_000,
        capture_start_ms_utc=stage.began_ms,
    )
    archive.add(chunk, COUNT, 0)
    archive.close("test")
    played = stage.play_all(folder, None)
    assert (played.info.pixel_format, played.info.fps) == (played_as, 50.0)
    frames = form.samples_of()(pixels)
    assert played.frames.dtype == frames.dtype
    np.testing.assert_array_equal(played.frames, frames)
