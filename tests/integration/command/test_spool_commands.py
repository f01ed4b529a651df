"""``rheed-acquire spool`` and ``recover``: what waits, and how it is delivered or written to disk."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from tests.integration.command.conftest import silent_after

from rheed_acquire.commands.spool import main
from rheed_acquire.frames.ring_files import OWNER, shared_memory_folder, shared_memory_root
from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.run.report import FRAMES_LOST
from rheed_acquire.streaming.export import export_stream
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.streaming.recovery import recovered_chunk
from rheed_acquire.streaming.rheed_streamer import DEFAULT_ENDPOINT
from rheed_acquire.streaming.shard_description import describe_shard
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_places import ring_folders
from rheed_acquire.streaming.stream_record import StreamRecord

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command
    from tests.integration.fault_server import FaultServer

NOWHERE = "http://127.0.0.1:9"
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 20, 6, 8), np.uint8)


def _leave_chunk(stream: Stream, chunk_idx: int, *, spooled: bool) -> None:
    buffer = stream.ring(6, 8).acquire()
    assert buffer is not None
    buffer.begin(chunk_idx)
    buffer.append(FRAMES[chunk_idx])
    if spooled:
        chunk = recovered_chunk(buffer, stream)
        content = encode_shard(chunk.frames)
        stream.folder.add(describe_shard(stream, chunk, content.size), content)
        buffer.clear()


@pytest.fixture
def leave(command: Command) -> Iterator[Callable[..., StreamFolder]]:
    """Leave a stream in the command's spool, with chunks on disk and in the ring."""
    left: list[StreamFolder] = []

    def leave(
        data_id: str, spooled: tuple[int, ...] = (), in_ring: tuple[int, ...] = (), **changes: Any
    ) -> StreamFolder:
        root = command.folder / "spool"
        root.mkdir(exist_ok=True)
        age_s = changes.pop("age_s", 600.0)
        arguments: dict[str, Any] = {
            "server": NOWHERE,
            "name": "Growth",
            "fps": 10.0,
            "rotations_per_min": 0.0,
            "chunk_size": 20,
        }
        record = StreamRecord(data_id=data_id, created_unix_s=time.time() - age_s, **arguments | changes)
        folder = StreamFolder.create(root, record)
        left.append(folder)
        stream = Stream(folder, ring_chunks=4, when_full=WhenFull.STOP)
        for chunk_idx in (*spooled, *in_ring):
            _leave_chunk(stream, chunk_idx, spooled=chunk_idx in spooled)
        if not in_ring:
            stream.let_go_of_ring()  # on Windows no file is removed that is mapped
            folder.ring.remove()
        folder.close(delete=False)
        return folder

    yield leave
    for folder in left:
        folder.ring.remove()


def read_frames(recording: str | Path) -> Any:
    group: Any = zarr.open_group(recording, mode="r")
    return group["frames"][:]


def test_an_empty_spool_is_said_to_be_empty(command: Command) -> None:
    done = command("spool")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"spool {command.folder / 'spool'}: no streams\n"
    assert json.loads(command("spool", "--json").stdout)["streams"] == []
    done = command("recover")
    assert (done.returncode, done.stdout) == (0, "nothing waits to be delivered\n")


def test_spool_shows_what_waits_oldest_first(command: Command, leave: Any) -> None:
    leave("young", spooled=(0,), name="Growth B", age_s=60.0)
    old = leave("old/1", spooled=(0, 1), in_ring=(2,), last_error="no answer in time", age_s=7200.0)
    (old.path / "quarantine").mkdir(mode=0o700)
    (old.path / "quarantine" / "9.shard").write_bytes(b"damaged")
    shown = json.loads(command("spool", "--json").stdout)
    assert shown["spool"] == str(command.folder / "spool")
    first, second = shown["streams"]
    assert (first["data_id"], second["data_id"]) == ("old/1", "young")
    assert (first["chunks"], first["ring_chunks"], first["quarantined"]) == (2, 1, 1)
    files = [*(old.path / "shards").iterdir(), *(old.path / "quarantine").iterdir()]
    assert first["bytes"] == sum(path.stat().st_size for path in files)
    assert 7200 <= first["age_s"] < 7300
    assert (first["state"], first["last_error"]) == ("left behind", "no answer in time")
    assert first["ring_bytes"] > 4 * 20 * 6 * 8
    assert (second["ring"], second["ring_chunks"], second["ring_bytes"]) == (None, 0, 0)

    text = command("spool").stdout
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == f"spool {command.folder / 'spool'}: 2 streams"
    assert "Growth (old/1)" in lines
    assert "state      left behind, 2 hours old" in lines
    assert any(line.startswith("waiting    2 chunks, ") for line in lines)
    assert f"damaged    1 chunks, kept in {old.path / 'quarantine'}" in lines
    assert any(line.startswith("ring       1 chunks not encoded yet, ") for line in lines)
    assert "last error no answer in time" in lines
    assert lines[-1] == "rheed-acquire recover delivers what no process is at work on"


def test_spool_says_that_a_stream_is_in_use_and_leaves_it_alone(command: Command, leave: Any) -> None:
    folder = leave("growth", in_ring=(0,))
    held = StreamFolder.take(folder.path)
    assert held is not None
    try:
        (shown,) = json.loads(command("spool", "--json").stdout)["streams"]
        assert (shown["state"], shown["ring_chunks"]) == ("in use", 1)
        assert "recover delivers" not in command("spool").stdout
        done = command("recover", AS_API_KEY="key-5ecret")
        assert (done.returncode, done.stdout) == (0, "nothing waits to be delivered\n")
        assert next(held.ring.chunks_left()).chunk_index == 0
    finally:
        held.close(delete=False)


def test_spool_names_why_the_server_takes_no_more(command: Command, leave: Any) -> None:
    leave("growth", spooled=(0,), refused="the stream is closed")
    assert "refused by the server (the stream is closed)" in command("spool").stdout


def test_recover_delivers_a_run_of_the_local_server_that_was_killed(
    command: Command, read_stamps: Any
) -> None:
    run = command.start(*silent_after(130), "--chunk-seconds", "2")
    command.wait_for("paused")
    run.kill()
    run.communicate()
    (shown,) = json.loads(command("spool", "--json").stdout)["streams"]
    assert shown["server"].startswith("local:")
    assert shown["ring_chunks"] >= 1
    done = command("recover")
    assert done.returncode == 0, done.stderr
    assert f"finished: {shown['name']} ({shown['data_id']})" in done.stdout
    assert ", 0 left" in done.stdout
    (recording,) = command.folder.rglob("frames.zarr")
    assert read_stamps(recording) == list(range(130))
    assert json.loads(command("spool", "--json").stdout)["streams"] == []


def test_recover_without_a_key_says_which_server_needs_one_and_keeps_everything(
    command: Command, leave: Any
) -> None:
    folder = leave("growth", spooled=(0,))
    done = command("recover")
    assert done.returncode != 0
    assert done.stderr.startswith(f"warning: {NOWHERE}: ")
    assert "AS_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder.path / "shards" / "0.shard").exists()
    assert "nothing waits" not in done.stdout


@pytest.mark.parametrize("other", [None, "http://127.0.0.1:9"])
def test_recover_shows_a_key_to_no_server_but_its_own(
    command: Command, leave: Any, service: FaultServer, other: str | None
) -> None:
    folder = leave("growth", spooled=(0,), server=service.endpoint)
    key = {"AS_API_KEY": "key-5ecret"} | ({} if other is None else {"AS_API_ENDPOINT": other})
    done = command("recover", **key)
    assert done.returncode == FRAMES_LOST
    assert service.requests == []
    assert done.stderr.startswith(f"warning: {service.endpoint}: needs a key of its own")
    assert (other or DEFAULT_ENDPOINT) in done.stderr
    assert "key-5ecret" not in done.stdout + done.stderr
    assert (folder.path / "shards" / "0.shard").exists()
    # As it was written, or as somebody else writes it.
    done = command("recover", AS_API_KEY="key-5ecret", AS_API_ENDPOINT=f"{service.endpoint}/")
    assert (done.returncode, set(service.shards)) == (0, {("growth", 0)}), done.stderr


def test_recover_from_a_server_that_is_away_says_what_is_left(command: Command, leave: Any) -> None:
    folder = leave("growth", spooled=(0, 1))
    to_nowhere = {"AS_API_KEY": "key-5ecret", "AS_API_ENDPOINT": NOWHERE}
    done = command("recover", "--json", "--drain-timeout", "1", **to_nowhere)
    assert done.returncode != 0
    (report,) = json.loads(done.stdout)["streams"]
    assert (report["data_id"], report["chunks_not_uploaded"], report["closed"]) == ("growth", 2, False)
    assert len(list((folder.path / "shards").glob("*.json"))) == 2
    text = command("recover", "--drain-timeout", "1", **to_nowhere).stdout
    assert "NOT finished: Growth (growth)\n  0 chunks delivered, 2 left\n" in text
    assert "key-5ecret" not in text + done.stdout + done.stderr


def test_recover_exports_what_cannot_be_delivered(command: Command, leave: Any) -> None:
    folder = leave("growth", spooled=(0, 1), in_ring=(2,))
    done = command("recover", "--export", "rescued", "--json")
    assert done.returncode != 0  # it is not on its server
    (recording,) = json.loads(done.stdout)["exported"]
    recording = command.folder / recording
    assert recording.is_relative_to(command.folder / "rescued")
    np.testing.assert_array_equal(read_frames(recording), FRAMES.reshape(-1, 6, 8))
    assert len(list((folder.path / "shards").glob("*.json"))) == 3, "the spool keeps what it has"

    again = command("recover", "--export=rescued")
    (second,) = [line for line in again.stdout.splitlines() if line.startswith("exported: ")]
    second_recording = command.folder / second.removeprefix("exported: ")
    assert second_recording != recording
    np.testing.assert_array_equal(read_frames(second_recording), FRAMES.reshape(-1, 6, 8))
    assert not read_frames(recording)[:0].size


def test_recover_exports_a_stream_that_only_the_ring_has(command: Command, leave: Any) -> None:
    leave("growth", in_ring=(0,))
    exported = json.loads(command("recover", "--export", "rescued", "--json").stdout)["exported"]
    assert len(exported) == 1
    np.testing.assert_array_equal(read_frames(command.folder / exported[0]), FRAMES[0])


def test_an_export_that_is_interrupted_leaves_no_half_recording_and_nothing_is_lost(
    command: Command, leave: Any
) -> None:
    folder = StreamFolder.take(leave("growth", spooled=(0, 1), in_ring=(2,)).path)
    assert folder is not None
    rescued, told = command.folder / "rescued", []

    def interrupt(chunks: int) -> None:
        told.append(chunks)
        if len(told) == 2:
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            export_stream(folder, rescued, interrupt)
        assert list(rescued.iterdir()) == []
        recording = export_stream(folder, rescued, told.append)
    finally:
        folder.close(delete=False)
    assert sum(told) == 2 + 3
    np.testing.assert_array_equal(read_frames(recording), FRAMES.reshape(-1, 6, 8))
    assert [path.name for path in rescued.iterdir()] == [recording.parent.name]


def test_an_export_leaves_damaged_shards_out_and_names_what_is_missing(command: Command, leave: Any) -> None:
    folder = leave("growth", spooled=(0, 1, 2))
    shard = folder.path / "shards" / "1.shard"
    shard.write_bytes(shard.read_bytes()[:-3])
    (recording,) = json.loads(command("recover", "--export", "rescued", "--json").stdout)["exported"]
    group: Any = zarr.open_group(command.folder / recording, mode="r")
    assert group["chunk_index"][:].tolist() == [0, 2]
    np.testing.assert_array_equal(group["frames"][:], FRAMES[[0, 2]].reshape(-1, 6, 8))
    assert str(group.attrs["missing_chunks"]) in ("[1]", "[[1, 1]]", "['1']")
    assert (folder.path / "quarantine" / "1.shard").exists()
    assert "damaged    1 chunks" in command("spool").stdout


def test_an_export_without_a_place_or_to_one_that_cannot_be_written_is_one_clear_error(
    command: Command, leave: Any
) -> None:
    assert "--export" in command.error("recover", "--export")
    leave("growth", spooled=(0,))
    command.write("file", "")
    done = command("recover", "--export", "file")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: cannot write to file (--export)")
    assert "Traceback" not in done.stderr


def orphan(leave: Callable[..., StreamFolder], data_id: str, in_ring: tuple[int, ...]) -> Path:
    """A ring in shared memory whose spool folder was thrown away long ago."""
    folder = leave(data_id, in_ring=in_ring or (0,))
    place = shared_memory_folder(folder.path)
    assert place is not None
    if not in_ring:
        for buffer in folder.ring.chunks_left():
            buffer.clear()
    os.utime(place / OWNER, (0, 0))
    shutil.rmtree(folder.path)
    return place


def test_rings_that_nobody_needs_are_listed_and_their_memory_is_freed_when_asked(
    command: Command,
    leave: Callable[..., StreamFolder],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if shared_memory_root() is None:
        pytest.skip("no shared memory that is this user's alone")
    where = ["--spool-dir", str(command.folder / "spool")]

    def spool(*arguments: str) -> str:
        assert main([*arguments, *where]) == 0
        return capsys.readouterr().out

    waits = leave("waits", spooled=(0,), in_ring=(1,))
    empty, full = orphan(leave, "empty", ()), orphan(leave, "full", (2,))
    assert str(empty) in spool()
    rings = json.loads(spool("--json"))["orphaned_rings"]
    assert {ring["folder"]: ring["holds_frames"] for ring in rings} == {str(empty): False, str(full): True}

    said = spool("--clear")
    assert "freed" in said
    assert not empty.exists()
    assert full.exists()
    assert "--delete-undelivered-frames deletes it" in said
    # What waits in a ring is there still: of four buffers, the one that holds a chunk.
    (place,) = [folder for folder in ring_folders(waits.path) if folder.exists()]
    assert len(list(place.glob("*.ring"))) == 1
    assert [buffer.chunk_index for buffer in waits.ring.chunks_left()] == [1]

    spool("--clear", "--delete-undelivered-frames")
    assert not full.exists()
    assert [buffer.chunk_index for buffer in waits.ring.chunks_left()] == [1]
    assert "no ring holds memory" not in spool("--clear")


def test_frames_are_deleted_only_together_with_clear(command: Command) -> None:
    ended = command("spool", "--delete-undelivered-frames")
    assert ended.returncode == 2
    assert "goes with --clear" in ended.stderr
