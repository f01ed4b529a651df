"""A stream's folder: private, and honest about every shard in it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
import pytest

from rheed_acquire.frames.ring_files import shared_memory_folder
from rheed_acquire.streaming import stream_folder
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_places import is_in_use
from rheed_acquire.streaming.stream_record import RecordError, folder_name, read_record

if TYPE_CHECKING:
    from rheed_acquire.streaming.sidecar import SpooledShard
    from rheed_acquire.streaming.stream_record import StreamRecord

    MakeShard = Callable[..., SpooledShard]
    MakeRecord = Callable[..., StreamRecord]

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")


@pytest.fixture
def folder(root: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> Any:
    # A name that no other run's ring in shared memory can have.
    root.mkdir()
    made = StreamFolder.create(root, make_record(f"growth-{os.getpid()}-{root.parent.name}"))
    yield made
    made.ring.remove()
    made.close(delete=False)


def again(folder: StreamFolder) -> StreamFolder:
    """Let a folder go as a dead process does, and take it up as the next one."""
    folder.close(delete=False)
    taken = StreamFolder.take(folder.path)
    assert taken is not None
    return taken


def keep(folder: StreamFolder, make_shard: MakeShard, chunk_idx: int, content: bytes) -> SpooledShard:
    shard = make_shard(content, chunk_idx, folder.record.data_id)
    folder.add(shard, [content])
    return shard


def test_who_writes_on_after_the_folder_was_let_go_of_takes_nothing_from_the_next_owner(
    folder: StreamFolder, make_shard: MakeShard
) -> None:
    """A disk that is slow to sync, and a process that has given it up meanwhile."""
    let_go, taken = threading.Event(), threading.Event()
    errors: list[OSError] = []

    def pieces() -> Iterator[bytes]:
        yield b"of the one "
        let_go.set()
        taken.wait(30)
        yield b"before"

    def write() -> None:
        try:
            folder.add(make_shard(b"of the one before", 7, folder.record.data_id), pieces())
        except OSError as error:
            errors.append(error)

    writer = threading.Thread(target=write, name="writer")
    writer.start()
    assert let_go.wait(30)
    try:
        after = again(folder)
        shard = keep(after, make_shard, 7, b"of the one after")
    finally:
        taken.set()
        writer.join()
    assert len(errors) == 1
    after.check(shard)
    assert [found.chunk_idx for found in after.shards()] == [7]
    after.close(delete=False)


def test_who_notes_something_after_the_folder_was_let_go_of_leaves_the_next_owners_record(
    folder: StreamFolder,
) -> None:
    after = again(folder)
    after.update(last_error="of the one after")
    with pytest.raises(OSError, match="let go of"):
        folder.update(refused="of the one before")
    record = read_record(folder.path)
    assert record is not None
    assert (record.last_error, record.refused) == ("of the one after", None)
    after.close(delete=False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows renames no folder with open files")
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_folder_that_comes_back_while_a_shard_is_looked_for_has_lost_none(
    folder: StreamFolder,
    make_shard: MakeShard,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    is_gone: bool,
) -> None:
    shard = keep(folder, make_shard, 0, b"shard")
    if is_gone:
        folder._shard_path(0).unlink()
    away = folder.path.rename(tmp_path / "away")

    def open_as_it_comes_back(path: str, flags: int) -> int:
        try:
            return os.open(path, flags)
        finally:
            if away.exists():
                away.rename(folder.path)

    monkeypatch.setattr(stream_folder, "open_own_file", open_as_it_comes_back)
    if is_gone:
        with pytest.raises(DamagedShardError, match="gone"):
            folder.open(shard)
    else:
        folder.check(shard)


@posix_only
def test_nobody_else_can_look_into_the_folder(folder: StreamFolder, make_shard: MakeShard) -> None:
    old = os.umask(0)
    try:
        keep(folder, make_shard, 0, b"x")
        ring = folder.ring.make(2, 3, 4, 5, 0)
        damaged = keep(folder, make_shard, 1, b"y")
        (folder.path / "shards" / "1.shard").write_bytes(b"z")
        with pytest.raises(DamagedShardError):
            folder.check(damaged)
        folder.quarantine(damaged)
    finally:
        os.umask(old)
    assert ring.acquire() is not None
    folders = [folder.path, *(path for path in folder.path.rglob("*") if path.is_dir())]
    shared = shared_memory_folder(folder.path)
    if shared is not None:
        folders += [shared.parent, shared]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in folders}
    assert set(modes.values()) == {0o700}, modes


def test_a_sidecar_says_all_that_the_upload_needs(folder: StreamFolder, make_shard: MakeShard) -> None:
    shard = keep(folder, make_shard, 3, b"content")
    (found,) = again(folder).shards()
    for name in ("data_id", "chunk_idx", "size", "crc32c", "frames", "body", "stamps"):
        assert getattr(found, name) == getattr(shard, name)
    assert (found.content, found.attempts) == (None, 0)


@pytest.mark.parametrize("field", ["chunk_idx", "frames", "body", "stamps", "size", "crc32c"])
def test_a_sidecar_altered_into_another_that_makes_sense_is_damaged(
    folder: StreamFolder, make_shard: MakeShard, field: str
) -> None:
    keep(folder, make_shard, 1, b"content")
    keep(folder, make_shard, 2, b"other")
    path = folder.path / "shards" / "2.json"
    sidecar = json.loads(path.read_bytes())
    sidecar[field] = {"body": {"dims": "9,9,9"}, "stamps": {"frame_ids": [8]}}.get(field, 6)
    path.write_text(json.dumps(sidecar))
    assert [shard.chunk_idx for shard in folder.shards()] == [1]
    assert folder.quarantined == 1
    assert sorted(path.name for path in (folder.path / "quarantine").iterdir()) == ["2.json", "2.shard"]


def test_a_sidecar_under_another_shards_name_is_damaged(folder: StreamFolder, make_shard: MakeShard) -> None:
    keep(folder, make_shard, 1, b"content")
    shards = folder.path / "shards"
    (shards / "2.json").write_bytes((shards / "1.json").read_bytes())
    (shards / "no number.json").write_bytes((shards / "1.json").read_bytes())
    assert [shard.chunk_idx for shard in folder.shards()] == [1]
    assert folder.quarantined == 1
    assert [path.name for path in folder.strange] == ["no number.json"]
    assert (shards / "no number.json").exists()


@pytest.mark.parametrize("damage", [b"", b"conten", b"content and more", b"Content", None])
def test_a_damaged_shard_is_set_aside_and_never_handed_over(
    folder: StreamFolder, make_shard: MakeShard, damage: bytes | None
) -> None:
    shard = keep(folder, make_shard, 1, b"content")
    path = folder.path / "shards" / "1.shard"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(DamagedShardError):
        folder.check(shard)
    folder.quarantine(shard)
    assert folder.quarantined == 1
    assert folder.shards() == []
    if damage is not None:
        assert (folder.path / "quarantine" / "1.shard").read_bytes() == damage


def test_what_is_damaged_twice_is_kept_twice(folder: StreamFolder, make_shard: MakeShard) -> None:
    for damage in (b"one", b"two"):
        shard = keep(folder, make_shard, 1, b"content")
        (folder.path / "shards" / "1.shard").write_bytes(damage)
        with pytest.raises(DamagedShardError):
            folder.check(shard)
        folder.quarantine(shard)
    kept = {path.read_bytes() for path in (folder.path / "quarantine").glob("*.shard")}
    assert kept == {b"one", b"two"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a file that is not readable")
def test_a_shard_that_cannot_be_opened_just_now_is_not_called_damaged(
    folder: StreamFolder, make_shard: MakeShard
) -> None:
    shard = keep(folder, make_shard, 1, b"content")
    (folder.path / "shards" / "1.shard").chmod(0)
    with pytest.raises(PermissionError):
        folder.open(shard)
    assert folder.quarantined == 0


@posix_only
def test_a_process_out_of_file_descriptors_calls_no_shard_damaged(
    folder: StreamFolder, make_shard: MakeShard
) -> None:
    import resource

    shard = keep(folder, make_shard, 1, b"content")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            folder.open(shard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    with folder.open(shard) as content:
        assert content.read() == b"content"


def test_a_shard_without_its_sidecar_is_set_aside_unless_the_ring_still_has_the_chunk(
    folder: StreamFolder, make_shard: MakeShard
) -> None:
    ring = folder.ring.make(2, 3, 4, 5, 0)
    buffer = ring.acquire()
    assert buffer is not None
    buffer.begin(1)
    buffer.append(np.ones((2, 4, 5), np.uint8))
    for chunk_idx in (1, 2):
        keep(folder, make_shard, chunk_idx, b"content")
        (folder.path / "shards" / f"{chunk_idx}.json").unlink()
    taken = again(folder)
    assert taken.shards() == []
    assert [path.name for path in (taken.path / "quarantine").iterdir()] == ["2.shard"]
    (left,) = taken.ring.chunks_left()
    assert (left.chunk_index, left.committed) == (1, 2)


def test_chunks_left_in_the_ring_come_in_order_and_only_those_with_frames(folder: StreamFolder) -> None:
    ring = folder.ring.make(4, 3, 4, 5, 0)
    buffers = [buffer for _ in range(4) if (buffer := ring.acquire()) is not None]
    for buffer, chunk_idx in zip(buffers, (9, 8, 7, 6), strict=True):
        buffer.begin(chunk_idx)
        if chunk_idx != 7:
            buffer.append(np.full((1, 4, 5), chunk_idx, np.uint8))
    ring.release(buffers[3])
    assert [(b.chunk_index, int(b.frames[0, 0, 0])) for b in folder.ring.chunks_left()] == [(8, 8), (9, 9)]


def test_a_record_survives_its_update_and_unknown_entries_in_it(folder: StreamFolder) -> None:
    folder.update(last_error="no answer")
    path = folder.path / "stream.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"of a later version": 1}))
    assert read_record(folder.path) == folder.record
    assert folder.record.last_error == "no answer"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"data_id": "x"}', b"\xff\xfe"])
def test_a_record_that_makes_no_sense_leaves_the_folder_alone(folder: StreamFolder, content: bytes) -> None:
    folder.close(delete=False)
    (folder.path / "stream.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"stream\.json"):
        StreamFolder.take(folder.path)
    assert not is_in_use(folder.path), "the lock was not let go"


DEVICES = ["con", "CON", "prn", "aux", "nul", "com1", "COM9", "lpt3"]


def test_names_of_folders_are_safe_and_differ_on_every_file_system() -> None:
    ids = ["a/b", "a_b", "a b", "../x", "x" * 300, "x" * 299, "ü", "", ".", "a.", "a ", "A", "a", "aB", "Ab"]
    names = [folder_name(data_id) for data_id in ids + DEVICES]
    assert len({name.lower() for name in names}) == len(names)
    assert all(
        name and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") and len(name) < 100
        for name in names
    )
    assert not {name.lower() for name in names} & {device.lower() for device in DEVICES}


def test_an_id_as_servers_give_it_is_its_folders_name() -> None:
    assert folder_name("0b5f1c9e-7d3a-4e21-9c80-6a2f1d0c7e55") == "0b5f1c9e-7d3a-4e21-9c80-6a2f1d0c7e55"


WITHOUT_THE_EXTENSION = """
import sys
import warnings
from pathlib import Path

sys.modules["google_crc32c._crc32c"] = None  # as on a system for which nobody has compiled it
warnings.simplefilter("ignore")
import google_crc32c
import numpy as np
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.streaming.stream_folder import write_synced

assert google_crc32c.implementation == "python"
frames = np.zeros((3, 5, 7), np.uint8)
for level in (0, 3):  # stored, and compressed
    print(write_synced(Path(sys.argv[1]) / f"{level}.shard", encode_shard(frames, level)))
"""


def test_a_shard_is_written_and_checked_where_the_checksum_is_not_compiled(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTENSION, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    sums = [google_crc32c.value((tmp_path / f"{level}.shard").read_bytes()) for level in (0, 3)]
    assert done.stdout.split() == [str(one) for one in sums]
