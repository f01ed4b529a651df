"""Damaged files that are followed; the fuzzing of `tests.hardware.replay` tries many more of them."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import pytest

from rheed_acquire import CameraError
from rheed_acquire_growing.growing_file import GrowingFile
from rheed_acquire_growing.hdf5_swmr import GrowingHdf5
from rheed_acquire_growing.kinds import open_growing


def look_until_it_ends(file: GrowingFile) -> None:
    try:
        while True:
            file.look()
            time.sleep(0.02)
    finally:
        file.close()


def test_hdf5_comes_back_from_a_damaged_file_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "growth.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("frames", (4, 48, 64), "uint8", maxshape=(None, 48, 64), chunks=(1, 48, 64))
        at = h5py.h5o.get_info(file["frames"].id).addr
        file.swmr_mode = True
        file["frames"][:] = 1
    content = bytearray(path.read_bytes())
    content[at + 20] ^= 0xFF  # in the header of the dataset, which has a checksum
    path.write_bytes(content)
    with pytest.raises(CameraError, match="checksum"):
        look_until_it_ends(open_growing(path, None, None))


def test_an_hdf5_file_whose_first_bytes_are_damaged_says_what_keeps_it_from_being_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "growth.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["frames"] = [[[1]]]
    content = bytearray(path.read_bytes())
    content[9] = 0xFF  # how long lengths are
    path.write_bytes(content)
    growing = GrowingHdf5(path)
    growing.look()
    growing.close()
    assert growing.count == 0
    assert "superblock" in (growing.kept_out or "")
