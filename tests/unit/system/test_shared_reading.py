from __future__ import annotations

import os
from pathlib import Path

import pytest

from rheed_acquire import open_shared


def test_its_owner_renames_writes_and_deletes_a_file_that_is_being_read(tmp_path: Path) -> None:
    path = tmp_path / "growth.imm"
    path.write_bytes(b"frames" * 10_000)
    with open_shared(path) as file:
        assert file.read(6) == b"frames"
        with path.open("ab") as owner:
            owner.write(b"more")
        path.rename(tmp_path / "kept.imm")
        path.write_bytes(b"another one")
        (tmp_path / "kept.imm").unlink()
        assert file.seek(-4, os.SEEK_END) == 60_000
        assert file.read() == b"more"
        assert os.fstat(file.fileno()).st_ino != path.stat().st_ino


def test_what_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        open_shared(tmp_path / "none")
    assert raised.value.filename == str(tmp_path / "none")
    with pytest.raises(OSError, match="e"):
        open_shared(tmp_path)


def test_a_name_of_any_characters_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "Wachstum 4\u2082 \u6210\u9577.imm"
    path.write_bytes(b"1")
    with open_shared(path) as file:
        assert file.read() == b"1"
