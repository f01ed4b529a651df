"""A spool that others can write to is not used, and no link leads out of one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.system.own_files import check_own_folder, make_own_folder, open_own_file

if TYPE_CHECKING:
    from rheed_acquire.streaming.sidecar import SpooledShard
    from rheed_acquire.streaming.stream_record import StreamRecord

    OpenSpool = Callable[..., Spool]
    MakeRecord = Callable[..., StreamRecord]
    MakeShard = Callable[..., SpooledShard]

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such owner and mode")
root_only = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a folder to another user"
)
LEVELS = ["shards", "tmp", "quarantine", "ring"]


@posix_only
@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_a_spool_that_others_may_write_to_is_refused_with_what_to_do(root: Path, mode: int) -> None:
    root.mkdir()
    root.chmod(mode)
    with pytest.raises(StreamerError, match=r"others may write to it .*chmod go-w.*--spool-dir"):
        Spool(root, SpoolLimits())
    root.chmod(mode & ~0o022)
    Spool(root, SpoolLimits(keep_free_bytes=0)).close()


@root_only
def test_what_belongs_to_another_user_is_refused(
    root: Path, open_spool: OpenSpool, make_record: MakeRecord
) -> None:
    spool = open_spool()
    folder = spool.open_stream(make_record())
    spool.close()
    os.chown(folder.path, 12345, -1)
    assert list(open_spool().leftovers()) == []
    os.chown(folder.path, os.geteuid(), -1)
    os.chown(root, 12345, -1)
    with pytest.raises(StreamerError, match="belongs to another user"):
        Spool(root, SpoolLimits())
    os.chown(root, os.geteuid(), -1)
    assert [taken.path for taken in open_spool().leftovers()] == [folder.path]


@posix_only
@pytest.mark.parametrize("level", LEVELS[:2])
def test_a_link_in_place_of_a_folder_moves_nothing_of_its_victim(
    root: Path, tmp_path: Path, open_spool: OpenSpool, make_record: MakeRecord, level: str
) -> None:
    spool = open_spool()
    folder = spool.open_stream(make_record())
    spool.close()
    victim = tmp_path / "victim"
    victim.mkdir()
    names = ("7.shard", "7.json", "8.done", "precious.txt")
    for name in names:
        (victim / name).write_text("precious")
    (folder.path / level).rmdir()
    (folder.path / level).symlink_to(victim, target_is_directory=True)
    assert list(open_spool().leftovers()) == []
    assert {path.name: path.read_text() for path in victim.iterdir()} == dict.fromkeys(names, "precious")


@posix_only
def test_a_link_in_place_of_the_quarantine_or_of_a_stream_is_not_followed(
    root: Path, tmp_path: Path, open_spool: OpenSpool, make_record: MakeRecord, make_shard: MakeShard
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    spool = open_spool()
    folder = spool.open_stream(make_record())
    shard = make_shard(b"content")
    spool.add(shard, [b"content"])
    (folder.path / "quarantine").symlink_to(victim, target_is_directory=True)
    claimed = spool.take()
    assert claimed is not None
    assert "cannot be set aside" in spool.quarantine(claimed)
    assert list(victim.iterdir()) == []
    (root / "another").symlink_to(victim, target_is_directory=True)
    with pytest.raises(StreamerError, match="link"):
        spool.open_stream(make_record("another"))
    assert list(victim.iterdir()) == []


@posix_only
def test_a_link_in_place_of_a_file_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "0.shard"
    link.symlink_to(victim)
    with pytest.raises(OSError, match=r"0\.shard"):
        open(link, "wb", opener=open_own_file)  # noqa: SIM115
    assert victim.read_text() == "precious"


def test_a_spool_may_be_reached_by_a_link_of_the_users_own(tmp_path: Path, make_record: MakeRecord) -> None:
    place = tmp_path / "large disk"
    make_own_folder(place)
    link = tmp_path / "spool"
    try:
        link.symlink_to(place, target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links here")
    spool = Spool(link, SpoolLimits(keep_free_bytes=0))
    assert spool.open_stream(make_record()).path.exists()
    spool.close()


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="no folder"):
        check_own_folder(tmp_path / "file")
