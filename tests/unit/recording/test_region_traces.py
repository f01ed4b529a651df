"""What was measured of an archive's regions lies beside its frames, whatever becomes of both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.recording.archive import Archive, free_folder
from rheed_acquire.recording.dataset import open_run
from rheed_acquire.recording.declarations import StreamDeclaration
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.regions.chunk_traces import ChunkTrace, measure_chunk
from rheed_acquire.regions.regions import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT, WIDTH, SIZE = 6, 8, 5
FORM = FrameForm(HEIGHT, WIDTH, "Mono12p")
DATA_ID = "00000001-0000-4000-8000-000000000000"
REGIONS = (
    Region(name="specular", x=1, y=1, width=2, height=3),
    Region(name="specular", x=3, y=1, width=2, height=3),  # where it was moved to
    Region(name="streak", x=0, y=0, width=8, height=6),
)


def begin(directory: Path) -> Archive:
    declared = StreamDeclaration("growth", 120.0, 0.0, None, None, None)
    folder = free_folder(directory, declared.name, DATA_ID, datetime(2026, 11, 28, tzinfo=UTC))
    return Archive.create(folder, DATA_ID, declared, FORM)


def chunk_of(index: int, count: int) -> Chunk:
    random = np.random.default_rng(index)
    numbers = index * SIZE + np.arange(count)
    return Chunk(
        index,
        pixels=random.integers(0, 256, (count, *FORM.shape)).astype(np.uint8),
        form=FORM,
        frame_ids=numbers,
        timestamps_ns=numbers * 1000,
        host_ns=numbers * 8_333_333,
        capture_start_ms_utc=1_700_000_000_000.0 + index * SIZE * 8.3,
    )


def measured(chunk: Chunk, regions: Sequence[Region], since: int = 0) -> tuple[ChunkTrace, ...]:
    """What a tap says of a chunk whose regions were drawn before frame ``since`` of it."""
    traces = measure_chunk(chunk.form.levels_of()(chunk.pixels), regions)
    for trace in traces:
        trace.mean[:since] = trace.maximum[:since] = np.nan
    return traces


def table(chunks: Sequence[tuple[int, tuple[ChunkTrace, ...]]], what: str) -> dict[str, list[float]]:
    """What the archive must say of each region, by its name and place, of chunks of so many frames."""
    known: dict[str, list[float]] = {}
    frames = 0
    for count, traces in chunks:
        for trace in traces:
            column = known.setdefault(trace.region.placed_name, [])
            column += [np.nan] * (frames - len(column)) + getattr(trace, what).tolist()
        frames += count
    return {name: column + [np.nan] * (frames - len(column)) for name, column in known.items()}


def told(path: Path, name: str) -> dict[str, NDArray[Any]]:
    """What zarr-python reads of it."""
    group: Any = zarr.open_group(path, mode="r")
    if name not in group:
        return {}
    regions = [Region(**fields) for fields in group[name].attrs["regions"]]
    return {region.placed_name: column for region, column in zip(regions, group[name][:].T, strict=True)}


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, SIZE), st.booleans(), st.sets(st.sampled_from(range(3))), st.integers(0, 2)),
        min_size=1,
        max_size=7,
    ),
    st.integers(0, 7),
)
def test_each_region_has_a_column_with_its_levels_in_the_frames_in_which_it_was_followed(
    tmp_path_factory: pytest.TempPathFactory,
    script: list[tuple[int, bool, set[int], int]],
    dies_after: int,
) -> None:
    archive = begin(tmp_path_factory.mktemp("archive"))
    kept: list[tuple[int, tuple[ChunkTrace, ...]]] = []
    for index, (count, comes, followed, since) in enumerate(script):
        if index == dies_after:
            archive = Archive.resume(archive.folder)
        if comes or not kept:
            chunk = chunk_of(index, count)
            traces = measured(chunk, [REGIONS[one] for one in sorted(followed)], since)
            archive.add(chunk, SIZE, 0, traces=traces)
            kept.append((count, traces))
        whole = open_run(archive.folder)
        assert whole.sizes["time"] == sum(count for count, _ in kept)
        if "region_mean" in whole:
            means = table(kept, "mean").values()
            np.testing.assert_array_equal(whole["region_mean"].values.T, np.array([*means]))
    archive.close("test")
    for name, what in (("region_mean", "mean"), ("region_maximum", "maximum")):
        expected, found = table(kept, what), told(archive.group, name)
        assert list(found) == list(expected)
        for region, column in expected.items():
            np.testing.assert_array_equal(found[region], column)
    assert not (archive.folder / "numbers").exists()


def test_open_run_names_the_regions_and_reads_only_what_is_chosen(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    chunks = [chunk_of(index, SIZE) for index in (0, 2)]
    for chunk in chunks:
        archive.add(chunk, SIZE, 0, traces=measured(chunk, REGIONS[1:]))
    archive.close("test")
    run = open_run(archive.folder)
    assert run["region"].values.tolist() == ["specular", "streak"]
    assert [run[f"region_{one}"].values.tolist() for one in ("x", "y", "width", "height")] == [
        [3, 0],
        [1, 0],
        [2, 8],
        [3, 6],
    ]
    streak = np.concatenate([measured(chunk, REGIONS[2:])[0].mean for chunk in chunks])
    traces = run["region_mean"]
    np.testing.assert_array_equal(traces[:, 1].values, streak)
    np.testing.assert_array_equal(traces[3, 1].values, streak[3])
    np.testing.assert_array_equal(traces[[1, 4, 8], 1].values, streak[[1, 4, 8]])
    np.testing.assert_array_equal(traces[2:9:3, [1, 0]].values[:, 0], streak[2:9:3])
    whole = open_run(archive.folder, missing="keep")["region_mean"][:, 1].values
    np.testing.assert_array_equal(whole, [*streak[:SIZE], *[np.nan] * SIZE, *streak[SIZE:]])


def test_a_chunk_that_only_the_ring_of_a_dead_process_had_is_measured_with_the_regions_before(
    tmp_path: Path,
) -> None:
    dead = begin(tmp_path)
    chunks = [chunk_of(index, SIZE) for index in range(2)]
    dead.add(chunks[0], SIZE, 0, traces=measured(chunks[0], REGIONS[1:]))
    later = Archive.resume(dead.folder)
    later.add(chunks[1], SIZE, 0)
    later.close("recovered")
    expected = [measured(chunk, REGIONS[1:])[1].maximum for chunk in chunks]
    np.testing.assert_array_equal(
        open_run(dead.folder)["region_maximum"][:, 1].values, np.concatenate(expected)
    )


def test_a_run_without_regions_has_no_arrays_of_them(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    archive.add(chunk_of(0, SIZE), SIZE, 0)
    archive.close("test")
    assert not list(archive.group.glob("region*"))
    assert list(open_run(archive.folder).data_vars) == ["frames"]


def test_regions_that_were_damaged_are_told_in_words(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    chunk = chunk_of(0, SIZE)
    archive.add(chunk, SIZE, 0, traces=measured(chunk, REGIONS))
    archive.close("test")
    metadata = archive.group / "region_mean" / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"width": 2', '"width": -2'))
    with pytest.raises(RheedAcquireError, match="is damaged: its regions"):
        RecordedRun(archive.folder).regions()
