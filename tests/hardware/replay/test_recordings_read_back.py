"""Every kind of recording gives back, bit by bit, what was written, whole and in part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.names import in_order

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

Array: TypeAlias = NDArray[Any]
Writer: TypeAlias = Callable[[Path, Array], Path]


def zarr_array(folder: Path, frames: Array) -> Path:
    import zarr

    zarr.create_array(folder / "a.zarr", data=frames, chunks=(2, *frames.shape[1:]))
    return folder / "a.zarr"


def zarr_in_a_group(folder: Path, frames: Array) -> Path:
    import zarr

    group = zarr.create_group(folder / "g.zarr")
    chunks, shards = (1, *frames.shape[1:]), frames.shape
    inside = group.create_array("deep/inside", shape=shards, dtype=frames.dtype, chunks=chunks, shards=shards)
    inside[:] = frames
    group.create_array("times", shape=len(frames), dtype="i8")[:] = np.arange(len(frames))
    return folder / "g.zarr"


def hdf5(folder: Path, frames: Array) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file["entry/data/images"] = frames
        file["entry/data/times"] = np.arange(len(frames))
    return folder / "a.h5"


def compressed_hdf5(folder: Path, frames: Array) -> Path:
    import h5py

    with h5py.File(folder / "a.hdf5", "w") as file:
        chunks = (min(3, len(frames)), *frames.shape[1:])
        file.create_dataset("images", data=frames, chunks=chunks, compression="gzip")
    return folder / "a.hdf5"


def tiff_pages(folder: Path, frames: Array) -> Path:
    import tifffile

    with tifffile.TiffWriter(folder / "a.tif") as file:
        for frame in frames:
            file.write(frame, photometric="minisblack", contiguous=False, compression="zlib")
    return folder / "a.tif"


def big_endian_tiff(folder: Path, frames: Array) -> Path:
    import tifffile

    order = frames.astype(frames.dtype.newbyteorder(">"))
    tifffile.imwrite(folder / "a.tiff", order, byteorder=">", photometric="minisblack")
    return folder / "a.tiff"


def imagej_tiff(folder: Path, frames: Array) -> Path:
    import tifffile

    tifffile.imwrite(folder / "a.tif", frames, photometric="minisblack", truncate=True)
    return folder / "a.tif"


def npy(folder: Path, frames: Array) -> Path:
    np.save(folder / "a.npy", frames)
    return folder / "a.npy"


def npy_the_other_way_round(folder: Path, frames: Array) -> Path:
    np.save(folder / "a.npy", np.asfortranarray(frames.astype(frames.dtype.newbyteorder(">"))))
    return folder / "a.npy"


def npz(folder: Path, frames: Array) -> Path:
    np.savez(folder / "a.npz", images=frames, times=np.arange(len(frames)))
    return folder / "a.npz"


def compressed_npz(folder: Path, frames: Array) -> Path:
    np.savez_compressed(folder / "a.npz", frames.astype(frames.dtype.newbyteorder(">")))
    return folder / "a.npz"


def images(suffix: str) -> Writer:
    def write(folder: Path, frames: Array) -> Path:
        from PIL import Image

        (folder / "notes.txt").write_text("not a picture")
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / f"frame{number}{suffix}")
        return folder

    return write


DEEP = [
    zarr_array,
    zarr_in_a_group,
    hdf5,
    compressed_hdf5,
    tiff_pages,
    big_endian_tiff,
    imagej_tiff,
    npy,
    npy_the_other_way_round,
    npz,
    compressed_npz,
    images(".png"),
    images(".tif"),
]
NAMES = [getattr(write, "__name__", "") for write in DEEP[:-2]] + ["png", "tif"]


def read(path: Path, first: int = 0, end: int | None = None) -> tuple[list[int], Array]:
    """Return the numbers and the frames, read in blocks of a few frames each."""
    with (
        patch("rheed_acquire_replay.arrays.BLOCK_BYTES", 200),
        patch("rheed_acquire_replay.numpy_files.BLOCK_BYTES", 200),
    ):
        recording = open_recording(path)
        blocks = list(recording.blocks(first, end))
        recording.close()
    return [n for block in blocks for n in block.numbers], np.concatenate([b.pixels for b in blocks])


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("write", DEEP, ids=NAMES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_any_part_of_any_recording_reads_back_bit_exact(write: Writer, drawn: st.DataObject) -> None:
    dtype: Any = drawn.draw(st.sampled_from([np.uint8, np.uint16]))
    # Pictures of 3 or 4 rows or columns could be taken for colours: frames have more.
    count, height, width = (drawn.draw(st.integers(low, 12)) for low in (1, 5, 5))
    frames = np.random.default_rng(drawn.draw(st.integers(0, 99))).integers(
        0, np.iinfo(dtype).max + 1, (count, height, width), dtype
    )
    first = drawn.draw(st.integers(0, count - 1))
    end = drawn.draw(st.one_of(st.none(), st.integers(first + 1, count)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        numbers, found = read(write(Path(folder), frames), first, end)
    assert numbers == list(range(count))[first:end]
    assert found.dtype == dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, frames[first:end])


@pytest.mark.parametrize("suffix", [".bmp", ".pgm"])
def test_8_bit_images_read_back_bit_exact(tmp_path: Path, stage: Stage, suffix: str) -> None:
    frames = stage.frames(3)
    _, found = read(images(suffix)(tmp_path, frames))
    np.testing.assert_array_equal(found, frames)


def test_images_come_in_natural_order(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(12)
    _, found = read(images(".png")(tmp_path, frames))
    np.testing.assert_array_equal(found, frames)
    names = ["b.png", "a10.png", "a2.png", "a02.png", "a2-1.png", "7.png"]
    ordered = in_order(map(Path, names)).files
    assert [path.name for path in ordered] == ["7.png", "a02.png", "a2.png", "a2-1.png", "a10.png", "b.png"]


def test_colour_pictures_are_replayed_as_rgb(tmp_path: Path, stage: Stage) -> None:
    from PIL import Image

    pictures = np.random.default_rng(1).integers(0, 256, (2, 6, 9, 3), np.uint8)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    played = stage.play_all(tmp_path)
    assert played.info.pixel_format == "RGB8"
    np.testing.assert_array_equal(played.frames, pictures)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
@pytest.mark.parametrize(("dtype", "pixel_format"), [(np.uint8, "gray"), (np.uint16, "gray16le")])
def test_lossless_video_reads_back_bit_exact(
    tmp_path: Path, stage: Stage, name: str, dtype: Any, pixel_format: str
) -> None:
    frames = stage.frames(9, 32, 48, dtype)
    stage.write_video(tmp_path / name, frames, pixel_format=pixel_format)
    played = stage.play_all(tmp_path / name, None, first=2, last=7)
    assert played.info.fps == 25.0
    np.testing.assert_array_equal(played.frames, frames[2:8])
    assert played.ids == [2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(np.diff(played.stamps), 40_000_000, atol=1_000_000)  # Matroska counts ms


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.avi", "mpeg4"), ("a.mov", "mjpeg")])
def test_lossy_video_gives_what_ffmpeg_decodes(tmp_path: Path, stage: Stage, name: str, codec: str) -> None:
    import av

    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stage.write_video(tmp_path / name, stage.frames(12, 64, 96), codec, pixel_format)
    with av.open(str(tmp_path / name)) as container:
        decoded = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
    played = stage.play_all(tmp_path / name, None)
    assert len(decoded) == 12
    assert played.info.pixel_format == "Mono8"
    np.testing.assert_array_equal(played.frames, np.array(decoded))
