"""Image files played by the simulated camera."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire import CameraError, CaptureRequest, Frame
from rheed_acquire.frames.pixels import make_converter
from rheed_acquire_simulated import SimulatedSettings, open_camera
from rheed_acquire_simulated import images as images_module

Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed")

REAL_FRAMES = Path(__file__).parents[2].parent / "shared" / "data" / "rheed-deposition"
DEADLINE_S = 30.0
RANDOM = np.random.default_rng(5)


def gray8(height: int = 6, width: int = 9) -> NDArray[Any]:
    return RANDOM.integers(0, 256, (height, width), np.uint8)


def gray16() -> NDArray[Any]:
    return RANDOM.integers(0, 65536, (6, 9), np.uint16)


def colour() -> NDArray[Any]:
    return RANDOM.integers(0, 256, (6, 9, 3), np.uint8)


def play(folder: Path, count: int, **chosen: Any) -> tuple[str, list[NDArray[Any]]]:
    """Return the pixel format and the first frames."""
    frames: list[NDArray[Any]] = []
    enough = threading.Event()

    def on_frame(frame: Frame) -> None:
        if len(frames) < count:
            frames.append(frame.pixels.copy())
        else:
            enough.set()

    with open_camera(SimulatedSettings(images=folder, **chosen), CaptureRequest(fps=2000.0)) as camera:
        info = camera.info
        camera.start(on_frame, lambda error: enough.set())
        assert enough.wait(DEADLINE_S)
        camera.stop()
    assert len(frames) == count
    assert all(frame.shape[:2] == (info.height, info.width) for frame in frames)
    return info.pixel_format, frames


def refusal(folder: Path) -> str:
    with pytest.raises(CameraError) as raised:
        open_camera(SimulatedSettings(images=folder), CaptureRequest())
    return str(raised.value)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("suffix", ["bmp", "png", "tif", "TIFF"])
def test_files_are_played_in_a_loop_sorted_by_name(
    tmp_path: Path, suffix: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kept:
        monkeypatch.setattr(images_module, "CACHE_BYTES", 0)
    pictures = {name: gray8() for name in ("b", "a10", "a2")}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.{suffix}")
    (tmp_path / "notes.txt").write_text("not a picture")
    pixel_format, frames = play(tmp_path, 7)
    assert pixel_format == "Mono8"
    order = [pictures[name] for name in ("a10", "a2", "b")]
    np.testing.assert_array_equal(frames, [*order, *order, order[0]])


@pytest.mark.parametrize(
    ("name", "picture", "pixel_format"),
    [
        ("gray.png", gray16(), "Mono16"),
        ("gray.tif", gray16(), "Mono16"),
        ("big-endian.tif", gray16().astype(">u2"), "Mono16"),
        ("colour.png", colour(), "RGB8"),
        ("colour.bmp", colour(), "RGB8"),
        ("colour.tif", colour(), "RGB8"),
    ],
)
def test_each_kind_of_picture_arrives_bit_exact(
    tmp_path: Path, name: str, picture: NDArray[Any], pixel_format: str
) -> None:
    if name.endswith(".tif"):
        byte_order = ">" if picture.dtype.byteorder == ">" else "<"
        photometric = "rgb" if picture.ndim == 3 else "minisblack"
        tifffile.imwrite(tmp_path / name, picture, byteorder=byte_order, photometric=photometric)
    else:
        Image.fromarray(picture).save(tmp_path / name)
    played_format, (frame,) = play(tmp_path, 1)
    assert played_format == pixel_format
    assert frame.dtype == (np.uint16 if pixel_format == "Mono16" else np.uint8)
    np.testing.assert_array_equal(frame, picture)


def test_16_bit_colour_is_reduced_to_8_bits(tmp_path: Path) -> None:
    picture = RANDOM.integers(0, 65536, (6, 9, 3), np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", picture, photometric="rgb")
    pixel_format, (frame,) = play(tmp_path, 1)
    assert pixel_format == "RGB8"
    np.testing.assert_array_equal(frame, picture >> 8)


def test_gray_stored_as_a_palette_is_gray(tmp_path: Path) -> None:
    picture = gray8()
    image = Image.fromarray(picture).convert("P")
    image.putpalette([255 - level // 3 for level in range(768)])
    image.save(tmp_path / "inverted.bmp")
    pixel_format, (frame,) = play(tmp_path, 1)
    assert pixel_format == "Mono8"
    np.testing.assert_array_equal(frame, 255 - picture)


def test_a_tiff_stack_plays_all_its_pages(tmp_path: Path) -> None:
    stack = RANDOM.integers(0, 65536, (3, 6, 9), np.uint16)
    tifffile.imwrite(tmp_path / "1.tif", stack, photometric="minisblack")
    single = gray16()
    tifffile.imwrite(tmp_path / "2.tif", single, photometric="minisblack")
    _, frames = play(tmp_path, 5)
    np.testing.assert_array_equal(frames, [*stack, single, stack[0]])


def test_a_tiff_in_which_0_is_white_is_turned_round(tmp_path: Path) -> None:
    picture = gray8()
    tifffile.imwrite(tmp_path / "white.tif", picture, photometric="miniswhite")
    _, (frame,) = play(tmp_path, 1)
    np.testing.assert_array_equal(frame, 255 - picture)


@pytest.mark.parametrize("picture", [gray8(), gray16(), colour()])
def test_stamped_pictures_carry_the_frame_number_once_they_are_8_bit_gray(
    tmp_path: Path, picture: NDArray[Any]
) -> None:
    for name in ("a", "b"):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    pixel_format, frames = play(tmp_path, 300, stamp=True)
    convert, gray = make_converter(pixel_format, 6, 9), np.zeros((6, 9), np.uint8)
    for number, frame in enumerate(frames):
        convert(frame, gray)
        assert int.from_bytes(gray.reshape(-1)[:8].tobytes(), "little") == number
        np.testing.assert_array_equal(frame[1:], picture[1:])


def test_a_size_asked_for_is_read_back_as_the_size_of_the_pictures(tmp_path: Path) -> None:
    Image.fromarray(gray8()).save(tmp_path / "a.png")
    with open_camera(SimulatedSettings(images=tmp_path, width=640), CaptureRequest()) as camera:
        differing = [setting for setting in camera.info.settings if setting.differs]
    assert [(setting.name, setting.asked, setting.actual) for setting in differing] == [("width", 640, 9)]


# What a user can do wrong


def test_a_folder_that_is_missing_empty_or_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    assert "does not exist" in refusal(tmp_path / "nowhere")
    assert "this is a file" in refusal(tmp_path / "notes.txt")
    assert "no image file" in refusal(tmp_path)
    assert str(tmp_path) in refusal(tmp_path)


@pytest.mark.parametrize("other", [gray8(7, 9), gray16(), colour()])
def test_a_picture_of_another_size_or_format_is_refused_by_name(tmp_path: Path, other: NDArray[Any]) -> None:
    Image.fromarray(gray8()).save(tmp_path / "a.png")
    Image.fromarray(other).save(tmp_path / "odd-one.png")
    message = refusal(tmp_path)
    assert "odd-one.png" in message
    assert "9 x 6 Mono8" in message


@pytest.mark.parametrize("name", ["broken.bmp", "broken.png", "broken.tif"])
@pytest.mark.parametrize("content", [b"", b"not a picture at all"])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refusal(tmp_path)


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    for suffix in ("bmp", "png", "tif"):
        whole = tmp_path / f"whole.{suffix}"
        Image.fromarray(gray8(60, 90)).save(whole)
        folder = tmp_path / suffix
        folder.mkdir()
        (folder / f"half.{suffix}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        assert f"half.{suffix}" in refusal(folder)


def test_pictures_of_fractional_numbers_are_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "real.tif", np.ones((6, 9), np.float32))
    message = refusal(tmp_path)
    assert "real.tif" in message
    assert "float32" in message


@pytest.mark.parametrize(
    ("module", "package", "name"), [("PIL", "pillow", "a.png"), ("tifffile", "tifffile", "a.tif")]
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tmp_path: Path, module: str, package: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(gray8()).save(tmp_path / name)
    monkeypatch.setitem(sys.modules, module, None)
    message = refusal(tmp_path)
    assert message.startswith(package)
    assert 'pip install "rheed-acquire[images]"' in message


def test_a_file_that_vanishes_while_it_is_needed_is_a_fault_of_the_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", 0)
    for name in ("a", "b"):
        Image.fromarray(gray8()).save(tmp_path / f"{name}.png")
    faults: list[CameraError] = []
    frames: list[int | None] = []
    faulted = threading.Event()

    def on_fault(error: CameraError) -> None:
        faults.append(error)
        faulted.set()

    with open_camera(SimulatedSettings(images=tmp_path), CaptureRequest(fps=1000.0)) as camera:
        (tmp_path / "b.png").unlink()
        camera.start(lambda frame: frames.append(frame.id), on_fault)
        assert faulted.wait(DEADLINE_S)
        camera.stop()
    assert frames == [0]
    (fault,) = faults
    assert "b.png" in str(fault)


@pytest.mark.skipif(
    not REAL_FRAMES.is_dir(), reason=f"no real frames at {REAL_FRAMES.name} beside the project"
)
def test_real_frames_arrive_bit_exact(tmp_path: Path) -> None:
    sources = sorted(REAL_FRAMES.glob("*.bmp"))[:4]
    for source in sources:
        shutil.copy(source, tmp_path)
    pixel_format, frames = play(tmp_path, 5)
    assert pixel_format == "Mono8"
    for frame, source in zip(frames, [*sources, sources[0]], strict=True):
        np.testing.assert_array_equal(frame, np.asarray(Image.open(source)))


@pytest.mark.parametrize("other", ["GIF", "ICO", "TGA", "JPEG"])
def test_an_image_of_another_kind_under_a_known_name_is_not_decoded(tmp_path: Path, other: str) -> None:
    Image.fromarray(gray8()).save(tmp_path / "a.png", other)
    with pytest.raises(CameraError, match=r"a\.png cannot be read as an image"):
        play(tmp_path, 1)
