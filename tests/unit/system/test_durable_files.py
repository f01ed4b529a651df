"""Files are written as they were given, in however many pieces and calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.system.durable_files import BulkWriter, batches, forget_cached, write_pieces

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
