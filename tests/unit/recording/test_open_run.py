"""A run as an xarray dataset: what is in it, and no more of it read than is asked for."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.recording.conftest import DATA_ID, FPS, START_MS, add_chunk, begin_run, record

from rheed_acquire import RheedAcquireError, SettingsError, open_run
from rheed_acquire.recording.shards import read_index

RNG = np.random.default_rng(3)
SIZE = 8
"""Frames in a full chunk."""
FRAMES = RNG.integers(1, 256, (3 * SIZE, 5, 7), np.uint8)


def cut(frames: NDArray[np.uint8], size: int = SIZE) -> list[tuple[int, NDArray[np.uint8]]]:
    return [(first // size, frames[first : first + size]) for first in range(0, len(frames), size)]


@pytest.fixture(autouse=True)
def one_thread() -> object:
    """What runs in one thread is told in order."""
    with dask.config.set(scheduler="synchronous"):
        yield


def test_a_run_has_its_frames_stamps_and_what_is_known_of_the_stream(tmp_path: Path) -> None:
    dataset = open_run(record(tmp_path / "run", cut(FRAMES[:20]), SIZE))
    assert dataset.frames.dims == ("time", "y", "x")
    assert dataset.frames.dtype == np.uint8
    assert dataset.frames.data.chunks == ((8, 8, 4), (5,), (7,)), "a chunk for each shard"
    np.testing.assert_array_equal(dataset.frames, FRAMES[:20])
    assert dataset.time.dtype == np.dtype("datetime64[ns]")
    start_ns = np.datetime64(START_MS * 1_000_000, "ns")
    offsets_ns = (dataset.time.to_numpy() - start_ns).astype(np.int64)
    np.testing.assert_allclose(offsets_ns, np.arange(20) * 1e9 / FPS, atol=1e6)
    assert dataset.frame_id.to_numpy().tolist() == list(range(20))
    assert dataset.frame_id.attrs["numbered_by"] == "chunks"
    assert dataset["chunk"].to_numpy().tolist() == [number // SIZE for number in range(20)]
    told = {
        key: dataset.attrs[key] for key in ("name", "data_id", "fps", "rotations_per_min", "azimuth_label")
    }
    assert told == {
        "name": "growth",
        "data_id": DATA_ID,
        "fps": FPS,
        "rotations_per_min": 6.0,
        "azimuth_label": "[110]",
    }
    assert "project_id" not in dataset.attrs, "what is not known is not there"


def test_the_attributes_can_be_written_into_any_file(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    run.link(physical_sample={"id": "s1", "name": "sample"}, tags=[{"id": "t1", "name": "GaAs"}])
    add_chunk(run, 0, FRAMES[:3], SIZE)
    run.close("test")
    attributes = open_run(run.folder).attrs
    assert (attributes["physical_sample"], attributes["physical_sample_id"]) == ("sample", "s1")
    assert attributes["tags"] == ["GaAs"]
    assert all(isinstance(value, str | float | int | list) for value in attributes.values())


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, list[tuple[int, NDArray[np.uint8]]]]:
    """A chunk size, and chunks of which some are short or never came, in the order of their coming."""
    size = draw(st.integers(1, 6))
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    indices = draw(st.lists(st.integers(0, 7), min_size=1, max_size=6, unique=True))
    counts = [draw(st.integers(1, size)) for _ in indices]
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    return size, [
        (index, generator.integers(0, 256, (count, height, width), np.uint8))
        for index, count in zip(indices, counts, strict=True)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(run=runs(), closed=st.booleans(), data=st.data())
def test_whatever_the_chunks_it_is_what_zarr_reads(
    run: tuple[int, list[tuple[int, NDArray[np.uint8]]]], closed: bool, data: st.DataObject
) -> None:
    size, chunks = run
    with tempfile.TemporaryDirectory() as scratch:
        folder = record(Path(scratch) / "run", chunks, size, closed=closed)
        group: Any = zarr.open_group(folder / "frames.zarr", mode="r")
        stored, times = np.asarray(group["frames"][:]), np.asarray(group["time_unix_ms"][:])
        there = np.flatnonzero(np.isfinite(times))
        dropped, kept = open_run(folder), open_run(folder, missing="keep")
        assert dropped.frames.to_numpy().tobytes() == stored[there].tobytes()
        expected_ns = [round(ms) * 10**6 for ms in times[there]]
        np.testing.assert_allclose(dropped.time.to_numpy().astype(np.int64), expected_ns, atol=5e5)
        numbers = [
            index * size + place
            for index, frames in sorted(chunks, key=first)
            for place in range(len(frames))
        ]
        assert dropped.frame_id.to_numpy().tolist() == numbers, "the same while it is open and afterwards"
        assert dropped["chunk"].to_numpy().tolist() == [number // size for number in numbers]
        whole = np.zeros((numbers[-1] + 1, *stored.shape[1:]), np.uint8)
        whole[numbers] = stored[there]
        assert kept.frames.to_numpy().tobytes() == whole.tobytes()
        assert kept.frame_id.to_numpy().tolist() == list(range(len(whole)))
        assert np.flatnonzero(~np.isnat(kept.time.to_numpy())).tolist() == numbers
        for dataset, expected in ((dropped, stored[there]), (kept, whole)):
            number = data.draw(st.integers(-len(expected), len(expected) - 1))
            np.testing.assert_array_equal(dataset.frames[number], expected[number])
            part = data.draw(st.slices(len(expected)))
            np.testing.assert_array_equal(dataset.frames[part, ::-1, 1:], expected[part, ::-1, 1:])
            some = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=4))
            np.testing.assert_array_equal(dataset.frames[some, 0], expected[some, 0])


def first(chunk: tuple[int, NDArray[np.uint8]]) -> int:
    return chunk[0]


def spoil(folder: Path, place: int, spared: Sequence[int]) -> None:
    """Overwrite the bytes of all frames of a shard but some, so that whoever decodes one of them fails."""
    shard = folder / f"frames.zarr/frames/c/{place}/0/0"
    with shard.open("r+b") as file:
        for number, (offset, length) in enumerate(read_index(file, SIZE)):
            if number not in spared:
                file.seek(offset)
                file.write(b"\xff" * length)


def test_one_frame_is_read_without_decoding_another(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", cut(FRAMES), SIZE)
    spoil(folder, 0, ())
    spoil(folder, 1, (3,))
    shutil.rmtree(folder / "frames.zarr/frames/c/2")
    frames = open_run(folder).frames
    wanted = FRAMES[SIZE + 3]
    np.testing.assert_array_equal(frames[SIZE + 3], wanted)
    np.testing.assert_array_equal(frames.isel(time=slice(SIZE + 3, SIZE + 4))[0], wanted)
    np.testing.assert_array_equal(frames[SIZE + 3, 1:3, 2], wanted[1:3, 2])
    moment = frames.time[SIZE + 3].to_numpy()
    np.testing.assert_array_equal(frames.sel(time=moment), wanted)
    assert float(frames[SIZE + 3].mean()) == pytest.approx(wanted.mean())
    with pytest.raises(RheedAcquireError, match=r"frames 12 to 12 of .* cannot be read"):
        frames[SIZE + 4].compute()


def test_every_nth_frame_is_read_without_decoding_those_between(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", cut(FRAMES), SIZE)
    for place in range(3):
        spoil(folder, place, (0, 4))
    np.testing.assert_array_equal(open_run(folder).frames[::4], FRAMES[::4])


def test_opening_reads_no_shard(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", cut(FRAMES), SIZE)
    shutil.rmtree(folder / "frames.zarr/frames/c")
    dataset = open_run(folder)
    assert dataset.sizes["time"] == len(FRAMES)
    assert dataset.frames[4:].shape == (len(FRAMES) - 4, 5, 7)


def test_a_shard_that_got_lost_is_no_black_frame(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", cut(FRAMES), SIZE)
    shutil.rmtree(folder / "frames.zarr/frames/c/1")
    frames = open_run(folder).frames
    np.testing.assert_array_equal(frames[:SIZE], FRAMES[:SIZE])
    with pytest.raises(RheedAcquireError, match=r"damaged: there is no file frames.zarr/frames/c/1/0/0"):
        frames.compute()


def test_a_run_that_goes_on_opens_with_what_is_there_so_far(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    empty = open_run(run.folder)
    assert empty.frames.compute().shape == (0, 0, 0)
    assert empty.attrs["state"] == "open"
    add_chunk(run, 0, FRAMES[:SIZE], SIZE)
    before = open_run(run.folder)
    add_chunk(run, 1, FRAMES[SIZE : 2 * SIZE], SIZE)
    run.close("test")
    np.testing.assert_array_equal(before.frames, FRAMES[:SIZE])
    after = open_run(run.folder)
    np.testing.assert_array_equal(after.frames, FRAMES[: 2 * SIZE])
    assert after.attrs["state"] == "closed"


def test_frames_that_have_moved_since_are_never_taken_for_others(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    add_chunk(run, 0, FRAMES[:SIZE], SIZE)
    add_chunk(run, 2, FRAMES[SIZE : 2 * SIZE], SIZE)
    dataset = open_run(run.folder)
    np.testing.assert_array_equal(dataset.frames, FRAMES[: 2 * SIZE])
    run.close("test")
    with pytest.raises(RheedAcquireError, match=r"has ended, .* open it again"):
        dataset.frames[SIZE].compute()
    again = open_run(run.folder)
    np.testing.assert_array_equal(again.frames, FRAMES[: 2 * SIZE])
    np.testing.assert_array_equal(again.frame_id, dataset.frame_id)
    np.testing.assert_array_equal(again.time, dataset.time)


def test_what_is_opened_goes_to_another_process(tmp_path: Path) -> None:
    dataset = open_run(record(tmp_path / "run", cut(FRAMES), SIZE))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset)).frames, FRAMES)


def test_the_group_alone_is_enough(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", cut(FRAMES), SIZE)
    moved = (folder / "frames.zarr").rename(tmp_path / "copy.zarr")
    dataset = open_run(str(moved))
    np.testing.assert_array_equal(dataset.frames, FRAMES)
    assert dataset.attrs["name"] == "growth"


def test_ids_that_the_recording_has_been_told_are_the_cameras(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", cut(FRAMES[:4]), SIZE)
    group = zarr.open_group(folder / "frames.zarr", mode="a")
    group.create_array("frame_id", data=np.array([7, 8, 10, 11]))
    frame_id = open_run(folder).frame_id
    assert frame_id.to_numpy().tolist() == [7, 8, 10, 11]
    assert frame_id.attrs["numbered_by"] == "camera"


@pytest.mark.parametrize("missing", ["drop", "keep"])
def test_a_dataset_is_saved_and_read_back_as_it_was(tmp_path: Path, missing: str) -> None:
    folder = record(tmp_path / "run", [(0, FRAMES[:SIZE]), (2, FRAMES[SIZE : SIZE + 3])], SIZE)
    dataset = open_run(folder, missing=missing)  # type: ignore[arg-type]
    dataset.chunk({"time": 4}).to_zarr(tmp_path / "saved.zarr", consolidated=False)
    again = xarray.open_zarr(tmp_path / "saved.zarr", consolidated=False)
    xarray.testing.assert_equal(again.compute(), dataset.compute())


def test_what_is_no_run_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RheedAcquireError, match=r"there is no folder .*nowhere"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(RheedAcquireError, match="holds no recording"):
        open_run(tmp_path)
    (tmp_path / "zarr.json").write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}})
    )
    with pytest.raises(RheedAcquireError, match="is not a run's"):
        open_run(tmp_path)
    with pytest.raises(SettingsError, match="missing must be 'drop' or 'keep', not 'fill'"):
        open_run(tmp_path, missing="fill")  # type: ignore[arg-type]


@pytest.mark.parametrize("package", ["xarray", "dask", "zarr"])
def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, package: str) -> None:
    folder = record(tmp_path / "run", cut(FRAMES), SIZE)
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import rheed_acquire\n"
        f"try: rheed_acquire.open_run({str(folder)!r})\n"
        "except rheed_acquire.SettingsError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"needs {package}" in done.stdout
    assert "pip install" in done.stdout
    assert "rheed-acquire[analysis]" in done.stdout
