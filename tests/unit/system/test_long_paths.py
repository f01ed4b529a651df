"""On Windows a folder far down takes runs as any other; everywhere else nothing is done."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PureWindowsPath

import pytest

from rheed_acquire.system.long_paths import (
    ROOM_BELOW,
    extended,
    is_narrow,
    longest_path,
    real_path,
    with_room_below,
)


@pytest.mark.parametrize(
    ("absolute", "form"),
    [
        (r"C:\Users\grower\runs", r"\\?\C:\Users\grower\runs"),
        (r"\\nas\rheed\runs", r"\\?\UNC\nas\rheed\runs"),
        (r"\\?\C:\runs", r"\\?\C:\runs"),
        (r"\\?\UNC\nas\rheed", r"\\?\UNC\nas\rheed"),
    ],
)
def test_the_form_for_long_paths_leads_to_the_same_folder(absolute: str, form: str) -> None:
    assert extended(absolute) == form
    assert PureWindowsPath(form, "a", "b").name == "b"
    assert PureWindowsPath(form).is_absolute()


def test_only_a_folder_that_leaves_too_little_room_is_narrow() -> None:
    fits = "C:\\" + "x" * (259 - ROOM_BELOW - 3)
    assert not is_narrow(fits, 259)
    assert is_narrow(fits + "x", 259)
    assert not is_narrow(fits * 9, None)


@pytest.mark.skipif(sys.platform == "win32", reason="elsewhere than on Windows")
def test_where_paths_may_be_long_a_folder_stays_what_it_is() -> None:
    assert longest_path() is None
    deep = Path("x" * 200, "y" * 200)
    assert with_room_below(deep) is deep


def test_a_file_far_down_can_be_written_read_and_deleted(tmp_path: Path) -> None:
    folder = with_room_below(tmp_path / ("x" * 100) / ("y" * 100)) / ("z" * 100)
    folder.mkdir(parents=True)
    file = folder / "shard"
    file.write_bytes(b"1")
    assert [path.read_bytes() for path in folder.glob("*")] == [b"1"]
    file.replace(folder / "other")
    assert (folder / "other").stat().st_size == 1


@pytest.mark.skipif(sys.platform == "win32", reason="only some users of Windows may make links")
def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert real_path(tmp_path / "link") == real_path(tmp_path) / "folder"


def test_where_the_system_does_not_say_where_a_path_leads_it_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says_nothing(path: object) -> str:
        raise OSError(22, "More data available", path)

    monkeypatch.setattr(os.path, "realpath", says_nothing)
    monkeypatch.chdir(tmp_path)
    assert real_path(Path("disk") / "spool") == Path.cwd() / "disk" / "spool"
