"""HDF5 files that other programs fill in their own ways: which frames are there, and when they were taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.hardware.growing.writers import BEGAN_S

from rheed_acquire import CameraError
from rheed_acquire_growing.hdf5_swmr import GrowingHdf5
from rheed_acquire_replay.tiff_facts import EPICS_EPOCH_S

COUNT = 4
GOOD_S = BEGAN_S - EPICS_EPOCH_S + np.arange(COUNT) / 10
ZERO = np.zeros(COUNT)


def written(path: Path, **beside: Any) -> GrowingHdf5:
    """A file of areaDetector's with numbers beside its frames, as it is followed."""
    with h5py.File(path, "w", libver="latest") as file:
        frames = np.ones((COUNT, 6, 8), np.uint8)
        file.create_dataset("entry/data", data=frames, maxshape=(None, 6, 8), chunks=(1, 6, 8))
        for name, values in beside.items():
            file.create_dataset(f"entry/{name}", data=values, maxshape=(None,), chunks=(256,))
    growing = GrowingHdf5(path)
    growing.look()
    return growing


@pytest.mark.parametrize(
    ("beside", "told_by"),
    [
        (
            {"NDArrayEpicsTSSec": np.floor(GOOD_S).astype("u4"), "NDArrayEpicsTSnSec": ZERO.astype("u4")},
            "NDArrayEpicsTSSec",
        ),
        (
            {
                "NDArrayEpicsTSSec": ZERO.astype("u4"),
                "NDArrayEpicsTSnSec": ZERO.astype("u4"),
                "NDArrayTimeStamp": GOOD_S,
            },
            "NDArrayTimeStamp",
        ),
        (
            {
                "NDArrayEpicsTSSec": ZERO.astype("u4"),
                "NDArrayEpicsTSnSec": ZERO.astype("u4"),
                "NDArrayTimeStamp": ZERO,
                "timestamps": GOOD_S + EPICS_EPOCH_S,
            },
            "timestamps",
        ),
        ({"NDArrayTimeStamp": ZERO}, None),
        ({"NDArrayEpicsTSSec": ZERO.astype("u4"), "NDArrayEpicsTSnSec": ZERO.astype("u4")}, None),
    ],
)
def test_a_time_that_a_driver_has_not_filled_in_dates_no_frame(
    tmp_path: Path, beside: dict[str, Any], told_by: str | None
) -> None:
    growing = written(tmp_path / "growth.h5", **beside)
    try:
        taken_s = [growing.time_ns(number) / 1e9 for number in range(COUNT)]
        assert growing.dated_by == (None if told_by is None else f"of each frame, by entry/{told_by}")
        if told_by is None:
            written_s = (tmp_path / "growth.h5").stat().st_mtime
            assert all(abs(one - written_s) < 60 for one in taken_s)
        else:
            assert [int(one) for one in taken_s] == [BEGAN_S] * COUNT
    finally:
        growing.close()


def test_a_dataset_that_has_its_full_size_while_it_is_written_is_refused_and_taken_once_it_is_closed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "growth.h5"
    with h5py.File(path, "w", libver="latest") as file:
        frames = file.create_dataset("frames", (10, 6, 8), "uint8")
        frames[:3] = 1
        file.swmr_mode = True
        growing = GrowingHdf5(path)
        growing.look()
        assert growing.count == 0
        assert "not chunked" in str(growing.kept_out)
        while not growing.has_settled:
            pass
        with pytest.raises(CameraError, match="nobody can tell which of its frames are written"):
            growing.look()
        growing.close()
        frames[:] = 1
    growing = GrowingHdf5(path)
    growing.look()
    assert growing.count == 10
    growing.close()
