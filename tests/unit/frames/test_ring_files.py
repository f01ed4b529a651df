"""Where a ring's files go, what happens where there is no room for them, and who deletes them."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rheed_acquire.frames import mapped_memory, ring_files
from rheed_acquire.frames.chunk_buffer import ChunkBuffer, memory_needed
from rheed_acquire.frames.mapped_memory import RingGivenUpError, make_file, plain_memory
from rheed_acquire.frames.ring import ChunkRing
from rheed_acquire.frames.ring_files import (
    OWNER,
    RingMemoryError,
    make_ring_memory,
    remove_files,
    shared_memory_folder,
    shared_memory_root,
)
from rheed_acquire.frames.rings_left import left_behind, remove_orphans

has_shared_memory = pytest.mark.skipif(
    shared_memory_root() is None, reason="this system has no /dev/shm that is private to the user"
)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Path]:
    """A stream's folder; what lies for it in shared memory is deleted with the test."""
    folder = tmp_path / "growth"
    folder.mkdir()
    yield folder
    shared = shared_memory_folder(folder)
    if shared is not None and shared.exists():
        remove_files(shared)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def shared_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Take another folder for ``/dev/shm``."""

    def put(folder: Path) -> None:
        monkeypatch.setenv("RHEED_SHARED_MEMORY", str(folder))

    return put


def used(folder: Path) -> int:
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_a_file_has_its_size_is_private_and_not_made_twice(tmp_path: Path) -> None:
    path = tmp_path / "000.ring"
    memory = make_file(path, 3 * mmap.PAGESIZE)
    assert len(memory) == path.stat().st_size == 3 * mmap.PAGESIZE
    assert memory[:] == bytes(len(memory))
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_blocks * 512 >= len(memory), "the file has holes"
    with pytest.raises(FileExistsError):
        make_file(path, mmap.PAGESIZE)
    assert path.stat().st_size == 3 * mmap.PAGESIZE


def test_a_file_that_does_not_fit_is_an_error_and_leaves_nothing(small: Path) -> None:
    before = used(small)
    with pytest.raises(OSError, match="No space left") as caught:
        make_file(small / "000.ring", 5 << 20)
    assert caught.value.errno == errno.ENOSPC
    assert list(small.iterdir()) == []
    assert used(small) == before
    memory = make_file(small / "000.ring", 3 << 20)
    memory[:] = b"\xff" * len(memory)  # every page is really there


def test_a_file_without_room_is_an_error_also_where_it_has_to_be_written(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    with pytest.raises(OSError, match="No space left"):
        make_file(small / "000.ring", 5 << 20)
    assert list(small.iterdir()) == []
    memory = make_file(small / "000.ring", (3 << 20) + 5)
    memory[:] = b"\xff" * len(memory)


@has_shared_memory
def test_a_ring_lies_in_shared_memory_where_it_fits(beside: Path) -> None:
    place, memories = make_ring_memory(beside, 2, 3, 4, 5)
    assert place is not None
    assert place.in_memory
    assert place.folder == shared_memory_folder(beside)
    assert len(memories) == 2
    assert (place.folder / OWNER).read_text() == str(beside)
    assert not (beside / "ring").exists()


@pytest.mark.parametrize("asked", range(12))
@pytest.mark.parametrize("where", ["shared memory", "disk", "a disk that has to be written", "plain memory"])
def test_a_ring_that_is_given_up_while_it_is_made_leaves_nothing_wherever_it_was_to_lie(
    beside: Path, where: str, asked: int, monkeypatch: pytest.MonkeyPatch, shared_in: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(mapped_memory, "_PIECE_BYTES", 1 << 20)
    if where != "shared memory":
        shared_in(beside / "none")
    if where == "a disk that has to be written":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    if where == "plain memory":
        monkeypatch.setattr(ring_files, "make_file", refuse_to_map)
    answers = iter([False] * asked)
    nbytes = memory_needed(3, 1024, 1024)
    assert 3 << 20 < nbytes < 4 << 20  # four questions a buffer
    with pytest.raises(RingGivenUpError, match="the run was ended while its ring was made"):
        make_ring_memory(
            beside, 12 if where == "plain memory" else 3, 3, 1024, 1024, None, lambda: next(answers, True)
        )
    assert list(beside.iterdir()) == []
    shared = shared_memory_folder(beside)
    assert shared is None or not shared.exists()


def refuse_to_map(path: Path, nbytes: int, given_up: Callable[[], bool]) -> mmap.mmap:
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), str(path))


@has_shared_memory
def test_streams_of_one_name_in_two_spools_share_no_ring(tmp_path: Path) -> None:
    folders = {shared_memory_folder(tmp_path / spool / "growth") for spool in ("one", "two")}
    assert len(folders) == 2


def test_a_ring_that_does_not_fit_into_shared_memory_lies_beside_the_spool_and_leaves_nothing_there(
    small: Path, tmp_path: Path, shared_in: Callable[[Path], None]
) -> None:
    shared_in(small)
    before = used(small)
    # The first of the files fits, the third does not.
    place, memories = make_ring_memory(tmp_path, 4, 10, 400, 400)
    assert place is not None
    assert (place.folder, place.in_memory) == (tmp_path / "ring", False)
    assert len(memories) == 4
    assert list(small.rglob("*.ring")) == []
    assert used(small) - before <= 2 * mmap.PAGESIZE
    ring = ChunkRing(4, 10, 400, 400, memories)
    for _ in range(4):
        buffer = ring.acquire()
        assert buffer is not None
        buffer.frames[...] = 255


def test_a_ring_that_fits_nowhere_is_one_clear_error_and_leaves_no_file(
    small: Path, shared_in: Callable[[Path], None]
) -> None:
    shared_in(small)
    beside = small / "spool"
    beside.mkdir()
    with pytest.raises(RingMemoryError, match="--ring-chunks") as caught:
        make_ring_memory(beside, 4, 10, 400, 400)
    assert "No space left" in str(caught.value)
    assert "4 x 1.604 MB" in str(caught.value)
    assert list(small.rglob("*.ring")) == []


def test_a_ring_on_a_full_file_system_never_kills_the_process_that_fills_it(small: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from rheed_acquire.frames import ring_files\n"
        "from rheed_acquire.frames.ring import ChunkRing\n"
        "small = pathlib.Path(sys.argv[1])\n"
        "place, memories = ring_files.make_ring_memory(small, 3, 10, 300, 400)\n"
        "assert place.in_memory\n"
        "try:\n"
        "    (small / 'filler').write_bytes(b'x' * (4 << 20))\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
        "ring = ChunkRing(3, 10, 300, 400, memories)\n"
        "for _ in range(3):\n"
        "    ring.acquire().frames[...] = 255\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(small)],
        env={**os.environ, "RHEED_SHARED_MEMORY": str(small)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split("\n")) == (0, ["No space left on device", "alive", ""]), (
        done.stderr
    )


@posix_only
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/shm")
@pytest.mark.parametrize("what", ["open to others", "a link", "a file"])
def test_a_folder_in_shared_memory_that_is_not_private_is_not_used(
    tmp_path: Path, shared_in: Callable[[Path], None], what: str
) -> None:
    shm = tmp_path / "shm"
    shm.mkdir()
    shared_in(shm)
    mine = shm / f"rheed-acquire-{os.getuid()}"
    if what == "open to others":
        mine.mkdir()
        mine.chmod(0o770)
    elif what == "a link":
        (tmp_path / "target").mkdir(mode=0o700)
        mine.symlink_to(tmp_path / "target")
    else:
        mine.write_bytes(b"")
    assert shared_memory_folder(tmp_path) is None
    place, _ = make_ring_memory(tmp_path, 2, 1, 1, 1)
    assert place is not None
    assert place.folder == tmp_path / "ring"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_folder_in_shared_memory_of_somebody_else_is_not_used(
    tmp_path: Path, shared_in: Callable[[Path], None]
) -> None:
    shared_in(tmp_path)
    mine = tmp_path / f"rheed-acquire-{os.getuid()}"
    mine.mkdir(mode=0o700)
    os.chown(mine, 12345, 12345)
    assert shared_memory_folder(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/shm")
def test_rings_whose_spool_is_gone_are_deleted_and_no_others(
    tmp_path: Path, shared_in: Callable[[Path], None]
) -> None:
    shm = tmp_path / "shm"
    shm.mkdir()
    shared_in(shm)
    folders = {}
    for name in ("there", "gone", "gone just now", "not mounted"):
        beside = tmp_path / f"spool of {name}" / name
        beside.mkdir(parents=True)
        place, _ = make_ring_memory(beside, 2, 1, 1, 1)
        assert place is not None
        assert place.in_memory
        folders[name] = place.folder
        if name != "gone just now":
            os.utime(place.folder / OWNER, (0, 0))
        if name != "there":
            beside.rmdir()
        if name == "not mounted":
            beside.parent.rmdir()
    unknown = folders["there"].parent / "without an owner"
    unknown.mkdir()
    (unknown / "000.ring").write_bytes(b"x")
    remove_orphans()
    assert {name for name, folder in folders.items() if folder.exists()} == {
        "there",
        "gone just now",
        "not mounted",
    }
    assert len(list(folders["there"].glob("*.ring"))) == 2
    assert (unknown / "000.ring").exists()


def test_a_rings_files_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    folder.mkdir()
    for name in ("000.ring", "001.ring", OWNER):
        (folder / name).write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"not ours")
    remove_files(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    remove_files(folder)
    assert not folder.exists()
    remove_files(folder)


def test_buffers_left_behind_are_found_and_other_files_passed_over(tmp_path: Path) -> None:
    memory = make_file(tmp_path / "001.ring", memory_needed(2, 3, 4))
    ChunkBuffer(memory, 2, 3, 4).begin(7)
    make_file(tmp_path / "002.ring", memory_needed(2, 3, 4))  # its process died before the header
    (tmp_path / "000.ring").write_bytes(b"")
    (tmp_path / "003.ring").write_bytes(b"short")
    whole = (tmp_path / "001.ring").read_bytes()
    (tmp_path / "004.ring").write_bytes(whole[:-1])
    (tmp_path / "other.txt").write_bytes(whole)
    found = [(path.name, buffer.chunk_index) for path, buffer in left_behind(tmp_path)]
    assert found == [("001.ring", 7), ("004.ring", 7)]  # of one that was cut short, what is left
    assert list(left_behind(tmp_path / "nowhere")) == []


def test_plain_memory_is_there_and_empty() -> None:
    memory = plain_memory(memory_needed(2, 3, 4))
    assert not np.frombuffer(memory, np.uint8).any()
    ChunkBuffer(memory, 2, 3, 4).append(np.ones((2, 3, 4), np.uint8))
