"""NDTiff, which Micro-Manager writes today, and OME-TIFF whose metadata lies in a file of its own."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire_replay.formats import open_recording

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

ELAPSED_MS = (12.0, 112.5, 231.0, 312.0, 412.0, 520.0)
SHORT, LONG, ASCII = 3, 4, 2


def write_ndtiff(folder: Path, frames: NDArray[Any], files: int = 1, axes: str = "time") -> None:
    """Write images into TIFF files of their own layout, and their index."""
    summary = json.dumps({"Prefix": "g"}).encode()
    index = b""
    for part, chosen in enumerate(np.array_split(np.arange(len(frames)), files)):
        name = f"g_NDTiffStack{f'_{part}' if part else ''}.tif"
        content = (
            struct.pack("<2sHI5I", b"II", 42, 28 + len(summary), 483729, 3, 3, 2355492, len(summary))
            + summary
        )
        for number in chosen:
            pixels = frames[number].tobytes()
            metadata = json.dumps(
                {
                    "ElapsedTime-ms": ELAPSED_MS[number],
                    "ReceivedTime": f"2026-01-01 12:00:00.{number}00 +0100",
                }
            ).encode()
            height, width = frames.shape[1:]
            entries = 10
            behind = len(content) + 2 + 12 * entries + 4
            tags = (
                (256, LONG, 1, width),
                (257, LONG, 1, height),
                (258, SHORT, 1, 16),
                (259, SHORT, 1, 1),
                (262, SHORT, 1, 1),
                (273, LONG, 1, behind),
                (277, SHORT, 1, 1),
                (278, LONG, 1, height),
                (279, LONG, 1, len(pixels)),
                (51123, ASCII, len(metadata), behind + len(pixels)),
            )
            is_last = number == chosen[-1]
            end = behind + len(pixels) + len(metadata)
            content += struct.pack("<H", entries) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
            content += struct.pack("<I", 0 if is_last else end) + pixels + metadata
            place = json.dumps({axes: int(number)}).encode()
            index += struct.pack("<I", len(place)) + place + struct.pack("<I", len(name)) + name.encode()
            index += struct.pack(
                "<IiiiiIii", behind, width, height, 4, 0, behind + len(pixels), len(metadata), 0
            )
        (folder / name).write_bytes(content)
    (folder / "NDTiff.index").write_bytes(index)


@pytest.mark.parametrize("files", [1, 2])
def test_an_ndtiff_is_read_with_the_times_and_the_depth_of_its_images(
    tmp_path: Path, stage: Stage, files: int
) -> None:
    frames = stage.frames(6, 24, 32, np.uint16) >> 4
    write_ndtiff(tmp_path, frames, files)
    for path in (tmp_path, tmp_path / "g_NDTiffStack.tif"):
        played = stage.play_all(path, None)
        np.testing.assert_array_equal(played.frames, frames)
        assert played.info.pixel_format == "Mono12"
        assert played.info.captured_unix_ns == round(stage.began_ms + 11 * 3_600_000) * 1_000_000
        np.testing.assert_allclose(
            (np.array(played.stamps) - played.stamps[0]) / 1e6, np.array(ELAPSED_MS) - ELAPSED_MS[0]
        )
        assert played.info.warnings == ()


def test_an_ndtiff_without_its_index_is_read_page_by_page_with_the_dates_of_its_pages(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(6, 24, 32, np.uint16)
    write_ndtiff(tmp_path, frames)
    (tmp_path / "NDTiff.index").unlink()
    played = stage.play_all(tmp_path, None)
    np.testing.assert_array_equal(played.frames, frames)
    np.testing.assert_array_equal(np.diff(played.stamps), 100_000_000)


def test_images_that_an_ndtiff_never_got_are_told_and_left_out(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(6, 24, 32, np.uint16) >> 4
    write_ndtiff(tmp_path, frames)
    index = (tmp_path / "NDTiff.index").read_bytes()
    entry = len(index) // 6
    (tmp_path / "NDTiff.index").write_bytes(index[: 2 * entry] + index[3 * entry :])
    recording = open_recording(tmp_path)
    read = np.concatenate([block.pixels for block in recording.blocks(0, None)])
    recording.close()
    np.testing.assert_array_equal(read, np.delete(frames, 2, axis=0))
    assert any("1 images" in warning for warning in recording.warnings)


def write_with_companion(folder: Path, frames: Any, *, in_one_file: bool) -> Path:
    """Write OME-TIFF that say that their metadata lies in another file; return that."""
    import tifffile

    says = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">'
        '<BinaryOnly MetadataFile="g.companion.ome" UUID="urn:uuid:2"/></OME>'
    )
    if in_one_file:
        with tifffile.TiffWriter(folder / "g.ome.tif", ome=False) as file:
            for number, frame in enumerate(frames):
                text = says if number == 0 else None
                file.write(frame, photometric="minisblack", description=text, metadata=None, contiguous=False)
    else:
        for number, frame in enumerate(frames):
            path = folder / f"g_t{number}.ome.tif"
            tifffile.imwrite(path, frame, photometric="minisblack", description=says, metadata=None)
    count, height, width = frames.shape
    companion = folder / "g.companion.ome"
    companion.write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:2">'
        '<Image ID="Image:0"><AcquisitionDate>2026-01-01T00:00:00Z</AcquisitionDate><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="1" '
        f'SizeT="{count}" SignificantBits="12" TimeIncrement="0.1"/></Image></OME>'
    )
    return companion


@pytest.mark.parametrize("in_one_file", [True, False])
def test_what_a_companion_file_tells_is_taken_and_its_absence_is_told(
    tmp_path: Path, stage: Stage, in_one_file: bool
) -> None:
    frames = stage.frames(6, 24, 32, np.uint16) >> 4
    companion = write_with_companion(tmp_path, frames, in_one_file=in_one_file)
    played = stage.play_all(tmp_path, None)
    np.testing.assert_array_equal(played.frames, frames)
    assert (played.info.pixel_format, played.info.fps) == ("Mono12", 10.0)
    assert played.info.captured_unix_ns == round(stage.began_ms) * 1_000_000
    companion.unlink()
    played = stage.play_all(tmp_path)
    np.testing.assert_array_equal(played.frames, frames)
    assert any(companion.name in warning for warning in played.info.warnings)
