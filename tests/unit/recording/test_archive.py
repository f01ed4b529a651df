"""Archives: every frame as the camera delivered it, readable by zarr-python, whatever ends the process."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.frames.gray_frames import make_gray
from rheed_acquire.recording.archive import Archive, check_archive, free_folder
from rheed_acquire.recording.dataset import open_run
from rheed_acquire.recording.declarations import StreamDeclaration
from rheed_acquire.recording.reading import RecordedRun

HEIGHT, WIDTH, SIZE = 6, 8, 5
START_MS = 1_700_000_000_000.25
PERIOD_NS = 8_333_333
DATA_ID = "00000001-0000-4000-8000-000000000000"
FORMATS = [
    *("Mono8", "Mono10", "Mono12", "Mono14", "Mono16", "Mono10p", "Mono12p", "Mono12Packed"),
    *("BayerRG8", "BayerGR10", "BayerGB12", "BayerBG16", "BayerRG10p", "BayerGB12p", "BayerBG12Packed"),
    *("RGB8", "BGR8", "RGB12", "BGR16"),
]


def begin(directory: Path, pixel_format: str = "Mono12", bit_shift: int | None = None) -> Archive:
    declared = StreamDeclaration("growth", 120.0, 6.0, 1200.0, None, "[110]")
    form = FrameForm(HEIGHT, WIDTH, pixel_format, bit_shift)
    folder = free_folder(directory, declared.name, DATA_ID, datetime(2026, 11, 28, tzinfo=UTC))
    return Archive.create(folder, DATA_ID, declared, form)


def frames_of(pixel_format: str, count: int, seed: int = 0) -> NDArray[Any]:
    form = FrameForm(HEIGHT, WIDTH, pixel_format)
    top = 256 if form.dtype.itemsize == 1 else 1 << form.bits
    return np.random.default_rng(seed).integers(0, top, (count, *form.shape)).astype(form.dtype)


def chunk_of(index: int, pixels: NDArray[Any], pixel_format: str = "Mono12") -> Chunk:
    numbers = index * SIZE + np.arange(len(pixels))
    return Chunk(
        index,
        pixels=pixels,
        form=FrameForm(HEIGHT, WIDTH, pixel_format),
        frame_ids=numbers + 100,
        timestamps_ns=numbers * 1000,
        host_ns=numbers * PERIOD_NS,
        capture_start_ms_utc=START_MS + index * SIZE * PERIOD_NS / 1e6,
        since_ns=np.arange(len(pixels)) * PERIOD_NS,
    )


def levels(pixel_format: str, pixels: NDArray[Any]) -> NDArray[Any]:
    form = FrameForm(HEIGHT, WIDTH, pixel_format)
    return form.samples_of()(pixels)


@settings(max_examples=30)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(1, SIZE), st.booleans()), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
def test_what_was_put_in_is_read_bit_by_bit_with_everything_known_of_each_frame(
    tmp_path_factory: pytest.TempPathFactory, pixel_format: str, chunks: list[tuple[int, bool]], seed: int
) -> None:
    archive = begin(tmp_path_factory.mktemp("archive"), pixel_format)
    kept: list[Chunk] = []
    for index, (count, comes) in enumerate(chunks):
        if comes or not kept:
            chunk = chunk_of(index, frames_of(pixel_format, count, seed + index), pixel_format)
            archive.add(chunk, SIZE, 1000)
            kept.append(chunk)
    archive.close("test")
    run = RecordedRun(archive.folder)
    expected = np.concatenate([levels(pixel_format, chunk.pixels) for chunk in kept])
    np.testing.assert_array_equal(run.read(0, len(run)), expected)
    assert run.dtype == expected.dtype
    assert run.bit_depth == FrameForm(HEIGHT, WIDTH, pixel_format).bits
    numbers = np.concatenate([chunk.frame_ids for chunk in kept])
    group: Any = zarr.open_group(archive.group, mode="r")
    np.testing.assert_array_equal(group["frame_id"][:], numbers)
    np.testing.assert_array_equal(group["camera_timestamp_ns"][:], (numbers - 100) * 1000)
    np.testing.assert_allclose(
        group["time_unix_ms"][:], START_MS + (numbers - 100) * PERIOD_NS / 1e6, atol=1e-3, rtol=0
    )
    np.testing.assert_allclose(group["arrival_unix_ms"][:], ((numbers - 100) * PERIOD_NS + 1000) / 1e6)
    gray = np.empty(expected.shape[:3], np.uint8)
    make_gray(np.concatenate([chunk.pixels for chunk in kept]), kept[0].form, gray)
    np.testing.assert_array_equal(run.gray(run.read(0, len(run))), gray)


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    frames = frames_of("Mono12", 2 * SIZE)
    for index in (0, 1):
        archive.add(chunk_of(index, frames[index * SIZE : (index + 1) * SIZE]), SIZE, 0)
        dataset = open_run(archive.folder)
        np.testing.assert_array_equal(dataset["frames"].values, frames[: (index + 1) * SIZE])
    assert dataset["frame_id"].attrs["numbered_by"] == "camera"
    assert dataset["frame_id"].values.tolist() == list(range(100, 100 + 2 * SIZE))
    assert (dataset.attrs["bit_depth"], dataset.attrs["pixel_format"]) == (12, "Mono12")


@pytest.mark.parametrize("pixel_format", ["Mono12", "RGB8"])
def test_a_later_process_goes_on_with_it_and_puts_nothing_in_twice(tmp_path: Path, pixel_format: str) -> None:
    frames = frames_of(pixel_format, 3 * SIZE)
    dead = begin(tmp_path, pixel_format)
    for index in (0, 1):
        dead.add(chunk_of(index, frames[index * SIZE : (index + 1) * SIZE], pixel_format), SIZE, 0)
    later = Archive.resume(dead.folder)
    assert [later.has(index) for index in range(3)] == [True, True, False]
    later.add(chunk_of(1, frames[SIZE : 2 * SIZE], pixel_format), SIZE, 0)
    later.add(chunk_of(2, frames[2 * SIZE :], pixel_format), SIZE, 0)
    later.close("recovered")
    assert Archive.resume(dead.folder).is_closed
    run = RecordedRun(dead.folder)
    np.testing.assert_array_equal(run.read(0, len(run)), frames)
    numbers = run.frame_ids()
    assert numbers is not None
    assert numbers.tolist() == list(range(100, 100 + 3 * SIZE))
    assert not (dead.folder / "numbers").exists()


def test_what_the_disk_refuses_leaves_nothing_and_may_come_again(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    frames = frames_of("Mono12", 2 * SIZE)
    archive.add(chunk_of(0, frames[:SIZE]), SIZE, 0)
    listed = archive.folder / "chunks.jsonl"
    lines = listed.read_bytes()
    listed.unlink()
    listed.mkdir()
    with pytest.raises(OSError, match=r"chunks\.jsonl"):
        archive.add(chunk_of(1, frames[SIZE:]), SIZE, 0)
    assert not archive.has(1)
    assert not (archive.group / "frames" / "c" / "1").exists()
    assert list((archive.folder / "incoming").iterdir()) == []
    listed.rmdir()
    listed.write_bytes(lines)
    archive.add(chunk_of(1, frames[SIZE:]), SIZE, 0)
    archive.close("test")
    run = RecordedRun(archive.folder)
    np.testing.assert_array_equal(run.read(0, len(run)), frames)


def test_a_disk_that_is_away_has_nothing_made_where_it_was(tmp_path: Path) -> None:
    archive, elsewhere = begin(tmp_path / "disk"), tmp_path / "elsewhere"
    frames = frames_of("Mono12", 3 * SIZE)
    for index in (0, 1):
        archive.add(chunk_of(index, frames[index * SIZE : (index + 1) * SIZE]), SIZE, 0, more_wait=True)
    (tmp_path / "disk").rename(elsewhere)
    (tmp_path / "disk").mkdir()
    with pytest.raises(FileNotFoundError):
        archive.add(chunk_of(2, frames[2 * SIZE :]), SIZE, 0)
    with pytest.raises(OSError, match="not there at present"):
        archive.close("test")
    assert list((tmp_path / "disk").iterdir()) == []
    (tmp_path / "disk").rmdir()
    elsewhere.rename(tmp_path / "disk")
    later = Archive.resume(archive.folder)
    later.add(chunk_of(2, frames[2 * SIZE :]), SIZE, 0)
    later.close("recovered")
    run = RecordedRun(archive.folder)
    np.testing.assert_array_equal(run.read(0, len(run)), frames)


def test_while_chunks_wait_on_a_slow_disk_the_arrays_that_show_them_follow_later(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    frames = frames_of("Mono12", 3 * SIZE)
    shown = []
    for index in range(3):
        archive._writer._listing_took_s = 60.0
        chunk = chunk_of(index, frames[index * SIZE : (index + 1) * SIZE])
        archive.add(chunk, SIZE, 0, more_wait=index < 2)
        shown.append(len(RecordedRun(archive.folder)))
    assert shown == [SIZE, SIZE, 3 * SIZE]
    run = RecordedRun(archive.folder)
    np.testing.assert_array_equal(run.read(0, len(run)), frames)


def test_a_camera_that_numbers_nothing_has_no_numbers_of_its_own(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    chunk = chunk_of(0, frames_of("Mono12", SIZE))
    chunk.frame_ids[:] = chunk.timestamps_ns[:] = -1
    archive.add(chunk, SIZE, 0)
    archive.close("test")
    assert RecordedRun(archive.folder).frame_ids() is None
    assert open_run(archive.folder)["frame_id"].attrs["numbered_by"] == "chunks"


def test_the_bit_shift_of_the_run_makes_the_gray(tmp_path: Path) -> None:
    archive = begin(tmp_path, bit_shift=2)
    frames = frames_of("Mono12", SIZE)
    archive.add(chunk_of(0, frames), SIZE, 0)
    archive.close("test")
    run = RecordedRun(archive.folder)
    np.testing.assert_array_equal(run.gray(run.read(0, SIZE)), np.minimum(frames >> 2, 255))


def test_a_tiff_stack_has_all_bits_and_pictures_have_eight(tmp_path: Path) -> None:
    from PIL import Image

    from rheed_acquire.run_report.export import export

    archive = begin(tmp_path / "archives")
    frames = frames_of("Mono12", SIZE)
    archive.add(chunk_of(0, frames), SIZE, 0)
    archive.close("test")
    run = RecordedRun(archive.folder)
    (stack,) = export(run, tmp_path / "frames.tif", range(SIZE))
    written = tifffile.imread(stack)
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, frames)
    (picture,) = export(run, tmp_path / "frame.png", range(2, 3))
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), frames[2] >> 4)


def test_regions_of_an_archive_are_in_the_cameras_levels(tmp_path: Path) -> None:
    from rheed_acquire.regions.regions import Region
    from rheed_acquire.run_report.from_recording import record_of

    archive = begin(tmp_path)
    frames = frames_of("Mono12", SIZE)
    archive.add(chunk_of(0, frames), SIZE, 0)
    archive.close("test")
    everywhere = Region(name="all", x=0, y=0, width=WIDTH, height=HEIGHT)
    record, _, _ = record_of(RecordedRun(archive.folder), None, [everywhere])
    (region,) = record.regions
    assert (region.top, region.brightest) == (4095, int(frames.max()))
    assert region.mean == pytest.approx(float(frames.mean()), rel=1e-6)


def test_its_chunks_are_compressed_as_zarr_says(tmp_path: Path) -> None:
    archive = begin(tmp_path)
    archive.add(chunk_of(0, frames_of("Mono12", SIZE)), SIZE, 0)
    document = json.loads((archive.group / "frames" / "zarr.json").read_bytes())
    (sharding,) = document["codecs"]
    assert document["data_type"] == "uint16"
    assert [codec["name"] for codec in sharding["configuration"]["codecs"]] == ["bytes", "blosc"]


def test_two_streams_whose_ids_begin_alike_have_an_archive_each(tmp_path: Path) -> None:
    first, second = begin(tmp_path), begin(tmp_path)
    assert second.folder.name == f"{first.folder.name}-2"


COLOURED = ["BayerRG8", "BayerGB12p", "RGB8", "BGR8", "BGR12"]


def closed(directory: Path, pixel_format: str) -> tuple[RecordedRun, NDArray[Any]]:
    """An archive of one chunk, and what it holds."""
    archive = begin(directory, pixel_format)
    frames = frames_of(pixel_format, SIZE)
    archive.add(chunk_of(0, frames, pixel_format), SIZE, 0)
    archive.close("test")
    return RecordedRun(archive.folder), levels(pixel_format, frames)


@pytest.mark.parametrize("pixel_format", ["RGB8", "BGR12"])
def test_frames_in_colour_have_an_axis_of_channels(tmp_path: Path, pixel_format: str) -> None:
    run, frames = closed(tmp_path, pixel_format)
    dataset = open_run(run.folder)
    assert dataset["frames"].dims == ("time", "y", "x", "c")
    assert dataset["c"].values.tolist() == list(pixel_format[:3])
    np.testing.assert_array_equal(dataset["frames"].values, frames)
    np.testing.assert_array_equal(dataset["frames"][3].sel(c="G").values, frames[3, ..., 1])
    np.testing.assert_array_equal(dataset["frames"][1:4, 2:5, 1:3].values, frames[1:4, 2:5, 1:3])
    group: Any = zarr.open_group(run.group_path, mode="r")
    assert group["frames"].attrs["channels"] == list(pixel_format[:3])
    Path(f"{run.group_path}/frames/c/0/0/0/0").unlink()
    with pytest.raises(RheedAcquireError, match=r"there is no file frames\.zarr/frames/c/0/0/0/0"):
        run.read(0, 1)


def test_a_mosaic_says_its_tile(tmp_path: Path) -> None:
    run, frames = closed(tmp_path, "BayerGB12p")
    assert (run.pixel_format, run.mosaic, run.channels) == ("BayerGB12", "GBRG", "")
    dataset = open_run(run.folder)
    assert dataset["frames"].dims == ("time", "y", "x")
    assert "GBRG" in dataset["frames"].attrs["long_name"]
    np.testing.assert_array_equal(dataset["frames"].values, frames)


@pytest.mark.parametrize("pixel_format", COLOURED)
def test_a_tiff_stack_has_colour_as_rgb_and_a_mosaic_as_it_is_with_its_tile_named(
    tmp_path: Path, pixel_format: str
) -> None:
    from rheed_acquire.run_report.export import export

    run, frames = closed(tmp_path / "archives", pixel_format)
    (stack,) = export(run, tmp_path / "frames.tif", range(SIZE))
    with tifffile.TiffFile(stack) as tiff:
        (series,) = tiff.series
        described = tiff.shaped_metadata
        photometric = tiff.pages.first.photometric
    assert described is not None
    in_order = frames[..., ::-1] if pixel_format.startswith("BGR") else frames
    np.testing.assert_array_equal(tifffile.imread(stack), in_order)
    is_mosaic = pixel_format.startswith("Bayer")
    assert series.axes == ("TYX" if is_mosaic else "TYXS")
    assert photometric == (tifffile.PHOTOMETRIC.MINISBLACK if is_mosaic else tifffile.PHOTOMETRIC.RGB)
    assert described[0]["pixel_format"] == run.pixel_format
    assert described[0]["bit_depth"] == run.bit_depth
    assert described[0].get("cfa_pattern", "") == run.mosaic


@pytest.mark.parametrize("pixel_format", COLOURED)
def test_regions_pictures_and_tables_of_colour_are_of_its_luma_at_full_depth(
    tmp_path: Path, pixel_format: str
) -> None:
    from PIL import Image

    from rheed_acquire.regions.regions import Region
    from rheed_acquire.run_report.export import export
    from rheed_acquire.run_report.from_recording import record_of

    run, frames = closed(tmp_path / "archives", pixel_format)
    luma = run.form.levels_of()(frames)
    assert luma.shape == (SIZE, HEIGHT, WIDTH)
    everywhere = Region(name="all", x=0, y=0, width=WIDTH, height=HEIGHT)
    record, thumbnails, _ = record_of(run, None, [everywhere])
    (region,) = record.regions
    assert (region.top, region.brightest) == (2**run.bit_depth - 1, int(luma.max()))
    assert region.mean == pytest.approx(float(luma.mean()), abs=1e-3)
    assert thumbnails
    (table,) = export(run, tmp_path / "traces.csv", range(SIZE), [everywhere])
    lines = table.read_text("utf-8").splitlines()
    assert [int(line.split(",")[-1]) for line in lines[1:]] == luma.max(axis=(1, 2)).tolist()
    (picture,) = export(run, tmp_path / "frame.png", range(2, 3))
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), run.gray(frames)[2])


def test_a_directory_that_takes_no_file_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="choose another with --archive"):
        check_archive(tmp_path / "file" / "archive")
    check_archive(tmp_path / "new" / "archive")
    assert list((tmp_path / "new" / "archive").iterdir()) == []


def test_one_that_is_not_there_or_no_archive_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RheedAcquireError, match="is not there"):
        Archive.resume(tmp_path / "nothing")
    (tmp_path / "stream.json").write_text("{}")
    with pytest.raises(RheedAcquireError, match="it is damaged"):
        Archive.resume(tmp_path)
