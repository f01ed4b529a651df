"""HDF5 files as NeXus, areaDetector and people's own programs lay them out."""

from __future__ import annotations

import contextlib
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rheed_acquire import CameraError
from rheed_acquire_growing.hdf5_swmr import GrowingHdf5
from rheed_acquire_growing.kinds import open_growing
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.hdf5_attributes import attribute
from rheed_acquire_replay.hdf5_texts import texts

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

BEGAN = "2026-01-01T01:00:00.5+01:00"


def nexus(file: h5py.File, frames: Any) -> None:
    file.attrs["default"] = "entry"
    entry = file.create_group("entry")
    entry.attrs["NX_class"], entry.attrs["default"] = "NXentry", "rheed"
    entry["start_time"] = BEGAN
    data = entry.create_group("rheed")
    data.attrs["NX_class"], data.attrs["signal"] = "NXdata", "counts"
    data.attrs["axes"] = ["frame_time", ".", "."]
    data["counts"], data["errors"] = frames, frames
    data["frame_time"] = np.arange(len(frames)) * 100.0
    data["frame_time"].attrs["units"] = "ms"
    entry["detector/flatfield"] = frames[:3]


def older_nexus(file: h5py.File, frames: Any) -> None:
    entry = file.create_group("scan_1")
    entry.attrs["NX_class"] = "NXentry"
    entry["start_time"] = np.array([BEGAN.encode()])
    entry["rheed/counts"], entry["rheed/errors"] = frames, frames
    entry["rheed/counts"].attrs["signal"] = 1
    entry["rheed/time"] = np.arange(len(frames)) / 10


@pytest.mark.parametrize("write", [nexus, older_nexus])
def test_of_several_datasets_the_signal_of_nexus_is_meant(tmp_path: Path, stage: Stage, write: Any) -> None:
    frames = stage.frames(5, 24, 32)
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        write(file, frames)
    played = stage.play_all(tmp_path / "a.nxs", None)
    np.testing.assert_array_equal(played.frames, frames)
    assert played.info.captured_unix_ns == round(stage.began_ms * 1_000_000) + 500_000_000
    np.testing.assert_array_equal(np.diff(played.stamps), 100_000_000)
    with h5py.File(tmp_path / "a.nxs") as file:
        other = next(name for name in ("entry/rheed/errors", "scan_1/rheed/errors") if name in file)
    assert len(stage.play_all(tmp_path / "a.nxs", None, dataset=other).frames) == 5


@pytest.mark.parametrize("each", ["frames/frame_{}", "shot{}/image"])
def test_datasets_that_are_a_frame_each_are_one_recording_in_the_order_of_their_numbers(
    tmp_path: Path, stage: Stage, each: str
) -> None:
    frames = stage.frames(12, 24, 32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number, frame in enumerate(frames):
            file[each.format(number)] = frame
            file[each.format(number)].attrs["time"] = number / 20
        file["background"] = frames[0]
    played = stage.play_all(tmp_path / "a.h5", None)
    np.testing.assert_array_equal(played.frames, frames)
    np.testing.assert_array_equal(np.diff(played.stamps), 50_000_000)
    assert len(stage.play_all(tmp_path / "a.h5", dataset="background").frames) == 1


def test_arrays_that_are_a_frame_each_are_one_recording(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(12, 24, 32)
    np.savez_compressed(tmp_path / "a.npz", *frames)
    np.testing.assert_array_equal(stage.play_all(tmp_path / "a.npz").frames, frames)


def test_a_dataset_of_xarray_as_netcdf_has_its_times_and_its_date(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(5, 24, 32)
    with h5py.File(tmp_path / "growth.nc", "w") as file:
        file["frames"] = frames
        for place, name in enumerate(("time", "y", "x")):
            file[name] = np.arange(frames.shape[place], dtype=np.int64) * (50 if name == "time" else 1)
            file[name].make_scale(name)
            file["frames"].dims[place].attach_scale(file[name])
        file["time"].attrs["units"] = "milliseconds since 2026-01-01T00:00:00"
        file["time"].attrs["calendar"] = "proleptic_gregorian"
    played = stage.play_all(tmp_path / "growth.nc", None)
    np.testing.assert_array_equal(played.frames, frames)
    assert played.info.captured_unix_ns == round(stage.began_ms * 1_000_000)
    np.testing.assert_array_equal(np.diff(played.stamps), 50_000_000)


def test_frames_that_there_is_room_for_and_that_were_never_written_are_left_out_and_told(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(7, 24, 32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        room = file.create_dataset("frames", (100, 24, 32), np.uint8, chunks=(2, 24, 32))
        room[:7] = frames
        file["time"] = np.arange(100) / 10
    played = stage.play_all(tmp_path / "a.h5", None)
    np.testing.assert_array_equal(played.frames[:7], frames)
    assert len(played.frames) == 8, "frames are written two by two"
    assert any("room for 100 frames, and 8 were written" in warning for warning in played.info.warnings)
    np.testing.assert_array_equal(np.diff(played.stamps), 100_000_000)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("frames", (100, 24, 32), np.uint8, chunks=(1, 24, 32))
    assert "none was written" in str(stage.refusal(tmp_path / "b.h5"))
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("frames", (100, 24, 32), np.uint8)  # in one piece
    assert "none was written" in str(stage.refusal(tmp_path / "c.h5"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sets(st.integers(0, 5), min_size=1),
    st.sampled_from([(1, 24, 32), (2, 12, 16), (3, 24, 8)]),
    st.booleans(),
)
def test_frames_that_were_never_written_in_the_middle_are_left_out_and_seen_to_be_missing(
    tmp_path_factory: pytest.TempPathFactory,
    stage: Stage,
    chunks_written: set[int],
    chunk: tuple[int, ...],
    two_axes: bool,
) -> None:
    path = tmp_path_factory.mktemp("recording") / "a.h5"
    step, count = chunk[0], 5 * chunk[0] + 1  # the last chunk has room for one frame
    frames = 1 + stage.frames(2 * count, 24, 32) % 250
    groups = 2 if two_axes else 1
    with h5py.File(path, "w") as file:
        shape = (2, count, 24, 32) if two_axes else (count, 24, 32)
        room = file.create_dataset("frames", shape, np.uint8, chunks=(1, *chunk) if two_axes else chunk)
        expected: list[int] = []
        for group in range(groups):
            rows = room[group] if two_axes else room
            for number in sorted(chunks_written):
                there = slice(number * step, min((number + 1) * step, count))
                if two_axes:
                    room[group, there] = frames[group * count :][there]
                else:
                    rows[there] = frames[there]
                expected += range(group * count + there.start, group * count + there.stop)
    played = stage.play_all(path, axes="ZTYX" if two_axes else "TYX")
    np.testing.assert_array_equal(played.frames, frames[expected])
    assert played.ids == expected
    told = [warning for warning in played.info.warnings if "were written" in warning]
    assert len(told) == (len(expected) < groups * count)
    assert not any("in part" in warning for warning in played.info.warnings)


def test_a_gap_of_a_million_million_frames_is_not_read(tmp_path: Path, stage: Stage) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        room = file.create_dataset("frames", (10**12, 24, 32), np.uint8, chunks=(1, 24, 32))
        room[0], room[-1] = 1, 2
    played = stage.play_all(tmp_path / "a.h5")
    assert played.frames[:, 0, 0].tolist() == [1, 2]
    assert played.ids == [0, 10**12 - 1]


def test_frames_that_were_written_in_part_are_told(tmp_path: Path, stage: Stage) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        room = file.create_dataset("frames", (4, 24, 32), np.uint8, chunks=(1, 12, 32))
        room[:] = 7
        file.create_dataset("other", (4, 24, 32), np.uint8, chunks=(1, 12, 32))[:, :12] = 7
    assert not stage.play_all(tmp_path / "a.h5", dataset="frames").info.warnings
    (told,) = stage.play_all(tmp_path / "a.h5", dataset="other").info.warnings
    assert "written only in part, in 4 of its chunks: what is missing of them is 0" in told


def test_values_that_a_virtual_dataset_takes_from_nowhere_are_told(tmp_path: Path, stage: Stage) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["part"] = np.full((4, 24, 32), 7, np.uint8)
        for name, room in (("whole", 4), ("more", 6)):
            layout = h5py.VirtualLayout((room, 24, 32), np.uint8)
            layout[:4] = h5py.VirtualSource(file["part"])
            file.create_virtual_dataset(name, layout)
    assert not stage.play_all(tmp_path / "a.h5", dataset="whole").info.warnings
    (told,) = stage.play_all(tmp_path / "a.h5", dataset="more").info.warnings
    assert "1536 of its 4608 values lie in none of them: they are 0" in told


def test_datasets_of_a_frame_each_that_were_never_written_are_left_out_and_told(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(5, 24, 32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number, frame in enumerate(frames):
            file[f"frame_{number}"] = frame
        file.create_dataset("frame_5", (24, 32), np.uint8, chunks=(24, 32))
    played = stage.play_all(tmp_path / "a.h5")
    np.testing.assert_array_equal(played.frames, frames)
    assert any("frame_5 the first, were never written" in warning for warning in played.info.warnings)


def test_values_that_lie_in_another_file_are_looked_for_beside_their_own(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(5, 24, 32)
    (tmp_path / "a.raw").write_bytes(frames.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("frames", frames.shape, np.uint8, external=[("a.raw", 0, frames.nbytes)])
    np.testing.assert_array_equal(stage.play_all(tmp_path / "a.h5").frames, frames)
    (tmp_path / "a.raw").unlink()
    assert "a.raw is not there" in str(stage.refusal(tmp_path / "a.h5"))


def area_detector(path: Path, frames: Any, numbers: Any, epics_s: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = frames
        attributes = file.create_group("entry/instrument/NDAttributes")
        attributes["NDArrayUniqueId"] = np.asarray(numbers, np.int32)
        attributes["NDArrayTimeStamp"] = 1_136_073_600 + np.arange(len(frames)) / 10
        attributes["NDArrayEpicsTSSec"] = np.asarray(epics_s, np.uint32)
        attributes["NDArrayEpicsTSnSec"] = np.zeros(len(frames), np.uint32)
    return path


def test_numbers_of_area_detector_that_jump_are_told(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(4, 24, 32)
    path = area_detector(tmp_path / "a.h5", frames, [3, 4, 7, 8], [100, 101, 102, 103])
    recording = open_recording(path)
    recording.close()
    assert any("jump 1 times: 2 frames may be missing" in warning for warning in recording.warnings)
    path = area_detector(tmp_path / "b.h5", frames, [3, 4, 5, 6], [100, 101, 102, 103])
    recording = open_recording(path)
    recording.close()
    assert recording.warnings == []


def test_epics_times_that_stand_still_leave_those_of_the_camera(tmp_path: Path, stage: Stage) -> None:
    path = area_detector(tmp_path / "a.h5", stage.frames(4, 24, 32), [0, 1, 2, 3], [0, 0, 0, 0])
    played = stage.play_all(path, None)
    assert "NDArrayTimeStamp" in dict(played.info.notes)["times"]
    np.testing.assert_allclose(np.diff(played.stamps) / 1e6, 100, atol=1e-3)


def checksum(content: bytes) -> int:
    """What HDF5 seals its blocks with: lookup3 of Bob Jenkins, which is in the public domain."""

    def turned(value: int, by: int) -> int:
        return (value << by | value >> (32 - by)) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(content)) & 0xFFFFFFFF
    words = struct.unpack(f"<{-(-len(content) // 12) * 3}I", content + bytes(-len(content) % 12))
    for at in range(0, len(words), 3):
        a, b, c = ((old + new) & 0xFFFFFFFF for old, new in zip((a, b, c), words[at : at + 3], strict=True))
        if at + 3 < len(words):
            for by in (4, 6, 8, 16, 19, 4):
                a = ((a - c) & 0xFFFFFFFF) ^ turned(c, by)
                c = (c + b) & 0xFFFFFFFF
                a, b, c = b, c, a
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - turned(b, by)) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b


def seal_anew(content: bytearray, before: bytes, changed: int) -> None:
    """Seal the block of a file that lies around a change, where there is such a block."""
    begin = max(before.rfind(name, 0, changed) for name in (b"FHDB", b"OHDR", b"OCHK"))
    # Within a heap's block the seal counts as zeros; behind a header's it does not count.
    in_heap = before[begin : begin + 4] == b"FHDB"
    for size in (1 << bits for bits in range(9, 17)) if in_heap else range(changed + 16 - begin, 4096):
        at = begin + (18 if in_heap else size)
        gap = bytes(4) if in_heap else b""
        behind = at + len(gap)
        if checksum(before[begin:at] + gap + before[behind : begin + size]) == int.from_bytes(
            before[at : at + 4], "little"
        ):
            sealed = checksum(bytes(content[begin:at]) + gap + content[behind : begin + size])
            content[at : at + 4] = sealed.to_bytes(4, "little")
            return


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("more", [0, 7, 30, 200])
@pytest.mark.parametrize("userblock", [0, 1024])
@pytest.mark.parametrize("in_order", [False, True], ids=["unordered", "in-order"])
def test_a_damaged_length_of_a_text_of_an_attribute_is_not_believed(
    tmp_path: Path, libver: str, more: int, userblock: int, in_order: bool
) -> None:
    path = tmp_path / "a.h5"
    unit = "milliseconds of the clock"
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        frames = file.create_dataset("frames", data=np.zeros((5, 24, 32), np.uint8), track_order=in_order)
        # More of them than the object's first header has room for; of many some keep a heap.
        for number in range(more):
            frames.attrs[f"note {number}"] = "x" * 50
        frames.attrs["units"] = unit
        frames.attrs["axes"] = ["time", "y", "x"]
    with h5py.File(path) as file:
        assert attribute(file["frames"], "units") == unit
        assert list(attribute(file["frames"], "axes")) == ["time", "y", "x"]
        assert attribute(file["frames"], "none") is None
    content = path.read_bytes()
    # A length, where the text lies, and which of those there it is.
    named = re.compile(
        b"units\0.*?" + re.escape(len(unit).to_bytes(4, "little")) + b".{6}\0\0..\0\0", re.DOTALL
    )
    refused = 0
    for at in (found.end() - 16 for found in named.finditer(content)):
        damaged = bytearray(content)
        damaged[at : at + 4] = (0x60000000).to_bytes(4, "little")
        seal_anew(damaged, content, at)
        path.write_bytes(damaged)
        with contextlib.suppress(OSError, KeyError, RuntimeError), h5py.File(path) as file:
            refused += attribute(file["frames"], "units") is None
    assert refused >= 1


def test_a_damaged_length_of_a_text_is_not_believed(tmp_path: Path, stage: Stage) -> None:
    path, frames = tmp_path / "a.nxs", stage.frames(5, 24, 32)
    with h5py.File(path, "w") as file:
        nexus(file, frames)
        at = file["entry/start_time"].id.get_offset()
    content = bytearray(path.read_bytes())
    assert int.from_bytes(content[at : at + 4], "little") == len(BEGAN)
    content[at : at + 4] = (0x9FFFFFFF).to_bytes(4, "little")
    path.write_bytes(content)
    recording = open_recording(path)
    recording.close()
    assert recording.captured_ns is None
    assert recording.count == 5


@pytest.mark.parametrize("userblock", [0, 1024])
@pytest.mark.parametrize("number", [0, 1, 0xFFFF])
@pytest.mark.parametrize("length", [0, 2**64 - 16, 2**64 - 1, 5000])
@pytest.mark.parametrize("place", [0, 1])
def test_texts_in_a_damaged_heap_are_not_looked_for(
    tmp_path: Path, userblock: int, number: int, length: int, place: int
) -> None:
    path, dates = tmp_path / "a.h5", [BEGAN, BEGAN[:-1] + "1"]
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["dates"] = dates
        file["dates"].attrs["units"] = dates
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    second = heap + 16 + 16 + -(-len(BEGAN) // 8) * 8
    assert content[second : second + 2] == (2).to_bytes(2, "little")
    at = (heap + 16, second)[place]
    with h5py.File(path) as file:
        assert list(attribute(file["dates"], "units")) == texts(file["dates"], 2) == dates
    content[at : at + 2] = number.to_bytes(2, "little")
    content[at + 8 : at + 16] = length.to_bytes(8, "little")
    path.write_bytes(content)
    with h5py.File(path) as file:
        if number and not length:  # an empty text, and what follows it is no object either
            with contextlib.suppress(OSError):
                texts(file["dates"], 2)
        else:
            assert attribute(file["dates"], "units") is None
            assert texts(file["dates"], 2) is None


@pytest.mark.parametrize("userblock", [0, 512, 4096])
@pytest.mark.parametrize("claimed", [1 << 20, 0xFFFFFFFF])
def test_a_damaged_length_of_driver_information_is_not_believed(
    tmp_path: Path, userblock: int, claimed: int
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="earliest", userblock_size=userblock) as file:
        file["frames"] = np.zeros((5, 24, 32), np.uint8)
    with contextlib.closing(open_recording(path)) as recording:
        assert recording.count == 5
    content = bytearray(path.read_bytes())
    content[userblock + 48 : userblock + 56] = (1024).to_bytes(8, "little")
    content[userblock + 1028 : userblock + 1032] = claimed.to_bytes(4, "little")
    path.write_bytes(content)
    why = "its driver information is said to be longer than the file"
    with pytest.raises(CameraError, match=why):
        open_recording(path)
    with contextlib.closing(open_growing(path, None, None)) as growing:
        growing.look()
        assert isinstance(growing, GrowingHdf5)
        assert growing.kept_out == why
