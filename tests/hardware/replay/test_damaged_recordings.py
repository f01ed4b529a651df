"""Damaged recordings end in a sentence, whatever is wrong with them; see `fuzzing` for many more of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hardware.replay.fuzzing import try_to_read, write_mutated
from tests.hardware.replay.good_recordings import SEEDS

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write(tmp_path_factory.mktemp(kind)) for kind, write in SEEDS.items()}


@pytest.mark.parametrize("kind", SEEDS)
def test_each_file_that_is_to_be_damaged_can_be_read_before(kind: str, good: dict[str, Path]) -> None:
    assert try_to_read(kind, good[kind]) is None


@pytest.mark.parametrize("kind", SEEDS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False, note_method_calls=False))
def test_a_damaged_recording_is_read_or_refused_in_one_line(
    kind: str, good: dict[str, Path], random: Random
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        why = try_to_read(kind, write_mutated(kind, random, good[kind], folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert why is None or "\n" not in why


def test_pages_of_a_tiff_that_lead_in_a_circle_end_somewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for side in (20, 24):
            writer.write(np.zeros((side, side), np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
        ends = [page.offset + 2 + 12 * len(page.aspage().tags) for page in file.pages]
    content = bytearray(path.read_bytes())
    content[ends[-1] : ends[-1] + 4] = offsets[0].to_bytes(4, "little")
    path.write_bytes(content)
    why = try_to_read("tiff", path)
    assert why is not None
    assert str(path) in why
