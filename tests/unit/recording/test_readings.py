"""Readings of other instruments in a run's folder, in its Zarr group, and for xarray."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.recording.conftest import START_MS, record

from rheed_acquire import RecordedRun, RheedAcquireError, open_run
from rheed_acquire.recording.layout import READINGS_FILE
from rheed_acquire.recording.readings import (
    Batch,
    ChannelReadings,
    append_readings,
    read_readings,
    thinned,
)
from rheed_acquire.recording.run_writer import RunWriter

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
PAIRS = st.tuples(st.floats(0, 4e12), NUMBERS)
BATCHES = st.lists(
    st.tuples(
        st.sampled_from(["temperature", "Fluß [Å/s]"]),
        st.lists(st.tuples(st.floats(0, 4e12), NUMBERS), min_size=1),
    ),
    max_size=8,
)
FRAMES = np.zeros((2, 4, 5), np.uint8)


@given(BATCHES, st.binary(max_size=30))
@settings(max_examples=40)
def test_readings_are_read_as_they_were_kept_also_behind_the_half_line_of_a_crash(
    batches: list[tuple[str, list[tuple[float, float]]]], torn: bytes
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        expected: dict[str, list[tuple[float, float]]] = {}
        for channel, pairs in batches:
            times, values = zip(*pairs, strict=True)
            append_readings(folder, [Batch(channel, "u", times, values)])
            expected.setdefault(channel, []).extend((round(time, 4), value) for time, value in pairs)
        with (folder / READINGS_FILE).open("ab") as file:
            file.write(b'{"channel": "temperature", "unit": null, "time_unix_ms": [1.0], "value": [' + torn)
        append_readings(
            folder, [Batch("last", None, [1.0, 2.0], [3.0, 4.0]), Batch("latest", None, [5.0], [6.0])]
        )
        found = {channel.name: channel for channel in read_readings(folder)}
        assert (found.pop("last").value.tolist(), found.pop("latest").value.tolist()) == ([3.0, 4.0], [6.0])
        if b"\n" not in torn:
            assert list(found) == list(expected)
        for channel, pairs in expected.items():
            in_order = sorted(pairs, key=lambda pair: pair[0])
            kept = found[channel]
            assert list(zip(kept.time_unix_ms.tolist(), kept.value.tolist(), strict=True)) == in_order


@pytest.mark.parametrize(
    "line",
    [
        *("", "5", "[]", "{}", '{"channel": "a", "unit": null, "time_unix_ms": [1], "value": []}'),
        '{"channel": "a", "unit": null, "time_unix_ms": [1], "value": ["x"]}',
        '{"channel": "a", "unit": null, "time_unix_ms": [1], "value": [NaN]}',
        '{"channel": "a", "unit": null, "time_unix_ms": [[1]], "value": [[1]]}',
        '{"channel": 5, "unit": null, "time_unix_ms": [1], "value": [1]}',
    ],
)
def test_a_line_that_holds_no_readings_is_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / READINGS_FILE).write_text(f"{line}\n", encoding="utf-8")
    append_readings(tmp_path, [Batch("a", "K", [1.0], [2.0])])
    (only,) = read_readings(tmp_path)
    assert (only.name, only.unit, only.value.tolist()) == ("a", "K", [2.0])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A closed run of two frames, with readings of two instruments."""
    folder = record(tmp_path / "run", [(0, FRAMES)], 2, closed=False)
    temperature = Batch("temperature", "K", [START_MS + 200.0, START_MS + 0.25], [651.5, 650.5])
    append_readings(folder, [temperature, Batch("shutter", None, [START_MS + 10.0], [1.0])])
    RunWriter.load(folder).close("test")  # as whatever finishes it after a crash
    return folder


def test_a_closed_run_has_its_readings_in_the_group_for_any_reader_of_zarr(run: Path) -> None:
    group: Any = zarr.open_group(run / "frames.zarr", mode="r")
    assert group["channel_0_time_unix_ms"][:].tolist() == [START_MS + 0.25, START_MS + 200.0]
    assert group["channel_0_value"][:].tolist() == [650.5, 651.5]
    assert dict(group["channel_0_value"].attrs)["channel"] == "temperature"
    assert group["channel_0_value"].attrs["unit"] == "K"
    assert group["channel_1_value"][:].tolist() == [1.0]
    assert "channel_2_value" not in group


def test_readings_are_read_from_the_folder_and_from_a_group_that_was_copied_alone(
    run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run / "frames.zarr", tmp_path / "copy" / "frames.zarr")
    for folder in (run, tmp_path / "copy"):
        temperature, shutter = RecordedRun(folder).readings()
        assert (temperature.name, temperature.unit, shutter.unit) == ("temperature", "K", None)
        assert temperature.value.tolist() == [650.5, 651.5]


def test_a_channel_is_a_variable_of_the_dataset_along_its_own_times(run: Path) -> None:
    dataset = open_run(run)
    temperature = dataset["temperature"]
    assert temperature.dims == ("temperature_time",)
    assert temperature.attrs["units"] == "K"
    first = np.datetime64(START_MS, "ms") + np.timedelta64(250, "us")
    assert float(temperature.sel(temperature_time=first)) == 650.5
    at_frames = temperature.reindex(temperature_time=dataset.time.values, method="ffill")
    assert np.isnan(at_frames.values[0])
    assert at_frames.values[1] == 650.5
    assert "units" not in dataset["shutter"].attrs
    assert dataset["frames"].shape == FRAMES.shape


def test_a_run_that_is_recorded_still_opens_with_what_has_been_read_so_far(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", [(0, FRAMES)], 2, closed=False)
    assert RecordedRun(folder).readings() == ()
    append_readings(folder, [Batch("flux", "nA", [START_MS + 1.0], [2.5])])
    assert open_run(folder)["flux"].values.tolist() == [2.5]


def test_readings_that_cannot_be_read_do_not_keep_a_run_from_its_end(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", [(0, FRAMES)], 2, closed=False)
    (folder / READINGS_FILE).mkdir()
    writer = RunWriter.load(folder)
    writer.close("test")
    assert writer.is_closed
    with pytest.raises(RheedAcquireError, match="cannot be read"):
        RecordedRun(folder).readings()


def channel(*pairs: tuple[float, float]) -> ChannelReadings:
    return ChannelReadings(
        "a", None, np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    )


def test_at_a_time_the_latest_reading_counts_and_before_the_first_there_is_none() -> None:
    found = channel((10.0, 1.0), (20.0, 2.0)).at(np.array([9.0, 10.0, 19.9, 20.0, 99.0])).tolist()
    assert np.isnan(found[0])
    assert found[1:] == [1.0, 1.0, 2.0, 2.0]
    assert np.isnan(channel().at(np.array([1.0]))).all()


@given(st.lists(st.floats(-1e9, 1e9), max_size=60), st.integers(1, 20))
def test_thinned_readings_keep_their_extremes(values: list[float], points: int) -> None:
    times, low, mean, high = thinned(channel(*enumerate(values)), points)
    assert len(times) == len(low) == len(mean) == len(high) <= points
    if values:
        assert (min(low), max(high)) == (min(values), max(values))
        slack = 1e-6
        assert all(a - slack <= b <= c + slack for a, b, c in zip(low, mean, high, strict=True))
