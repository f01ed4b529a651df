"""Times of frames in the units, epochs and texts that programs write, and the order of frames in time."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile

from rheed_acquire_replay.axes import Axes
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.moments import as_times
from rheed_acquire_replay.options import Options

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

BEGAN_S = 1_767_225_600
"""2026-01-01, 0:00 UTC."""
SINCE_S = np.array([0.0, 0.04, 0.08, 0.13, 0.16])
LOCAL_S = (datetime(2026, 1, 1) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001


def ticks(epoch_s: int) -> Any:
    """Count 100 ns from an epoch on."""
    return (BEGAN_S - epoch_s) * 10**7 + np.round(SINCE_S * 1e7).astype(np.int64)


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (BEGAN_S + SINCE_S, None),
        (BEGAN_S * 10**6 + np.round(SINCE_S * 1e6).astype(np.int64), None),
        (BEGAN_S + SINCE_S + 2_082_844_800, None),
        (BEGAN_S + SINCE_S + 2_082_844_800, "s"),
        (ticks(-11_644_473_600), None),
        (ticks(-62_135_596_800), None),
        (np.datetime64("2026-01-01") + np.round(SINCE_S * 1e3).astype("timedelta64[ms]"), None),
        (np.array([f"2026-01-01T00:00:00.{round(one * 1000):03d}Z" for one in SINCE_S]), None),
        (np.array([f"2026-01-01 01:00:00.{round(one * 1000):03d}+01:00".encode() for one in SINCE_S]), None),
    ],
    ids=["unix", "us", "1904", "1904-unit", "filetime", "dotnet", "datetime64", "iso", "iso-bytes"],
)
def test_a_date_is_the_same_however_it_is_counted(values: Any, unit: str | None) -> None:
    taken = as_times(values, unit)
    assert taken is not None
    since, began, _ = taken
    assert began is not None
    assert began / 1e9 == pytest.approx(BEGAN_S, abs=1e-3)
    np.testing.assert_allclose(since / 1e9, SINCE_S, atol=1e-6)


@pytest.mark.parametrize("epoch_days", [25_569, 719_529], ids=["ole", "datenum"])
def test_days_are_counted_in_local_time(epoch_days: int) -> None:
    taken = as_times((LOCAL_S + SINCE_S) / 86_400 + epoch_days, None)
    assert taken is not None
    since, began, how = taken
    assert began is not None
    assert "local time" in how
    assert began / 1e9 == pytest.approx(datetime(2026, 1, 1).timestamp(), abs=1e-3)  # noqa: DTZ001
    np.testing.assert_allclose(since / 1e9, SINCE_S, atol=1e-4)


def test_seconds_of_a_long_growth_are_no_days() -> None:
    taken = as_times(46_023 + np.arange(5) / 1000, None)
    assert taken is not None
    np.testing.assert_allclose(taken[0] / 1e6, np.arange(5), atol=1e-6)
    assert taken[1] is None


@pytest.mark.parametrize("kind", ["fixed", "variable", "chunked"])
def test_texts_beside_frames_date_them(tmp_path: Path, stage: Stage, kind: str) -> None:
    texts = [f"2026-01-01T00:00:00.{round(one * 1000):03d}Z" for one in SINCE_S]
    how = {"chunks": (2,), "maxshape": (None,)} if kind == "chunked" else {}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = stage.frames(5, 24, 32)
        dtype = "S40" if kind == "fixed" else h5py.string_dtype()
        file.create_dataset("Timestamps", data=texts, dtype=dtype, **how)
    recording = open_recording(tmp_path / "a.h5")
    recording.close()
    assert recording.captured_ns == BEGAN_S * 10**9
    assert recording.source.times_ns is not None
    np.testing.assert_allclose(recording.source.times_ns / 1e9, SINCE_S, atol=1e-6)


def test_a_damaged_length_of_a_text_beside_frames_is_not_believed(tmp_path: Path, stage: Stage) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = stage.frames(3, 24, 32)
        file["timestamps"] = [f"2026-01-01T00:00:0{number}Z" for number in range(3)]
        at = file["timestamps"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[at + 16 : at + 20] = (0x60000000).to_bytes(4, "little")
    path.write_bytes(content)
    recording = open_recording(path)
    recording.close()
    assert recording.captured_ns is None
    assert any("timestamps" in warning for warning in recording.warnings)


def test_attributes_that_are_dates_date_datasets_of_a_frame_each(tmp_path: Path, stage: Stage) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number, frame in enumerate(stage.frames(5, 24, 32)):
            file[f"{number}/image"] = frame
            file[str(number)].attrs["timestamp"] = f"2026-01-01T00:00:00.{number * 40:03d}Z"
    recording = open_recording(tmp_path / "a.h5")
    recording.close()
    assert recording.captured_ns == BEGAN_S * 10**9
    assert recording.fps == pytest.approx(25.0)


@pytest.mark.parametrize("shape", [(4,), (5, 2)], ids=str)
@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.zarr"])
def test_times_that_do_not_fit_the_frames_are_told(
    tmp_path: Path, stage: Stage, name: str, shape: tuple[int, ...]
) -> None:
    import zarr

    arrays: dict[str, Any] = {"frames": stage.frames(5, 24, 32), "times": np.ones(shape)}
    if name == "a.npz":
        np.savez(tmp_path / name, frames=arrays["frames"], times=arrays["times"])
    elif name == "a.zarr":
        group = zarr.create_group(tmp_path / name)
        for called, values in arrays.items():
            group.create_array(called, data=values)
    else:
        with h5py.File(tmp_path / name, "w") as file:
            file.update(arrays)
    recording = open_recording(tmp_path / name)
    recording.close()
    assert recording.captured_ns is None
    assert any("times" in warning and "5 frames" in warning for warning in recording.warnings)


def test_arrays_of_matlab_are_upright(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(5, 24, 32)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["frames"], file["time"] = frames.transpose(0, 2, 1), SINCE_S[np.newaxis]
        file["frames"].attrs["MATLAB_class"] = np.bytes_("uint8")
    with (tmp_path / "a.mat").open("r+b") as opened:
        opened.write(b"MATLAB 7.3 MAT-file")
    played = stage.play_all(tmp_path / "a.mat", None)
    np.testing.assert_array_equal(played.frames, frames)
    np.testing.assert_allclose(np.diff(played.stamps) / 1e9, np.diff(SINCE_S), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.zip", "unpack"),
        ("a.mat", "-v7.3"),
        ("a.sif", "export"),
        ("a.raw", "--replay.raw"),
        ("a.xyz", "TIFF"),
    ],
)
def test_what_is_not_read_names_a_way_out(tmp_path: Path, stage: Stage, name: str, told: str) -> None:
    (tmp_path / name).write_bytes(b"something else" * 100)
    assert told in str(stage.refusal(tmp_path / name))


def test_a_file_without_a_known_name_is_told_by_its_content(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(3, 24, 32)
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
    (tmp_path / "a.tif").rename(tmp_path / "growth.001")
    np.testing.assert_array_equal(stage.play_all(tmp_path / "growth.001").frames, frames)


# ---- several frames at each step of time --------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "frames"),
    [("TYX", 1), ("TZYX", 3), ("TZCYX", 6), ("ZTYX", None), ("ZYX", 1), ("CYX", 1)],
)
def test_the_frames_in_a_step_are_those_that_lie_within(letters: str, frames: int | None) -> None:
    sizes = {"T": 4, "Z": 3, "C": 2, "Y": 20, "X": 24}
    assert Axes(letters, tuple(sizes[letter] for letter in letters)).frames_in_a_step("T") == frames


def test_an_interval_is_that_of_steps_in_time_and_not_of_their_slices(tmp_path: Path, stage: Stage) -> None:
    stack = stage.frames(12, 24, 32).reshape(4, 3, 24, 32)
    increment = {"axes": "TZYX", "TimeIncrement": 0.3, "TimeIncrementUnit": "s"}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TZYX", "finterval": 0.3})
    tifffile.imwrite(tmp_path / "b.ome.tif", stack, metadata=increment)
    for name in ("a.tif", "b.ome.tif"):
        played = stage.play_all(tmp_path / name, None)
        assert played.info.fps == pytest.approx(10.0)
        assert "0.3 s from T to T, with 3 frames in each" in dict(played.info.notes)["rate"]


def test_steps_in_time_that_lie_within_slices_are_told(tmp_path: Path, stage: Stage) -> None:
    stack = stage.frames(12, 24, 32).reshape(3, 4, 24, 32)
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata={"axes": "ZTYX", "TimeIncrement": 0.3})
    recording = open_recording(tmp_path / "a.ome.tif")
    recording.close()
    assert any("not in the order" in warning for warning in recording.warnings)


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_each_plane_has_its_own_delta_t_whatever_the_order_of_the_axes(
    tmp_path: Path, stage: Stage, axes: str
) -> None:
    shape = (3, 2, 24, 32) if axes == "TZYX" else (2, 3, 24, 32)
    steps, slices = range(3), range(2)
    # In the order in which the planes are stored.
    delta_t = (
        [step + place / 10 for step in steps for place in slices]
        if axes == "TZYX"
        else [step + place / 10 for place in slices for step in steps]
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, stage.frames(6, 24, 32).reshape(shape), metadata={"axes": axes, "Plane": {"DeltaT": delta_t}}
    )
    recording = open_recording(path, Options())
    recording.close()
    if axes == "TZYX":
        assert recording.source.times_ns is not None
        np.testing.assert_allclose(recording.source.times_ns / 1e9, [0, 0.1, 1, 1.1, 2, 2.1], atol=1e-6)
    else:
        assert recording.source.times_ns is None
        assert any("do not rise" in warning for warning in recording.warnings)


@pytest.mark.parametrize("unit", ["s", "ns", "days", None])
@pytest.mark.parametrize("last", [1e18, 1e300, np.finfo(np.float64).max])
def test_numbers_further_apart_than_any_recording_is_long_are_no_times(unit: str | None, last: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_times(np.array([0.0, 1.0, last]), unit) is None or (unit, last) == ("ns", 1e18)
        assert as_times(np.array([-last, 1.0, last]), unit) is None or (unit, last) == ("ns", 1e18)
