"""Pictures of less usual formats, and what does not belong among the others of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rheed_acquire_replay.formats import open_recording

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage


def save(folder: Path, frames: NDArray[Any], name: str, **how: Any) -> None:
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(number), **how)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("f{}.webp", {"lossless": True}),
        ("f{}.jp2", {"irreversible": False}),
        ("f{}.tga", {}),
        ("f{}.gif", {}),
        ("f{}.pnm", {}),
    ],
)
def test_gray_is_what_it_was_in_any_lossless_format(
    tmp_path: Path, stage: Stage, name: str, how: dict[str, Any]
) -> None:
    frames = stage.frames(3, 24, 32)
    save(tmp_path, frames, name, **how)
    played = stage.play_all(tmp_path).frames
    np.testing.assert_array_equal(played[..., 0] if played.ndim == 4 else played, frames)


def test_jpeg_2000_keeps_its_depth(tmp_path: Path, stage: Stage) -> None:
    import imagecodecs

    frames = stage.frames(3, 24, 32, np.uint16) >> 4
    for number, frame in enumerate(frames):
        encoded = imagecodecs.jpeg2k_encode(frame, level=0, reversible=True, bitspersample=12)
        (tmp_path / f"f{number}.jp2").write_bytes(encoded)
    np.testing.assert_array_equal(stage.play_all(tmp_path).frames, frames)


@pytest.mark.parametrize(("greatest", "dtype"), [(255, np.uint8), (4095, np.uint16)])
@pytest.mark.parametrize("kind", ["P3", "P6"])
def test_pixmaps_are_read_in_colour(
    tmp_path: Path, stage: Stage, kind: str, greatest: int, dtype: Any
) -> None:
    gray = (stage.frames(2, 24, 32, dtype) & greatest).astype(dtype)
    for number, frame in enumerate(gray):
        colours = np.repeat(frame[..., np.newaxis], 3, axis=-1)
        raw = colours.astype(">u2" if greatest > 255 else "u1").tobytes()
        plain = " ".join(map(str, colours.ravel())).encode()
        head = f"{kind} # a comment\n32 24\n{greatest}\n".encode()
        (tmp_path / f"f{number}.ppm").write_bytes(head + (raw if kind == "P6" else plain))
    played = stage.play_all(tmp_path).frames
    np.testing.assert_array_equal(played[..., 0] if played.ndim == 4 else played, gray)


def test_several_pictures_in_a_file_for_one_are_refused_and_not_taken_for_one(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(3, 24, 32)
    (tmp_path / "a.pgm").write_bytes(b"".join(b"P5\n32 24\n255\n" + frame.tobytes() for frame in frames))
    assert "several pictures" in str(stage.refusal(tmp_path / "a.pgm"))
    first, *others = [Image.fromarray(frame) for frame in frames]
    for name in ("a.webp", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=others, lossless=True)
        assert "3 pictures" in str(stage.refusal(tmp_path / name))


def test_a_picture_that_is_named_unlike_the_others_is_told(tmp_path: Path, stage: Stage) -> None:
    save(tmp_path, stage.frames(6, 24, 32), "f{}.png")
    recording = open_recording(tmp_path)
    recording.close()
    assert recording.warnings == []
    save(tmp_path, stage.frames(1, 24, 32), "background.png")
    recording = open_recording(tmp_path)
    recording.close()
    (warning,) = recording.warnings
    assert "background.png: named unlike the other 6" in warning


def test_a_picture_of_another_kind_is_named_before_there_is_a_stream_and_can_be_left_out(
    tmp_path: Path, stage: Stage
) -> None:
    frames = stage.frames(6, 24, 32)
    save(tmp_path, frames, "f{}.png")
    Image.fromarray(np.repeat(frames[3][..., np.newaxis], 3, axis=-1)).save(tmp_path / "f3.png")
    why = str(stage.refusal(tmp_path))
    assert "f3.png is colour, where most of the recording is 8-bit gray" in why
    played = stage.play_all(tmp_path, skip_bad=True)
    np.testing.assert_array_equal(played.frames, np.delete(frames, 3, axis=0))


@pytest.mark.parametrize("name", ["a.tif", "a.h5", "a.avi", "a.npy", "a.npz", "a.imm", "a.png", "a.pgm"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, stage: Stage, name: str) -> None:
    (tmp_path / name).touch()
    assert str(stage.refusal(tmp_path / name)) == f"{tmp_path / name} is empty"
