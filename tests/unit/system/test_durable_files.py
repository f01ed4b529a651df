"""Files are written as they were given, in however many pieces and calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.system.durable_files import (
    BulkWriter,
    batches,
    despite_readers,
    forget_cached,
    remove,
    remove_tree,
    try_to_remove_tree,
    write_atomically,
    write_pieces,
)

pieces = st.lists(st.binary(max_size=50), max_size=40)


@given(pieces=pieces)
def test_batches_hold_every_piece_in_order(pieces: list[bytes]) -> None:
    assert [piece for batch in batches(pieces) for piece in batch] == pieces


def test_a_batch_has_about_a_megabyte_and_no_more_pieces_than_one_call_takes() -> None:
    assert [len(batch) for batch in batches([bytes(400_000)] * 7)] == [3, 3, 1]
    assert [len(batch) for batch in batches([b"x"] * 2500)] == [1024, 1024, 452]


@given(pieces=pieces)
def test_pieces_are_written_one_after_another(
    pieces: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "file"
    with path.open("wb", buffering=0) as file:
        write_pieces(file, [memoryview(piece) for piece in pieces])
        write_pieces(file, [b"end"])
    assert path.read_bytes() == b"".join(pieces) + b"end"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no writev")
@given(pieces=pieces, at_once=st.integers(1, 70))
def test_a_system_that_writes_less_than_it_was_given_is_given_the_rest(
    pieces: list[bytes], at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def short_writev(descriptor: int, views: Sequence[memoryview]) -> int:
        return os.write(descriptor, b"".join(views)[:at_once])

    path = tmp_path_factory.mktemp("short") / "file"
    with pytest.MonkeyPatch.context() as patch, path.open("wb", buffering=0) as file:
        patch.setattr(os, "writev", short_writev, raising=False)
        write_pieces(file, pieces)
    assert path.read_bytes() == b"".join(pieces)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_an_error() -> None:
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        write_pieces(file, [b"x" * 10])


def test_a_large_file_is_what_was_written_though_the_disk_begins_before_its_end(tmp_path: Path) -> None:
    content = os.urandom(11_000_000)
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file:
        writer = BulkWriter(file)
        for start in range(0, len(content), 700_000):
            writer.write([content[start : start + 1000], content[start + 1000 : start + 700_000]])
        forget_cached(file)
    assert path.read_bytes() == content


class Scanner:
    """Holds a file open, as a scanner for viruses does on Windows, for so many attempts to touch it."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts

    def step(self) -> None:
        self.attempts -= 1
        if self.attempts >= 0:
            raise PermissionError(13, "The process cannot access the file because it is being used")


def test_a_file_that_a_scanner_holds_for_a_moment_is_touched_when_it_lets_go() -> None:
    scanner = Scanner(3)
    despite_readers(scanner.step, windows=True)
    assert scanner.attempts == -1


def test_a_file_that_is_never_let_go_is_an_error_after_a_bounded_number_of_attempts() -> None:
    scanner = Scanner(10_000)
    with pytest.raises(PermissionError):
        despite_readers(scanner.step, windows=True)
    assert scanner.attempts > 9_000


def test_where_nobody_locks_files_a_refusal_is_final() -> None:
    scanner = Scanner(1)
    with pytest.raises(PermissionError):
        despite_readers(scanner.step, windows=False)


def test_what_is_gone_already_is_deleted_without_a_word(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    remove_tree(tmp_path / "nothing")
    assert try_to_remove_tree(tmp_path / "nothing")


def test_a_folder_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "file").write_bytes(b"x")
    remove_tree(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere an open file can be deleted")
def test_of_a_folder_with_an_open_file_the_rest_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "other").write_bytes(b"x")
    with (folder / "held").open("wb"):
        assert not try_to_remove_tree(folder)
        assert [path.name for path in folder.iterdir()] == ["held"]
    assert try_to_remove_tree(folder)


def test_a_root_whose_disk_is_away_is_not_made_anew(tmp_path: Path) -> None:
    root = tmp_path / "disk" / "run"
    with pytest.raises(FileNotFoundError):
        write_atomically(root / "a" / "file", b"", root / "staging", durable=True, root=root)
    assert list(tmp_path.iterdir()) == []
    root.mkdir(parents=True)
    write_atomically(root / "a" / "file", b"told", root / "staging", durable=True, root=root)
    assert (root / "a" / "file").read_bytes() == b"told"
