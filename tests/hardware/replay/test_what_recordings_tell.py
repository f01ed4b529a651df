"""What a recording says of itself is used and named: axes, depth, rate, times, and what is missing."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hardware.replay.smooth_pictures import pictures, read

from rheed_acquire import CameraSettingError
from rheed_acquire_replay.axes import Axes, AxesError, named, understood
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.orientation import oriented

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

pytestmark = pytest.mark.usefixtures("stage")


@given(st.integers(1, 6), st.integers(5, 9), st.integers(5, 9), st.permutations("TZYX"), st.data())
def test_frames_are_found_in_an_array_whose_axes_are_named_in_any_order(
    frames: int, height: int, width: int, letters: list[str], data: st.DataObject
) -> None:
    lengths = {"T": frames, "Z": 3, "Y": height, "X": width}
    array = np.arange(math.prod(lengths.values())).reshape([lengths[letter] for letter in letters])
    axes = named("".join(letters), array.shape, by="a test")
    slowest = "TZ" if letters.index("T") < letters.index("Z") else "ZT"
    expected = array.transpose([letters.index(letter) for letter in f"{slowest}YX"]).reshape(
        -1, height, width
    )
    assert (axes.count, axes.frame_shape) == (3 * frames, (height, width))
    first = data.draw(st.integers(0, axes.count - 1))
    end = data.draw(st.integers(first + 1, first - first % axes.fastest + axes.fastest))
    np.testing.assert_array_equal(axes.read(array, first, end), expected[first:end])


@pytest.mark.parametrize(
    ("shape", "letters"),
    [
        ((12, 96, 128), "TYX"),
        ((96, 128, 12), "YXT"),
        ((12, 1, 96, 128), "T_YX"),
        ((12, 96, 128, 1), "TYX_"),
        ((12, 1, 1, 96, 128), "T__YX"),
        ((12, 96, 128, 3), "TYXS"),
        ((12, 3, 96, 128), "TSYX"),
        ((96, 128, 3), "YXS"),
        ((96, 128), "YX"),
        ((1, 96, 128), "TYX"),
    ],
)
def test_axes_that_nobody_names_are_told_by_their_lengths(shape: tuple[int, ...], letters: str) -> None:
    assert understood(shape) == Axes(letters, shape)


def test_channels_are_frames_where_there_is_no_other_axis_and_colours_beside_one() -> None:
    assert named("CYX", (12, 96, 128), by="a test").count == 12
    assert named("TCYX", (12, 3, 96, 128), by="a test") == Axes("TSYX", (12, 3, 96, 128))
    with pytest.raises(AxesError, match="2 channels are no colours"):
        named("TCYX", (12, 2, 96, 128), by="a test")


def test_an_array_that_is_frames_either_way_is_told_by_what_changes_least(tmp_path: Path) -> None:
    frames = pictures(40, 32, 48)
    np.save(tmp_path / "first.npy", frames)
    np.save(tmp_path / "last.npy", np.moveaxis(frames, 0, -1))
    for name, letters in (("first.npy", "TYX"), ("last.npy", "YXT")):
        recording = open_recording(tmp_path / name)
        assert recording.notes["frames"].startswith(letters)
        np.testing.assert_array_equal(read(recording), frames)


def test_axes_that_cannot_be_told_are_asked_for(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(6, 8, 9).reshape(2, 3, 8, 9)[:, :, :, :]
    np.save(tmp_path / "a.npy", np.concatenate([frames, frames], axis=1))
    refused = stage.refusal(tmp_path / "a.npy")
    assert isinstance(refused, CameraSettingError)
    assert "--replay.axes" in str(refused)
    assert len(stage.play_all(tmp_path / "a.npy", axes="ZTYX").frames) == 12
    assert "has 4 axes" in str(stage.refusal(tmp_path / "a.npy", axes="TYX"))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_samples_that_fill_a_part_of_16_bits_are_replayed_with_their_depth(
    tmp_path: Path, stage: Stage, bits: int
) -> None:
    frames = np.linspace(0, 2**bits - 1, 3 * 6 * 9).reshape(3, 6, 9).astype(np.uint16)
    np.save(tmp_path / "a.npy", frames)
    played = stage.play_all(tmp_path / "a.npy")
    assert played.info.pixel_format == f"Mono{bits}"
    np.testing.assert_array_equal(played.frames, frames)
    assert bool(played.info.warnings) == (bits < 16)
    assert stage.play_all(tmp_path / "a.npy", bits=16).info.pixel_format == "Mono16"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32, np.uint32, np.uint64])
def test_whole_numbers_of_any_type_are_taken_as_they_are(tmp_path: Path, stage: Stage, dtype: Any) -> None:
    frames = stage.frames(3)
    np.save(tmp_path / "a.npy", frames.astype(dtype))
    played = stage.play_all(tmp_path / "a.npy")
    assert played.info.pixel_format == "Mono8"
    np.testing.assert_array_equal(played.frames, frames)


def test_a_scale_spreads_what_is_no_whole_number(tmp_path: Path, stage: Stage) -> None:
    frames = np.linspace(-0.5, 1.5, 3 * 6 * 9).reshape(3, 6, 9)
    frames[0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", frames)
    played = stage.play_all(tmp_path / "a.npy", scale="0:1")
    expected = np.rint(np.clip(np.nan_to_num(frames), 0, 1) * 65535).astype(np.uint16)
    assert played.info.pixel_format == "Mono16"
    np.testing.assert_array_equal(played.frames, expected)


def test_a_split_ome_tiff_is_one_recording_from_its_folder_and_from_each_file(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(6, dtype=np.uint16)
    write_split_ome(tmp_path, frames)
    for path in (tmp_path, tmp_path / "g_0.ome.tif", tmp_path / "g_1.ome.tif"):
        np.testing.assert_array_equal(read(open_recording(path)), frames)
    (tmp_path / "g_1.ome.tif").unlink()
    assert "put all files of the recording into one folder" in str(stage.refusal(tmp_path / "g_0.ome.tif"))


def write_split_ome(folder: Path, frames: Any, more: str = "", pixels: str = "") -> None:
    import tifffile

    count, height, width = frames.shape
    half = count // 2
    planes = "".join(
        f'<TiffData FirstT="{number}" IFD="{number % half}" PlaneCount="1">'
        f'<UUID FileName="g_{number // half}.ome.tif">urn:uuid:0000000{number // half}</UUID></TiffData>'
        for number in range(count)
    )
    for part in range(2):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:0000000{part}"><Image ID="Image:0" Name="g">{more}<Pixels ID="Pixels:0" '
            f'DimensionOrder="XYCZT" Type="uint16" SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="1" '
            f'SizeT="{count}" {pixels}><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}'
            "</Pixels></Image></OME>"
        )
        with tifffile.TiffWriter(folder / f"g_{part}.ome.tif", ome=False) as file:
            for number, frame in enumerate(frames[part * half :][:half]):
                description = xml if number == 0 else None
                file.write(
                    frame, photometric="minisblack", description=description, metadata=None, contiguous=False
                )


def test_ome_tells_depth_rate_times_and_date(tmp_path: Path, stage: Stage) -> None:
    import tifffile

    frames = stage.frames(4, dtype=np.uint16) >> 4
    metadata = {
        "axes": "TYX",
        "SignificantBits": 12,
        "Plane": {"DeltaT": [1000.0, 1100.0, 1250.0, 1300.0], "DeltaTUnit": ["ms"] * 4},
        "AcquisitionDate": "2026-01-01T10:00:00Z",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", frames, metadata=metadata, photometric="minisblack")
    played = stage.play_all(tmp_path / "a.ome.tif", None)
    assert played.info.pixel_format == "Mono12"
    began = datetime.fromisoformat("2026-01-01T10:00:01+00:00").timestamp()
    np.testing.assert_allclose(np.array(played.stamps) / 1e9 - began, [0, 0.1, 0.25, 0.3], atol=1e-6)
    assert "OME DeltaT" in dict(played.info.notes)["times"]


def test_imagej_tells_its_interval_and_all_frames_of_one_page(tmp_path: Path, stage: Stage) -> None:
    import tifffile

    stack = stage.frames(12, 24, 32).reshape(4, 3, 24, 32)
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TZYX", "finterval": 0.02}, truncate=True
    )
    played = stage.play_all(tmp_path / "a.tif", None)
    assert played.info.fps == pytest.approx(150.0)
    np.testing.assert_array_equal(played.frames, stack.reshape(12, 24, 32))


def test_times_beside_frames_in_hdf5_are_theirs(tmp_path: Path, stage: Stage) -> None:
    import h5py

    times_s = np.array([0.0, 0.1, 0.2, 0.75])
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["entry/images"] = stage.frames(4)
        file["entry/timestamps"] = 1_767_225_600.0 + times_s
    with h5py.File(tmp_path / "epics.h5", "w") as file:
        file["entry/data/data"] = stage.frames(4)
        file["entry/instrument/NDAttributes/NDArrayTimeStamp"] = 1_767_225_600.0 - 631_152_000 + times_s
    with h5py.File(tmp_path / "ms.h5", "w") as file:
        file["images"] = stage.frames(4)
        file["time"] = (1000 * times_s).astype(np.int64)
        file["time"].attrs["units"] = "ms"
    for name, dated in (("own.h5", True), ("epics.h5", True), ("ms.h5", False)):
        played = stage.play_all(tmp_path / name, None)
        assert played.info.fps == pytest.approx(10.0)
        stamps = np.array(played.stamps)
        np.testing.assert_allclose((stamps - stamps[0]) / 1e9, times_s, atol=1e-6)
        assert (round(stamps[0] / 1e6) == 1_767_225_600_000) == dated
        assert (played.info.captured_unix_ns is not None) == dated


@pytest.mark.parametrize(
    ("unit", "step", "captured_s"),
    [
        ("milliseconds since 2026-01-01T00:00:01", 50, 1),
        ("milliseconds since 2026-01-01 00:00:01.000000", 50, 1),
        ("seconds since 2026-01-01 01:00:01 +01:00", 0.05, 1),
        ("microseconds since 2026-01-01 00:00:01 UTC", 50_000, 1),
        ("days since 2026-01-01", 0.05 / 86400, 0),
    ],
)
def test_times_that_count_from_a_date_as_netcdf_has_them_tell_it(
    tmp_path: Path, stage: Stage, unit: str, step: float, captured_s: int
) -> None:
    frames = pictures(5)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = frames
        file["time"] = np.arange(5) * step
        file["time"].attrs["units"] = unit
    played = stage.play_all(tmp_path / "a.h5", None)
    assert played.info.captured_unix_ns == (1_767_225_600 + captured_s) * 10**9
    np.testing.assert_allclose(np.diff(played.stamps) / 1e6, 50, atol=1e-3)


def test_frames_that_lie_there_in_two_formats_are_replayed_once_and_lossless(
    tmp_path: Path, stage: Stage
) -> None:
    from PIL import Image

    frames = stage.frames(5)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"f{number}.png")
        Image.fromarray(frame).save(tmp_path / f"f{number}.jpg")
    played = stage.play_all(tmp_path)
    np.testing.assert_array_equal(played.frames, frames)
    assert "5 files .jpg are left out" in played.info.warnings[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(tmp_path: Path, stage: Stage, orientation: int) -> None:
    from PIL import Image, ImageOps

    image = Image.fromarray(stage.frames(1)[0])
    exif = image.getexif()
    exif[274] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as saved:
        expected = np.asarray(ImageOps.exif_transpose(saved))
    np.testing.assert_array_equal(oriented(stage.frames(1)[0], orientation), expected)
    np.testing.assert_array_equal(read(open_recording(tmp_path / "a.png"))[0], expected)


def test_a_bad_picture_among_good_ones_is_named_or_left_out_and_counted(tmp_path: Path, stage: Stage) -> None:
    from PIL import Image

    frames = stage.frames(5)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"f{number}.png")
        (tmp_path / f"._f{number}.png").write_bytes(b"\0\5\x16\7macOS")
    (tmp_path / "f2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    refused = stage.refusal(tmp_path)
    assert isinstance(refused, CameraSettingError)
    assert "f2.png cannot be read as an image" in str(refused)
    assert "--replay.skip-bad" in str(refused)
    played = stage.play_all(tmp_path, skip_bad=True)
    assert played.ids == [0, 1, 3, 4]
    assert "f2.png" in played.info.warnings[0]


def test_a_page_that_cannot_be_decoded_costs_that_frame_only(tmp_path: Path, stage: Stage) -> None:
    import tifffile

    frames = stage.frames(5, 24, 32)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[2].dataoffsets[0], file.pages[2].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = bytes(size)
    path.write_bytes(content)
    recording = open_recording(path, Options(skip_bad=True))
    np.testing.assert_array_equal(read(recording), frames[[0, 1, 3, 4]])
    assert len(recording.skipped) == 1
