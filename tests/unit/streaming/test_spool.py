"""The spool's queue, its limits, its locks, and a process that is killed at every file operation of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import StreamerError
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.spool import QueueCounts, Spool, SpoolFullError
from rheed_acquire.streaming.stream_places import default_spool_folder
from rheed_acquire.system.long_paths import with_room_below

if TYPE_CHECKING:
    from rheed_acquire.streaming.sidecar import SpooledShard

    OpenSpool = Callable[..., Spool]

KILLED_AT_AN_OPERATION = """
import os, signal, sys
from pathlib import Path
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool import QueueCounts, Spool
from rheed_acquire.streaming.stream_record import StreamRecord

root, countdown, task = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
armed = False


def hook(event, arguments):
    global countdown
    if armed and event in ("open", "os.rename", "os.remove", "os.mkdir") and str(root) in str(arguments[0]):
        countdown -= 1
        if countdown < 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def shard_of(number, content):
    return SpooledShard("growth", number, len(content), 1, {"dims": "1,2,3"})


sys.addaudithook(hook)
spool = Spool(root, SpoolLimits(keep_free_bytes=0))
record = StreamRecord("growth", "http://server", "Growth", 10.0, 0.0, 20, 1.0)
if task == "create":
    armed = True
    spool.open_stream(record)
else:
    spool.open_stream(record)
    spool.add(shard_of(0, b"kept"), [b"kept"])
    if task == "add":
        armed = True
        spool.add(shard_of(1, b"new" * 100), [b"new" * 100])
    elif task == "confirm":
        spool.add(shard_of(1, b"new" * 100), [b"new" * 100])
        kept, new = spool.take(), spool.take()
        armed = True
        spool.confirm(new)
    elif task == "update":
        armed = True
        spool._folders["growth"].update(last_error="no answer")
armed = False
print("to the end")
"""


@pytest.mark.parametrize("task", ["create", "add", "confirm", "update"])
def test_a_process_killed_at_any_file_operation_leaves_a_spool_that_can_be_taken_up(
    tmp_path: Path, task: str
) -> None:
    for operation in range(40):
        root = tmp_path / f"{operation}"
        arguments = [sys.executable, "-c", KILLED_AT_AN_OPERATION, str(root), str(operation), task]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
        reached_the_end = "to the end" in done.stdout
        assert reached_the_end or done.returncode != 1, done.stderr
        spool = Spool(root, SpoolLimits(keep_free_bytes=0))
        folders = list(spool.leftovers())
        found = {}
        for folder in folders:
            for shard in folder.shards():
                with folder.open(shard) as content:
                    found[shard.chunk_idx] = content.read()
        spool.close()
        if task == "create":
            assert len(folders) == 1 or not reached_the_end
        else:
            assert found.pop(0) == b"kept"
            assert found in ({}, {1: b"new" * 100})
            if reached_the_end:
                assert len(found) == (task == "add")
        if reached_the_end:
            assert operation > 1, "nothing was ever interrupted"
            return
    pytest.fail("the process never came to its end")


def take_all(spool: Spool, count: int) -> list[tuple[str, int]]:
    taken = [spool.take() for _ in range(count)]
    return [(shard.data_id, shard.chunk_idx) for shard in taken if shard is not None]


def test_streams_and_their_shards_are_offered_oldest_first_whatever_was_touched_last(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool()
    for created, data_id in ((3.0, "a"), (1.0, "b"), (2.0, "c")):
        spool.open_stream(make_record(data_id, created))
        for chunk_idx in (10, 2):
            spool.add(make_shard(b"x", chunk_idx, data_id), [b"x"])
    for folder in list(spool._folders.values())[::-1]:
        folder.update(last_error="no answer")
    spool.close()
    later = open_spool()
    order = [(folder.record.data_id, [s.chunk_idx for s in folder.shards()]) for folder in later.leftovers()]
    assert order == [("b", [2, 10]), ("c", [2, 10]), ("a", [2, 10])]


def test_a_shard_that_has_arrived_meanwhile_is_not_queued_again(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool()
    spool.open_stream(make_record())
    spool.add(make_shard(b"x", 0), [b"x"])
    shard = spool.take()
    assert shard is not None
    shard.confirmed = True
    spool.confirm(shard)
    spool.enqueue(shard)
    assert (spool.shards_waiting, spool.counts("growth-1").nbytes) == (0, 0)


def test_a_shard_given_back_keeps_its_place(open_spool: OpenSpool, make_record: Any, make_shard: Any) -> None:
    spool = open_spool()
    spool.open_stream(make_record())
    for chunk_idx in range(3):
        spool.add(make_shard(b"x", chunk_idx), [b"x"])
    first = spool.take()
    assert first is not None
    spool.retry(first, 0.0)
    assert take_all(spool, 3) == [("growth-1", 0), ("growth-1", 1), ("growth-1", 2)]


def test_a_shard_that_has_to_wait_is_passed_over_and_comes_when_it_is_due(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool()
    spool.open_stream(make_record())
    for chunk_idx in range(2):
        spool.add(make_shard(b"x", chunk_idx), [b"x"])
    first = spool.take()
    assert first is not None
    spool.retry(first, 0.2)
    assert take_all(spool, 2) == [("growth-1", 1), ("growth-1", 0)]


def test_whoever_waits_for_a_shard_is_woken_by_one_and_by_the_end(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool()
    spool.open_stream(make_record())
    got: list[SpooledShard | None] = []
    thread = threading.Thread(target=lambda: got.extend([spool.take(), spool.take()]))
    thread.start()
    spool.add(make_shard(b"x"), [b"x"])
    while not got and spool.counts("growth-1").uploading == 0:
        thread.join(0.01)
    spool.close()
    thread.join(10)
    assert [shard and shard.chunk_idx for shard in got] == [0, None]


def test_two_spools_of_one_process_never_hold_the_same_stream(
    open_spool: OpenSpool, make_record: Any
) -> None:
    first, second, third = open_spool(), open_spool(), open_spool()
    first.open_stream(make_record())
    assert list(second.leftovers()) == []
    first.close()
    assert [folder.record.data_id for folder in second.leftovers()] == ["growth-1"]
    assert list(third.leftovers()) == []
    assert list(second.leftovers()) == []


def test_a_stream_of_a_living_process_is_no_leftover_and_one_of_a_killed_process_is(
    root: Path, open_spool: OpenSpool
) -> None:
    program = (
        "import sys, pathlib\n"
        "from rheed_acquire.streaming.limits import SpoolLimits\n"
        "from rheed_acquire.streaming.spool import QueueCounts, Spool\n"
        "from rheed_acquire.streaming.stream_record import StreamRecord\n"
        "spool = Spool(pathlib.Path(sys.argv[1]), SpoolLimits(keep_free_bytes=0))\n"
        "spool.open_stream(StreamRecord('growth', 'http://server', 'Growth', 10.0, 0.0, 20, 1.0))\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"open"
        spool = open_spool()
        assert list(spool.leftovers()) == []
    finally:
        child.kill()
        child.communicate()
    assert [folder.record.data_id for folder in spool.leftovers()] == ["growth"]


def test_only_streams_of_the_server_asked_for_are_taken_up(open_spool: OpenSpool, make_record: Any) -> None:
    spool = open_spool()
    spool.open_stream(make_record("here"))
    spool.open_stream(make_record("elsewhere", server="local:/data/runs"))
    spool.close()
    later = open_spool()
    assert [folder.record.data_id for folder in later.leftovers("https://api.example")] == ["here"]
    assert [folder.record.data_id for folder in open_spool().leftovers()] == ["elsewhere"]


def test_bytes_count_against_the_limit_until_their_shard_is_confirmed(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool(max_bytes=250)
    spool.open_stream(make_record())
    for chunk_idx in range(2):
        spool.add(make_shard(bytes(100), chunk_idx), [bytes(100)])
    with pytest.raises(SpoolFullError, match="allowed"):
        spool.add(make_shard(bytes(100), 2), [bytes(100)])
    assert spool.counts("growth-1") == QueueCounts(2, 0, 0, 200)
    shard = spool.take()
    assert shard is not None
    spool.confirm(shard)
    spool.add(make_shard(bytes(100), 2), [bytes(100)])
    assert spool.counts("growth-1") == QueueCounts(2, 0, 0, 200)


def test_bytes_of_streams_left_behind_count_once_before_and_after_they_are_taken_up(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool()
    spool.open_stream(make_record("old"))
    spool.add(make_shard(bytes(10_000), 0, "old"), [bytes(10_000)])
    spool.close()

    later = open_spool(max_bytes=15_000)
    later.open_stream(make_record("new"))
    for when in ("left behind", "taken up", "let go again"):
        if when == "taken up":
            (folder,) = later.leftovers()
            for shard in folder.shards():
                later.enqueue(shard)
        if when == "let go again":
            later.close_stream("old", delete=False)
        with pytest.raises(SpoolFullError):
            later.add(make_shard(bytes(6_000), 0, "new"), [bytes(6_000)])
    (folder,) = later.leftovers()
    later.close_stream("old", delete=True)
    later.add(make_shard(bytes(6_000), 0, "new"), [bytes(6_000)])


def test_space_that_must_stay_free_stays_free(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool(keep_free_bytes=1 << 62)
    spool.open_stream(make_record())
    with pytest.raises(SpoolFullError, match="are to stay so"):
        spool.add(make_shard(b"x"), [b"x"])
    assert spool.counts("growth-1") == QueueCounts(0, 0, 0, 0)


def test_a_spool_that_cannot_be_written_says_so_and_what_to_do(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(StreamerError, match="--spool-dir"):
        Spool(blocked / "spool", SpoolLimits())


def test_a_deleted_stream_leaves_nothing(
    root: Path, open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool()
    spool.open_stream(make_record())
    spool.add(make_shard(b"x"), [b"x"])
    spool.close_stream("growth-1", delete=True)
    assert list(root.iterdir()) == []
    assert spool.counts("growth-1") == QueueCounts(0, 0, 0, 0)


def test_a_spool_that_was_closed_takes_up_no_leftover(open_spool: OpenSpool, make_record: Any) -> None:
    first = open_spool()
    first.open_stream(make_record())
    first.close()
    late = open_spool()
    leftovers = late.leftovers()
    late.close()
    assert list(leftovers) == []
    assert [folder.record.data_id for folder in open_spool().leftovers()] == ["growth-1"]


def test_the_spool_lies_beside_the_public_clients_which_deletes_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RHEED_SPOOL_DIR", raising=False)
    monkeypatch.setenv("ATOMSCALE_SPOOL_DIR", str(tmp_path / "spool"))
    assert default_spool_folder() == with_room_below(tmp_path / "spool-rheed-acquire")
    monkeypatch.setenv("RHEED_SPOOL_DIR", str(tmp_path / "mine"))
    assert default_spool_folder() == with_room_below(tmp_path / "mine")


def test_shards_that_come_at_once_do_not_pass_the_limit_together(
    open_spool: OpenSpool, make_record: Any, make_shard: Any
) -> None:
    spool = open_spool(max_bytes=250)
    spool.open_stream(make_record())
    at_once = threading.Barrier(8)
    kept: list[int] = []

    def slowly(content: bytes) -> Iterator[bytes]:
        time.sleep(0.05)
        yield content

    def keep(chunk_idx: int) -> None:
        at_once.wait()
        with contextlib.suppress(SpoolFullError):
            spool.keep(make_shard(bytes(100), chunk_idx), slowly(bytes(100)))
            kept.append(chunk_idx)

    threads = [threading.Thread(target=keep, args=(chunk_idx,)) for chunk_idx in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 2
