"""What counts as a whole frame: files cut off anywhere, and such as have their size before their content."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.hardware.growing.writers import FORMATS, Appender, AviGray, TiffStackAhead, frame

from rheed_acquire_growing.kinds import open_growing

FRAMES = 4
STACKS = ("tiff-stack", "bigtiff-stack", "avi", "avi-jpeg", "imm")
PICTURES = ("png", "jpg", "bmp", "pgm", "npy")


@cache
def stack(name: str) -> tuple[str, bytes, tuple[int, ...]]:
    """Write a file; with where each of its frames ends, as its writer knows."""
    kind, called = FORMATS[name]
    with TemporaryDirectory() as folder:
        writer = kind(Path(folder) / called)
        assert isinstance(writer, Appender)
        ends = []
        for number in range(FRAMES):
            writer.write(number)
            # A byte that fills up to an even number is none of the frame.
            padding = len(writer.picture(number)) % 2 if isinstance(writer, AviGray) else 0
            ends.append(writer.file.tell() - padding)
        writer.file.close()
        return called, writer.path.read_bytes(), tuple(ends)


@cache
def picture(kind: str) -> bytes:
    content = io.BytesIO()
    if kind == "npy":
        np.save(content, frame(1))
    else:
        Image.fromarray(frame(1)).save(content, {"jpg": "JPEG", "pgm": "PPM"}.get(kind, kind.upper()))
    return content.getvalue()


@pytest.mark.parametrize("name", STACKS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_file_that_is_cut_off_anywhere_has_the_frames_before_and_no_part_of_one(
    name: str, data: st.DataObject
) -> None:
    called, content, ends = stack(name)
    cut = data.draw(st.integers(0, len(content)))
    writer = FORMATS[name][0].__new__(FORMATS[name][0])
    with TemporaryDirectory() as folder:
        path = Path(folder) / called
        path.write_bytes(content[:cut])
        file = open_growing(path, 0, None)
        file.look()
        # Of an .imm, whether pixels are gray is known by where the second header is.
        is_known = name != "imm" or cut >= ends[0] + 44
        assert file.count == (sum(end <= cut for end in ends) if is_known else 0)
        path.write_bytes(content)
        file.look()
        assert file.count == FRAMES
        for number in range(FRAMES):
            np.testing.assert_array_equal(file.read(number), writer.expected(number))


@pytest.mark.parametrize("name", STACKS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_file_that_has_its_size_before_its_content_shows_no_zeros(name: str, data: st.DataObject) -> None:
    called, content, _ = stack(name)
    cut = data.draw(st.integers(0, len(content)))
    writer = FORMATS[name][0].__new__(FORMATS[name][0])
    with TemporaryDirectory() as folder:
        path = Path(folder) / called
        path.write_bytes(content[:cut] + bytes(len(content) - cut))
        file = open_growing(path, 0, None)
        file.look()
        for number in range(file.count):
            # That the last few bytes are wanting is not seen as long as the file may still change.
            differing = int(np.count_nonzero(file.read(number) != writer.expected(number)))
            assert differing <= 64


def test_a_page_whose_tags_are_there_before_its_samples_waits_for_them(tmp_path: Path) -> None:
    writer = TiffStackAhead(tmp_path / "growth.tif")
    writer.write(0)
    file = open_growing(writer.path, 0, None)
    place, samples = writer.announce(1)
    file.look()
    assert file.count == 1
    writer.fill(place, samples)
    file.look()
    assert file.count == 2
    np.testing.assert_array_equal(file.read(1), writer.expected(1))
    # A black one is known to be written by what follows it.
    writer.announce(2)
    writer.write(3)
    file.look()
    writer.close()
    assert file.count == 4
    assert not file.read(2).any()


def test_a_file_that_had_only_seemed_to_have_settled_is_not_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheed_acquire_growing.growing_file.SETTLE_S", 0.0)
    writer = TiffStackAhead(tmp_path / "growth.tif")
    writer.write(0)
    late = writer.announce(1)
    file = open_growing(writer.path, 0, None)
    file.look()
    assert file.count == 2
    writer.fill(*late)
    file.look()
    writer.close()
    assert file.count == 2
    np.testing.assert_array_equal(file.read(1), writer.expected(1))


@pytest.mark.parametrize("kind", PICTURES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_picture_that_is_cut_off_anywhere_is_none(kind: str, data: st.DataObject) -> None:
    content = picture(kind)
    cut = data.draw(st.integers(0, len(content) - 1))
    filled = data.draw(st.booleans()) and len(content) - cut > 64
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        path.write_bytes(content[:cut] + (bytes(len(content) - cut) if filled else b""))
        file = open_growing(path, 0, None)
        file.look()
        assert file.count == 0
        path.write_bytes(content)
        file.look()
        assert file.waiting == 1


def test_a_picture_that_is_written_anew_is_a_frame_more(tmp_path: Path) -> None:
    path = tmp_path / "live.png"
    path.write_bytes(picture("png"))
    file = open_growing(path, 0, None)
    file.look()
    assert (file.count, file.waiting) == (1, 1)
    file.next = file.count
    file.look()
    assert file.waiting == 0
    path.write_bytes(picture("png")[:-40])
    file.look()
    assert file.waiting == 0
    Image.fromarray(frame(2)).save(path)
    file.look()
    np.testing.assert_array_equal(file.read(file.next), frame(2))
