"""Which frames are followed, in which order, what is told of those that cannot be had, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.hardware.growing.conftest import Writing
from tests.hardware.growing.taking import Taking, taking
from tests.hardware.growing.writers import AviGray, Hdf5, ImageFolder, Imm, TiffStack, frame, number_of

from rheed_acquire import (
    CameraEndedError,
    CameraLostError,
    CameraNotFoundError,
    CameraSettingError,
    CaptureRequest,
)
from rheed_acquire_growing import GrowingSettings, camera, open_camera
from rheed_acquire_growing.follower import Follower

quickly = pytest.mark.usefixtures("impatient")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long as it needs to be seen, and no longer."""
    monkeypatch.setattr("rheed_acquire_growing.follower.PATIENCE_S", 0.3)
    monkeypatch.setattr("rheed_acquire_growing.discovery.GONE_S", 0.3)
    monkeypatch.setattr("rheed_acquire_growing.camera.TOLD_AFTER_S", 0.3)
    monkeypatch.setattr("rheed_acquire_growing.camera.BEHIND_S", 0.2)


@pytest.fixture
def folder(tmp_path: Path, writing: Writing) -> ImageFolder:
    """A folder in which another program writes pictures."""
    return writing(ImageFolder, tmp_path / "growth")


def numbers(taken: Taking) -> list[int]:
    return [number_of(pixels) for pixels in taken.pixels]


def write(writer: Any, which: Sequence[int]) -> None:
    for number in which:
        writer.write(number)


@pytest.mark.parametrize(
    ("kind", "called", "what"),
    [(Imm, "growth.imm", "5 frames"), (ImageFolder, "growth", "5 files"), (TiffStack, "a.tif", "5 frames")],
)
def test_what_is_there_already_is_left_out_and_that_is_said(
    kind: Any, called: str, what: str, tmp_path: Path, writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    writer = writing(kind, tmp_path / called)
    write(writer, range(5))
    with taking(tmp_path / called) as taken:
        write(writer, range(5, 10))
        taken.wait_for_frames(5)
    assert numbers(taken) == [5, 6, 7, 8, 9]
    assert f"{what} that are there already are left out" in caplog.text
    assert taken.camera is not None
    assert what in dict(taken.camera.info.notes)["begins"]


@pytest.mark.parametrize("kind", [Imm, ImageFolder])
def test_from_the_start_all_of_them_come(kind: Any, tmp_path: Path, writing: Writing) -> None:
    path = tmp_path / ("growth.imm" if kind is Imm else "growth")
    writer = writing(kind, path)
    write(writer, range(5))
    with taking(path, from_start=True) as taken:
        taken.wait_for_frames(4)
        write(writer, range(5, 8))
        taken.wait_for_frames(8)
    assert numbers(taken) == list(range(8))


def test_frames_without_times_that_are_there_already_are_dated_by_the_rate(
    tmp_path: Path, writing: Writing
) -> None:
    writer = writing(TiffStack, tmp_path / "a.tif")
    write(writer, range(5))
    with pytest.raises(CameraSettingError, match=r"does not tell when .* give --fps"):
        open_camera(GrowingSettings(path=writer.path, from_start=True), CaptureRequest())
    with taking(writer.path, fps=10.0, from_start=True) as taken:
        taken.wait_for_frames(5)
    steps = np.diff(np.array(taken.stamps, np.int64))
    assert (steps == 100_000_000).all()
    assert taken.stamps[-1] == writer.path.stat().st_mtime_ns


def test_frames_are_dated_by_the_time_at_which_they_were_written(folder: ImageFolder) -> None:
    with taking(folder.path) as taken:
        write(folder, range(6))
        taken.wait_for_frames(6)
    assert taken.stamps == [folder.named(number).stat().st_mtime_ns for number in range(6)]
    assert taken.camera is not None
    assert taken.camera.info.utc_timestamps


def test_frames_are_dated_by_their_format_where_it_tells(tmp_path: Path, writing: Writing) -> None:
    imm, hdf5 = writing(Imm, tmp_path / "a.imm"), writing(Hdf5, tmp_path / "a.h5")
    for writer in (imm, hdf5):
        write(writer, range(6))
        with taking(writer.path, from_start=True) as taken:
            taken.wait_for_frames(5)
        stamps = [stamp for stamp in taken.stamps if stamp is not None]
        assert [round((stamp - 1_767_225_600 * 10**9) / 1e6) for stamp in stamps[:5]] == [0, 10, 20, 30, 40]


def test_a_picture_that_is_half_written_holds_the_next_ones_back_until_it_is_whole(
    folder: ImageFolder,
) -> None:
    with taking(folder.path) as taken:
        write(folder, [0, 1])
        taken.wait_for_frames(2)
        folder.half(2)
        folder.write(3)
        time.sleep(0.3)
        assert len(taken.pixels) == 2
        folder.write(2)
        taken.wait_for_frames(4)
    assert numbers(taken) == taken.ids == [0, 1, 2, 3]


@quickly
def test_a_picture_that_never_becomes_whole_is_lost_and_the_next_ones_come(folder: ImageFolder) -> None:
    with taking(folder.path) as taken:
        write(folder, [0, 1])
        folder.half(2)
        folder.write(3)
        taken.wait_for_frames(3)
        assert taken.camera is not None
        assert taken.camera.statistics()["frames_lost"] == 1
    assert numbers(taken) == taken.ids == [0, 1, 3]


def test_a_number_that_comes_late_is_waited_for_and_one_that_does_not_come_is_a_gap(
    folder: ImageFolder,
) -> None:
    with taking(folder.path) as taken:
        write(folder, [0, 1])
        taken.wait_for_frames(2)
        write(folder, [3, 2])
        taken.wait_for_frames(4)
        write(folder, [7])
        taken.wait_for_frames(5)
    assert numbers(taken) == taken.ids == [0, 1, 2, 3, 7]


def test_a_number_that_comes_after_a_later_one_was_taken_is_left_out_and_counted(
    tmp_path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheed_acquire_growing.follower.LATE_S", 0.0)
    writer = writing(ImageFolder, tmp_path / "growth")
    with taking(writer.path) as taken:
        write(writer, [0, 1, 3])
        taken.wait_for_frames(3)
        writer.write(4)
        late = tmp_path / "late.png"
        late.write_bytes(writer.encoded(2))
        earlier_ns = writer.named(1).stat().st_mtime_ns
        os.utime(late, ns=(earlier_ns, earlier_ns))
        taken.wait_for_frames(4)
        late.rename(writer.named(2))
        write(writer, [5])
        taken.wait_for_frames(5)
        assert taken.camera is not None
        assert taken.camera.statistics()["frames_lost"] == 1
    assert numbers(taken) == taken.ids == [0, 1, 3, 4, 5]


def test_a_folder_that_cannot_be_read_keeps_no_picture_of_the_others(
    folder: ImageFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The system's own on the root of a drive, or one that somebody makes for himself meanwhile."""
    scan = os.scandir

    def scanned(path: Any) -> Any:
        if isinstance(path, str) and Path(path).name in ("lost+found", "backup"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("rheed_acquire_growing.discovery.os.scandir", scanned)
    folder.path.mkdir(exist_ok=True)
    (folder.path / "lost+found").mkdir()
    with taking(folder.path) as taken:
        write(folder, range(3))
        taken.wait_for_frames(3)
        (folder.path / "backup").mkdir()
        write(folder, range(3, 6))
        taken.wait_for_frames(6)
    assert numbers(taken) == list(range(6))
    for closed in ("lost+found", "backup"):
        assert caplog.text.count(f"{closed} is passed over: Permission denied") == 1


def test_numbers_that_begin_anew_are_another_series_and_ids_go_on(tmp_path: Path, writing: Writing) -> None:
    writer = writing(ImageFolder, tmp_path / "b")
    again = writing(ImageFolder, tmp_path / "a")
    with taking(tmp_path) as taken:
        write(writer, range(100, 105))
        taken.wait_for_frames(5)
        write(again, range(4))
        taken.wait_for_frames(9)
    assert numbers(taken) == [100, 101, 102, 103, 104, 0, 1, 2, 3]
    assert taken.ids == list(range(100, 109))


def test_a_file_that_is_written_under_another_name_and_renamed_comes_once(folder: ImageFolder) -> None:
    with taking(folder.path) as taken:
        for number in range(5):
            folder.write(number)
            # As if the program had its temporary names end like the others.
            taken.wait_for_frames(number + 1)
            folder.named(number).rename(folder.path / f"done_{number:06d}.png")
        time.sleep(0.3)
    assert numbers(taken) == [0, 1, 2, 3, 4]


def test_files_of_many_frames_follow_one_another(tmp_path: Path, writing: Writing) -> None:
    with taking(tmp_path) as taken:
        for part in range(3):
            writer = writing(AviGray, tmp_path / f"growth_{part}.avi")
            write(writer, range(part * 10, part * 10 + 10))
            writer.file.close()
        taken.wait_for_frames(30)
    assert numbers(taken) == list(range(30))
    assert set(taken.ids) == {None}


def test_two_stacks_that_were_written_side_by_side_come_one_after_the_other(
    tmp_path: Path, writing: Writing
) -> None:
    first, second = (writing(Imm, tmp_path / f"growth_{name}.imm") for name in "ab")
    for number in range(6):
        first.write(number)
        second.write(100 + number)
    for writer in (second, first):
        writer.close()
        os.utime(writer.path, ns=(10**18, 10**18))  # as those are that were copied together
    with taking(tmp_path, from_start=True) as taken:
        taken.wait_for_frames(11)
    assert numbers(taken)[:11] == [*range(6), *range(100, 105)]


def test_a_file_that_is_begun_anew_is_read_from_its_first_frame_on(tmp_path: Path, writing: Writing) -> None:
    path = tmp_path / "growth.imm"
    with taking(path) as taken:
        first = writing(Imm, path)
        write(first, range(10))
        taken.wait_for_frames(10)
        first.file.close()
        write(writing(Imm, path), range(50, 56))
        taken.wait_for_frames(16)
    assert numbers(taken) == [*range(10), *range(50, 56)]


@quickly
def test_a_file_that_is_deleted_is_a_loss_and_the_next_camera_goes_on_where_it_was(
    tmp_path: Path, writing: Writing
) -> None:
    writer = writing(Imm, tmp_path / "growth.imm")
    aside = tmp_path / "aside"
    with taking(writer.path) as taken:
        write(writer, range(5))
        taken.wait_for_frames(5)
        writer.close()  # on Windows an open file keeps its name
        writer.path.rename(aside)
        fault = taken.wait_for_fault()
    assert isinstance(fault, CameraLostError)
    assert str(writer.path) in str(fault)
    with pytest.raises(CameraNotFoundError, match="not there again"):
        open_camera(GrowingSettings(path=writer.path), CaptureRequest())
    with aside.open("ab", buffering=0) as writer.file:
        write(writer, range(5, 8))
    aside.rename(writer.path)
    with taking(writer.path) as again:
        again.wait_for_frames(3)
    assert numbers(again) == [5, 6, 7]


def test_it_ends_when_nothing_has_come_for_a_while(tmp_path: Path, writing: Writing) -> None:
    writer = writing(Imm, tmp_path / "growth.imm")
    with taking(writer.path, idle=0.7) as taken:
        write(writer, range(5))
        fault = taken.wait_for_fault()
    assert isinstance(fault, CameraEndedError)
    assert numbers(taken) == [0, 1, 2, 3, 4]


def test_a_start_begins_where_the_camera_was_opened(folder: ImageFolder) -> None:
    with taking(folder.path) as taken:
        write(folder, range(5))
        taken.wait_for_frames(5)
        assert taken.camera is not None
        taken.camera.stop()
        write(folder, range(5, 8))
        taken.camera.start(taken.on_frame, taken.on_fault)
        taken.wait_for_frames(13)
    assert numbers(taken) == [*range(5), *range(8)]
    assert taken.ids == numbers(taken)


def test_a_picture_of_another_size_is_left_out_and_counted(folder: ImageFolder) -> None:
    with taking(folder.path) as taken:
        write(folder, [0, 1])
        Image.fromarray(np.zeros((5, 7), np.uint8)).save(folder.named(2))
        write(folder, [3, 4])
        taken.wait_for_frames(4)
        assert taken.camera is not None
        assert taken.camera.statistics()["frames_lost"] == 1
    assert numbers(taken) == [0, 1, 3, 4]


@quickly
def test_more_frames_than_can_be_taken_wait_and_that_is_said(
    tmp_path: Path, writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    writer = writing(Imm, tmp_path / "growth.imm")
    write(writer, range(100))
    with taking(writer.path, hold_s=0.01, from_start=True) as taken:
        taken.wait_for_frames(99)
        assert taken.camera is not None
        statistics = taken.camera.statistics()
    assert statistics["frames_waiting_at_most"] > 50
    assert statistics["frames_lost"] == 0
    assert numbers(taken)[:99] == list(range(99))
    assert "wait to be taken" in caplog.text


@quickly
def test_an_hdf5_file_that_lets_nobody_in_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "growth.h5"
    # HDF5 keeps other processes out, and not its own.
    program = (
        f"import h5py; f = h5py.File({str(path)!r}, 'w'); f['frames'] = [[[1]]]; f.flush(); print(); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with taking(path):
            limit_s = time.monotonic() + 60
            while "SWMR" not in caplog.text:
                assert time.monotonic() < limit_s, caplog.text
                time.sleep(0.02)
        other.communicate("over")
    assert "cannot be read while its program has it open" in caplog.text


@quickly
def test_a_file_that_grows_and_shows_no_frame_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "growth.avi"
    with path.open("wb", buffering=0) as file, taking(path):
        limit_s = time.monotonic() + 60
        while "holds no whole frame" not in caplog.text:
            assert time.monotonic() < limit_s, caplog.text
            file.write(bytes(1000))
            time.sleep(0.02)


def test_deep_samples_of_unknown_depth_are_kept_and_said_to_be_dim(tmp_path: Path) -> None:
    np.save(tmp_path / "a_1.npy", frame(1, 12))
    np.save(tmp_path / "a_2.npy", frame(2, 12))
    with taking(tmp_path, from_start=True) as taken:
        taken.wait_for_frames(2)
        assert taken.camera is not None
        info = taken.camera.info
    assert info.pixel_format == "Mono16"
    assert "--growing.bits" in info.warnings[0]
    np.testing.assert_array_equal(taken.pixels[0], frame(1, 12))
    with taking(tmp_path, from_start=True, bits=12) as taken:
        taken.wait_for_frames(2)
        assert taken.camera is not None
        assert (taken.camera.info.pixel_format, taken.camera.info.warnings) == ("Mono12", ())


@pytest.mark.parametrize("called", ["growth.mkv", "growth.mp4"])
def test_what_cannot_be_followed_is_refused_whether_it_is_there_or_not(called: str, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(CameraSettingError, match="cannot be followed"):
            open_camera(GrowingSettings(path=tmp_path / called), CaptureRequest())
        (tmp_path / called).write_bytes(b"")


def test_a_picture_that_was_touched_after_it_was_seen_to_be_whole_comes_once(folder: ImageFolder) -> None:
    write(folder, range(3))
    follower = Follower(folder.path, from_start=True)
    follower.look()
    os.utime(folder.named(1), ns=(10**18, 10**18))
    came = [follower.take() for _ in range(5)]
    assert [number_of(taken.pixels) for taken in came if taken is not None] == [0, 1, 2]
    assert follower.lost == 0


def test_a_path_is_needed() -> None:
    with pytest.raises(CameraSettingError, match=r"--growing\.path"):
        open_camera(GrowingSettings(), CaptureRequest())


def test_nothing_of_a_lost_file_is_kept_once_it_is_back() -> None:
    assert not camera._lost
