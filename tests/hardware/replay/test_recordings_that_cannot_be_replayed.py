"""What a user can do wrong, and what a disk can do to a recording: one clear message each."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rheed_acquire import CameraEndedError, CameraSettingError

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

FILES = ["a.h5", "a.tif", "a.npy", "a.npz", "a.mp4", "a.avi"]


def test_a_path_is_needed_and_must_be_there_and_of_a_known_kind(tmp_path: Path, stage: Stage) -> None:
    assert "--replay.path is needed" in str(stage.refusal(None))
    assert "no such file" in str(stage.refusal(tmp_path / "a.npy"))
    (tmp_path / "a.doc").write_bytes(b"x")
    assert ".doc cannot be replayed" in str(stage.refusal(tmp_path / "a.doc"))
    assert "holds no image" in str(stage.refusal(tmp_path))


@pytest.mark.parametrize("content", [b"", b"this is no recording at all" * 40], ids=["empty", "foreign"])
@pytest.mark.parametrize("name", FILES)
def test_an_empty_or_foreign_file_is_refused_by_name(
    tmp_path: Path, stage: Stage, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    why = "cannot be read as a" if content else "is empty"
    assert f"{tmp_path / name} {why}" in str(stage.refusal(tmp_path / name))


@pytest.mark.parametrize("content", [b"", b"not a picture"])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_broken_image_is_refused_by_name(tmp_path: Path, stage: Stage, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert f"{tmp_path / name} cannot be read as an image" in str(stage.refusal(tmp_path))


@pytest.mark.parametrize("other", ["GIF", "ICO", "TGA", "WEBP"])
def test_an_image_of_another_kind_under_a_known_name_is_not_decoded(
    tmp_path: Path, stage: Stage, other: str
) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((6, 9), np.uint8)).save(tmp_path / "a.png", other)
    assert f"{tmp_path / 'a.png'} cannot be read as an image" in str(stage.refusal(tmp_path))


def test_a_broken_zarr_array_is_refused_by_name(tmp_path: Path, stage: Stage) -> None:
    (tmp_path / "zarr.json").write_text("{")
    assert f"{tmp_path} cannot be read as Zarr" in str(stage.refusal(tmp_path))


def test_recordings_without_a_frame_are_refused(tmp_path: Path, stage: Stage) -> None:
    import h5py
    import zarr

    nothing = np.zeros((0, 6, 9), np.uint8)
    np.save(tmp_path / "a.npy", nothing)
    np.savez(tmp_path / "a.npz", nothing)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = nothing
    zarr.create_group(tmp_path / "a.zarr", attributes={"data_id": "1"})
    stage.write_run(tmp_path / "b.zarr", stage.frames(3), [float("nan")] * 3)
    for name in ("a.npy", "a.npz", "a.h5", "a.zarr", "b.zarr"):
        assert "holds no frame" in str(stage.refusal(tmp_path / name)), name


def test_a_dataset_is_chosen_where_several_could_be_meant(tmp_path: Path, stage: Stage) -> None:
    import h5py
    import zarr

    first, second = stage.frames(4), stage.frames(5)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one/data"], file["two"], file["times"] = first, second, np.arange(4)
    arrays: dict[str, Any] = {"one/data": first, "two": second, "times": np.arange(4)}
    np.savez(tmp_path / "a.npz", **arrays)
    group = zarr.create_group(tmp_path / "a.zarr")
    for name, data in arrays.items():
        group.create_array(name, shape=data.shape, dtype=data.dtype)[:] = data
    for name in ("a.h5", "a.npz", "a.zarr"):
        path = tmp_path / name
        undecided = stage.refusal(path)
        assert isinstance(undecided, CameraSettingError)
        assert "--replay.dataset" in str(undecided)
        assert "one/data" in str(undecided)
        assert "no such dataset; there is" in str(stage.refusal(path, dataset="three"))
        assert "not (frames, height, width)" in str(stage.refusal(path, dataset="times"))
        np.testing.assert_array_equal(stage.play_all(path, dataset="/one/data").frames, first)


def test_a_file_without_a_stack_of_frames_says_what_it_has(tmp_path: Path, stage: Stage) -> None:
    np.savez(tmp_path / "a.npz", times=np.arange(4))
    message = str(stage.refusal(tmp_path / "a.npz"))
    assert "times (4,)" in message
    np.save(tmp_path / "a.npy", np.arange(4))
    assert "not (frames, height, width)" in str(stage.refusal(tmp_path / "a.npy"))
    assert "has no datasets" in str(stage.refusal(tmp_path / "a.npy", dataset="x"))


def test_numbers_that_are_no_gray_levels_are_refused(tmp_path: Path, stage: Stage) -> None:
    for wrong in (0.5, np.nan, -1.0, 65_536.0):
        numbers = np.zeros((3, 6, 9))
        numbers[1, 2, 3] = wrong
        path = tmp_path / f"{wrong}.npy"  # the error's traceback has the one before still mapped
        np.save(path, numbers)
        refused = stage.refusal(path)
        assert isinstance(refused, CameraSettingError)
        assert "frame 1 holds values" in str(refused)
        assert "--replay.scale MIN:MAX" in str(refused)
    np.save(tmp_path / "a.npy", np.array([None]), allow_pickle=True)
    assert "cannot be read" in str(stage.refusal(tmp_path / "a.npy"))


@pytest.mark.parametrize(("first", "last"), [(20, None), (0, 20)])
def test_a_range_beyond_the_end_names_what_there_is(
    tmp_path: Path, stage: Stage, first: int, last: int | None
) -> None:
    np.save(tmp_path / "a.npy", stage.frames(20))
    refused = stage.refusal(tmp_path / "a.npy", first=first, last=last)
    assert isinstance(refused, CameraSettingError)
    assert "has 20 frames, 0 to 19" in str(refused)


def test_a_rate_and_a_time_are_asked_for_where_the_recording_tells_none(tmp_path: Path, stage: Stage) -> None:
    np.save(tmp_path / "a.npy", stage.frames(3))
    assert "--replay.fps" in str(stage.refusal(tmp_path / "a.npy", fps=None))
    assert "--replay.start" in str(stage.refusal(tmp_path / "a.npy", keep_timestamps=True))


def test_a_picture_of_another_size_is_named_before_there_is_a_stream(tmp_path: Path, stage: Stage) -> None:
    from PIL import Image

    for number, height in enumerate((6, 6, 7)):
        Image.fromarray(stage.frames(1, height)[0]).save(tmp_path / f"{number}.png")
    refused = str(stage.refusal(tmp_path))
    assert "2.png has 9 x 7 pixels" in refused
    assert "--replay.skip-bad" in refused
    assert stage.play_all(tmp_path, skip_bad=True).ids == [0, 1]


def test_a_shard_that_is_gone_is_not_taken_for_black_frames(tmp_path: Path, stage: Stage) -> None:
    times = [stage.began_ms + 100 * number for number in range(60)]
    run = stage.write_run(tmp_path / "a.zarr", stage.frames(60), times)
    shutil.rmtree(run / "frames" / "c" / "1")
    assert "frames/c/1/0/0 any more" in str(stage.play(run).fault)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "ffv1"), ("a.mkv", "ffv1"), ("a.avi", "mpeg4")])
def test_a_video_that_is_cut_off_is_not_taken_for_a_whole_one(
    tmp_path: Path, stage: Stage, name: str, codec: str
) -> None:
    path = tmp_path / name
    pixel_format = "gray" if codec == "ffv1" else "yuv420p"
    stage.write_video(path, stage.frames(40, 64, 96), codec, pixel_format)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    played = stage.play(path)
    assert not isinstance(played.fault, CameraEndedError)
    assert str(path) in str(played.fault)
    assert 0 < len(played.ids) < 40


def test_an_mp4_that_was_never_finished_is_refused(tmp_path: Path, stage: Stage) -> None:
    path = stage.write_video(tmp_path / "a.mp4", stage.frames(40, 64, 96), "h264", "yuv420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cannot be read as a video" in str(stage.refusal(path))


def test_sound_alone_is_no_recording(tmp_path: Path, stage: Stage) -> None:
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    assert "has no pictures" in str(stage.refusal(tmp_path / "a.mkv"))


@pytest.mark.parametrize(
    ("module", "package", "name"),
    [
        ("PIL", "pillow", "folder"),
        ("tifffile", "tifffile", "a.tif"),
        ("h5py", "h5py", "a.h5"),
        ("av", "av", "a.avi"),
        ("zarr", "zarr", "a.zarr"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tmp_path: Path, stage: Stage, module: str, package: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        (path / "a.png").write_bytes(b"x")
    elif name == "a.zarr":
        path.mkdir()
        (path / "zarr.json").touch()
    else:
        path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    message = str(stage.refusal(path))
    assert message.startswith(f"{package} is needed")
    assert 'pip install "rheed-acquire[replay]"' in message
