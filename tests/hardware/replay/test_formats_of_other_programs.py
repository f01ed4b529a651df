"""Formats that this project does not write, from files made here byte by byte or by another library."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rheed_acquire import CameraEndedError, CameraSettingError
from rheed_acquire_replay import folders
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.prepared import PreparedRecording

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

pytestmark = pytest.mark.usefixtures("stage")
BEGAN_S = 1_767_225_600


def read(recording: PreparedRecording) -> Any:
    frames = np.concatenate([block.pixels for block in recording.blocks(0, None)])
    recording.close()
    return frames


def ksa_block(
    pixels: Any,
    millisecond: int = 0,
    bits: int = 12,
    letter: bytes = b"F",
    more: int = 0,
    second: int = BEGAN_S,
) -> bytes:
    """Make a frame with its header, gray or in colour."""
    header = bytearray(640 + 15 * more)
    header[22] = more
    header[39:45] = b"KSA00" + letter
    struct.pack_into(">H", header, 49, pixels.shape[1])
    struct.pack_into(">H", header, 310, 1 << min(bits, 15))
    struct.pack_into(">H", header, 321, pixels.shape[0])
    struct.pack_into(">IHhH", header, 323, second + millisecond // 1000, millisecond % 1000, 300, 0)
    struct.pack_into(">H", header, 333, bits)
    struct.pack_into("<f", header, 352, 0.0125)
    kept = pixels[..., ::-1].astype("<u4") if pixels.ndim == 3 else pixels.astype("<u2")
    return b"".join((header, kept.tobytes()))


def test_imm_files_of_ksa_400_are_read_frame_by_frame_with_their_times(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(5, dtype=np.uint16) >> 4
    times_ms = [0, 40, 85, 120, 1160]
    blocks = [
        ksa_block(frame, time, more=number % 3)
        for number, (frame, time) in enumerate(zip(frames, times_ms, strict=True))
    ]
    (tmp_path / "a.imm").write_bytes(b"".join(blocks))
    played = stage.play_all(tmp_path / "a.imm", None)
    assert played.info.pixel_format == "Mono12"
    np.testing.assert_array_equal(played.frames, frames)
    assert [stamp // 10**6 - BEGAN_S * 1000 for stamp in played.stamps] == times_ms
    assert played.info.fps == pytest.approx(1000 / 42.5)
    assert dict(played.info.notes)["exposure"].startswith("0.0125 s")


def test_saturated_samples_of_ksa_400_are_the_greatest_that_its_bits_have(
    tmp_path: Path, stage: Stage
) -> None:
    (tmp_path / "a.img").write_bytes(ksa_block(np.full((6, 9), 4096)))
    assert set(stage.play_all(tmp_path / "a.img").frames.ravel()) == {4095}


def test_a_folder_of_img_is_in_order_and_dated(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(12, dtype=np.uint16) >> 2
    for number, frame in enumerate(frames):
        (tmp_path / f"Image{number + 1}.img").write_bytes(ksa_block(frame, 100 * number, bits=14))
    played = stage.play_all(tmp_path, None)
    assert (played.info.pixel_format, played.info.fps) == ("Mono14", 10.0)
    np.testing.assert_array_equal(played.frames, frames)
    assert played.stamps[-1] == BEGAN_S * 10**9 + 1_100_000_000


def test_the_colour_variant_of_ksa_400_is_gray_by_its_colours(tmp_path: Path, stage: Stage) -> None:
    colours = np.random.default_rng(1).integers(0, 4096, (2, 6, 9, 3))
    (tmp_path / "a.imm").write_bytes(
        b"".join(ksa_block(one, 50 * n, letter=b"J") for n, one in enumerate(colours))
    )
    played = stage.play_all(tmp_path / "a.imm", None)
    np.testing.assert_array_equal(played.frames, (colours @ np.array([77, 150, 29]) + 128) >> 8)


def test_an_imm_file_that_breaks_off_is_replayed_up_to_there(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(4, dtype=np.uint16) >> 4
    whole = b"".join(ksa_block(frame, 40 * number) for number, frame in enumerate(frames))
    (tmp_path / "cut.imm").write_bytes(whole[:-20])
    damaged = bytearray(whole)
    damaged[2 * len(whole) // 4 + 39] = 0
    (tmp_path / "damaged.imm").write_bytes(damaged)
    for name, good, why in (
        ("cut.imm", 3, "ends within frame 3"),
        ("damaged.imm", 2, "breaks off at frame 2"),
    ):
        played = stage.play(tmp_path / name)
        assert len(played.ids) == good
        assert not isinstance(played.fault, CameraEndedError)
        assert why in str(played.fault)
        assert any(why in warning for warning in played.info.warnings)


def test_what_a_ksa_header_says_and_cannot_be_is_not_believed(tmp_path: Path, stage: Stage) -> None:
    (tmp_path / "a.img").write_bytes(ksa_block(stage.frames(1)[0], bits=99, second=5, letter=b"Q"))
    recording = open_recording(tmp_path / "a.img")
    assert recording.captured_ns is None
    assert any("KSA00Q was never seen" in warning for warning in recording.warnings)
    recording.close()


@pytest.mark.parametrize("kind", ["P5", "P2"])
@pytest.mark.parametrize("greatest", [255, 4095, 65535])
def test_graymaps_of_any_depth_are_read(tmp_path: Path, stage: Stage, kind: str, greatest: int) -> None:
    frame = stage.frames(1, dtype=np.uint16)[0] & np.uint16(greatest)
    frame[0, 0] = greatest
    if kind == "P5":
        body = frame.astype(">u2" if greatest > 255 else "u1").tobytes()
    else:
        body = b"\n".join(b" ".join(b"%d" % value for value in row) for row in frame)
    (tmp_path / "a.pgm").write_bytes(b"%b\n# made by a test\n9 6\n%d\n" % (kind.encode(), greatest) + body)
    played = stage.play_all(tmp_path / "a.pgm")
    assert played.info.pixel_format == f"Mono{greatest.bit_length()}"
    np.testing.assert_array_equal(played.frames[0], frame)


def test_a_counter_in_the_first_pixel_of_a_graymap_changes_nothing_else(tmp_path: Path, stage: Stage) -> None:
    frame = stage.frames(1, dtype=np.uint16)[0] >> 4
    frame[0, 0] = 0xBEEF
    (tmp_path / "a.pgm").write_bytes(b"P5 9 6 4095\n" + frame.astype(">u2").tobytes())
    played = stage.play_all(tmp_path / "a.pgm")
    assert played.info.pixel_format == "Mono12"
    np.testing.assert_array_equal(played.frames[0].ravel()[1:], frame.ravel()[1:])


@pytest.mark.parametrize(
    "compression", ["lzw", "jpeg", "deflate", "zstd", "packbits", "lzma", "jpeg2000", "png", "webp", None]
)
@pytest.mark.parametrize("colour", [False, True])
def test_tiff_of_any_compression_is_what_tifffile_decodes(
    tmp_path: Path, stage: Stage, compression: Any, colour: bool
) -> None:
    import tifffile

    if compression == "webp" and not colour:
        pytest.skip("WebP has no gray")
    frames = np.random.default_rng(1).integers(0, 256, (3, 32, 48, *([3] if colour else [])), np.uint8)
    photometric: Any = "rgb" if colour else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric=photometric, compression=compression)
    expected = tifffile.imread(tmp_path / "a.tif")
    np.testing.assert_array_equal(stage.play_all(tmp_path / "a.tif").frames, expected)


def test_palettes_opacity_and_deep_colours_are_taken(tmp_path: Path, stage: Stage) -> None:
    import imagecodecs
    import tifffile

    gray = stage.frames(1)[0]
    ramp = np.tile((np.arange(256, dtype=np.uint16) ^ 255) * 257, (3, 1))
    tifffile.imwrite(tmp_path / "palette.tif", gray, photometric="palette", colormap=ramp)
    np.testing.assert_array_equal(stage.play_all(tmp_path / "palette.tif").frames[0], gray ^ 255)
    rgba = np.random.default_rng(2).integers(0, 256, (6, 9, 4), np.uint8)
    tifffile.imwrite(tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(stage.play_all(tmp_path / "rgba.tif").frames[0], rgba[..., :3])
    deep = np.random.default_rng(3).integers(0, 65536, (6, 9, 3), np.uint16)
    luma = ((deep.astype(np.uint32) @ np.array([77, 150, 29], np.uint32)) + 128) >> 8
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    for name in ("deep.tif", "deep.png"):
        played = stage.play_all(tmp_path / name)
        assert played.info.pixel_format == "Mono16"
        np.testing.assert_array_equal(played.frames[0], luma)


def open_hdf5_files(folder: Path) -> list[str]:
    """Those in a folder that this process has open: on Windows they cannot be moved or deleted."""
    import h5py

    # Those that links lead to are open by their datasets alone.
    kinds = h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_DATASET | h5py.h5f.OBJ_GROUP
    held = h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, kinds)
    paths = (Path(h5py.h5f.get_name(one).decode()) for one in held)
    return [path.name for path in paths if path.parent == folder]


@pytest.mark.parametrize(
    "name", ["soft", "hard", "external", "virtual", "bitshuffle", "lz4", "blosc", "zstd"]
)
def test_hdf5_is_read_through_links_virtual_datasets_and_filters(
    tmp_path: Path, stage: Stage, name: str
) -> None:
    import h5py
    import hdf5plugin

    frames = stage.frames(6)
    filters: dict[str, Any] = {
        "bitshuffle": hdf5plugin.Bitshuffle(),
        "lz4": hdf5plugin.LZ4(),
        "blosc": hdf5plugin.Blosc(),
        "zstd": hdf5plugin.Zstd(),
    }
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["deep/frames"] = frames
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if name in filters:
            file.create_dataset("frames", data=frames, chunks=(1, 6, 9), **filters[name])
        elif name == "external":
            file["entry/data"] = h5py.ExternalLink("other.h5", "/deep/frames")
        elif name == "virtual":
            layout = h5py.VirtualLayout(frames.shape, np.uint8)
            layout[:] = h5py.VirtualSource("other.h5", "deep/frames", frames.shape)
            file.create_virtual_dataset("frames", layout)
        else:
            file["raw/frames"] = frames
            file["entry/data"] = h5py.SoftLink("/raw/frames") if name == "soft" else file["raw/frames"]
    recording = open_recording(tmp_path / "a.h5")
    np.testing.assert_array_equal(read(recording), frames)
    assert open_hdf5_files(tmp_path) == []
    if name in ("external", "virtual"):
        (tmp_path / "other.h5").unlink()
        assert "other.h5" in str(stage.refusal(tmp_path / "a.h5"))


def test_a_filter_that_is_not_there_is_named_before_there_is_a_stream(
    tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import h5py
    import hdf5plugin

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("frames", data=stage.frames(6), chunks=(1, 6, 9), **hdf5plugin.Bitshuffle())
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    refused = str(stage.refusal(tmp_path / "a.h5"))
    assert "HDF5 filter 32008" in refused
    assert 'pip install "rheed-acquire[replay]"' in refused


@pytest.mark.parametrize("kind", ["u8", "u16le", "u16be", "i16be", "u32le", "f32le", "f64be"])
@pytest.mark.parametrize(("offset", "gap"), [(0, 0), (17, 5)])
def test_files_of_nothing_but_pixels_are_read_as_they_are_described(
    tmp_path: Path, stage: Stage, kind: str, offset: int, gap: int
) -> None:
    frames = stage.frames(4)
    order = ">" if kind.endswith("be") else "<"
    dtype = np.dtype(f"{order}{kind[0]}{int(kind[1:].rstrip('lbe')) // 8}")
    body = b"".join(frame.astype(dtype).tobytes() + bytes(gap) for frame in frames)
    (tmp_path / "a.bin").write_bytes(bytes(offset) + body)
    described = f"9x6:{kind}:{offset}:{54 * dtype.itemsize + gap}" if offset else f"9x6:{kind}"
    np.testing.assert_array_equal(stage.play_all(tmp_path / "a.bin", raw=described).frames, frames)


@pytest.mark.parametrize("described", ["9x6:u12", "9x6:u8:0:3", "900x600:u8"])
def test_a_description_that_cannot_be_is_refused(tmp_path: Path, stage: Stage, described: str) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(540))
    refused = stage.refusal(tmp_path / "a.bin", raw=described)
    assert isinstance(refused, CameraSettingError)
    assert "--replay.raw" in str(refused)


def test_folders_of_folders_of_arrays_and_of_stacks_are_one_recording(tmp_path: Path, stage: Stage) -> None:
    import tifffile
    from PIL import Image

    frames = stage.frames(12)
    for number, frame in enumerate(frames):
        for folder in ("below/part10" if number > 5 else "below/part9", "arrays"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(
            tmp_path / ("below/part10" if number > 5 else "below/part9") / f"{number}.png"
        )
        np.save(tmp_path / "arrays" / f"f{number}.npy", frame)
    (tmp_path / "stacks").mkdir()
    for part in range(3):
        tifffile.imwrite(
            tmp_path / "stacks" / f"s{part}.tif", frames[4 * part :][:4], photometric="minisblack"
        )
    for folder in ("below", "arrays", "stacks"):
        np.testing.assert_array_equal(read(open_recording(tmp_path / folder)), frames)


def test_a_folder_of_far_too_much_is_not_looked_through_to_its_end(
    tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = stage.frames(6)
    for place, frame in zip((".hidden", "a", "b", "b", "c", "c"), frames, strict=True):
        (tmp_path / place).mkdir(exist_ok=True)
        np.save(tmp_path / place / f"{len(list((tmp_path / place).iterdir()))}.npy", frame)
    np.testing.assert_array_equal(read(open_recording(tmp_path)), frames[1:])
    monkeypatch.setattr(folders, "MOST_FILES", 4)
    with pytest.raises(CameraSettingError, match=r"more than 4 files .*: give the one that holds the frames"):
        open_recording(tmp_path)


def test_a_palette_video_keeps_every_level(tmp_path: Path, stage: Stage) -> None:
    import av

    levels = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    palette = np.stack([np.full(256, 255, np.uint8), *[np.arange(256, dtype=np.uint8)] * 3], axis=1)
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 256, "pal8"
        indexed: Any = (levels, palette)
        picture = av.VideoFrame.from_ndarray(indexed, format="pal8")
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    np.testing.assert_array_equal(stage.play_all(tmp_path / "a.avi", None).frames[0], levels)


def test_gray_that_a_video_keeps_as_rgb_is_that_gray(tmp_path: Path, stage: Stage) -> None:
    import av

    levels = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 256, "bgr24"
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(np.stack([levels] * 3, axis=-1), format="bgr24"))
        )
        container.mux(stream.encode())
    played = stage.play_all(tmp_path / "a.avi", None)
    assert played.info.pixel_format == "RGB8"
    np.testing.assert_array_equal(played.frames[0], np.stack([levels] * 3, axis=-1))
