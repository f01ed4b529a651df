"""Any interleaving of adding, uploading, crashing, damage and restart keeps the spool's promises.

A crash is a copy of the folder, taken at a chosen file operation of whatever was under way: the state in
which SIGKILL would have left it there. A write may be cut short as well. The objects of the "process" are
thrown away, and the next one begins on the copy.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.outgoing import DamagedShardError
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.streaming.stream_record import StreamRecord

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
STREAMS = ("first", "second stream/ü", "third")
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where syncing costs nothing: what counts here is what the calls do, not what a disk makes of them."""
NO_LIMITS = SpoolLimits(keep_free_bytes=0)
Key = tuple[str, int]


class CrashPoint:
    """Copies a folder at the n-th file operation after it was armed; an audit hook can never be removed."""

    def __init__(self) -> None:
        self._countdown = 0
        self._watched = self._copy = Path()
        self._cut = False
        self._last_written: Path | None = None
        sys.addaudithook(self._hook)

    def run(self, action: Callable[[], object], at: int, folder: Path, copy: Path, *, cut: bool) -> bool:
        """Run ``action`` to its end; False where ``copy`` shows how it stood before its operation ``at``."""
        self._countdown, self._watched, self._copy, self._cut = at, folder, copy, cut
        self._last_written = None
        try:
            action()
        finally:
            completed = self._countdown > 0
            self._countdown = 0
        if completed:
            copy_tree(folder, copy)
        return completed

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._countdown <= 0 or event not in CHANGES:
            return
        if not isinstance(arguments[0], str | os.PathLike) or str(self._watched) not in str(arguments[0]):
            return
        if event == "open" and "w" not in (arguments[1] or ""):
            return
        self._countdown -= 1
        if self._countdown == 0:
            copy_tree(self._watched, self._copy)
            self._cut_short()
        elif event == "open":
            self._last_written = Path(str(arguments[0]))

    def _cut_short(self) -> None:
        if not self._cut or self._last_written is None:
            return
        victim = self._copy / self._last_written.relative_to(self._watched)
        # Only what has no lasting name yet can be half written.
        if victim.exists() and victim.parent.name == "tmp":
            victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])


def copy_tree(folder: Path, copy: Path) -> None:
    # The lock dies with its process.
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("lock"))


crash_point = CrashPoint()


def record_of(data_id: str, created: float) -> StreamRecord:
    return StreamRecord(data_id, "http://server", f"Growth {data_id}", 10.0, 0.0, 20, created)


def shard_of(data_id: str, chunk_idx: int, content: bytes) -> SpooledShard:
    body = {"data_id": data_id, "dims": "1,2,3", "start_unix_ms_utc": "1700000000000"}
    stamps = {"frame_ids": [chunk_idx], "timestamps_ns": [-1], "host_ns": [chunk_idx * 7]}
    return SpooledShard(data_id, chunk_idx, len(content), 1, body, stamps)


class SpoolMachine(RuleBasedStateMachine):
    """Compares a spool with a model that remembers every byte."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-machine-", dir=FAST))
        self.generation = 0
        self.root = self.folder / "0"
        self.spool = Spool(self.root, NO_LIMITS)
        self.streams: dict[str, int] = {}  # the next chunk's index
        self.content: dict[Key, bytes] = {}  # of every shard ever added
        self.queue: dict[Key, bool] = {}  # in order of arrival: whether it may be claimed
        self.claimed: list[SpooledShard] = []
        self.kept: set[Key] = set()  # on disk and in no queue
        self.confirmed: set[Key] = set()
        self.unsure: set[Key] = set()  # the crash came while it was added or confirmed
        self.damaged: dict[Key, list[tuple[str, bytes]]] = {}  # what lay on disk after the damage
        self.sidecar_damaged: set[Key] = set()

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.open_stream()

    @rule()
    def open_stream(self) -> None:
        if len(self.streams) < len(STREAMS):
            data_id = STREAMS[len(self.streams)]
            self.spool.open_stream(record_of(data_id, float(len(self.streams))))
            self.streams[data_id] = 0

    @rule(content=st.binary(max_size=40), which=st.integers(0, 2))
    def add(self, content: bytes, which: int) -> None:
        shard = self._next_shard(content, which)
        self.spool.add(shard, [content])
        self.queue[shard.data_id, shard.chunk_idx] = True

    @precondition(lambda self: any(self.queue.values()))
    @rule()
    def claim(self) -> None:
        oldest = next(key for key, may in self.queue.items() if may)
        shard = self.spool.take()
        assert shard is not None
        assert (shard.data_id, shard.chunk_idx) == oldest, "not the oldest"
        self.queue[oldest] = False
        self.claimed.append(shard)

    @precondition(lambda self: self.claimed)
    @rule(
        which=st.integers(0, 10),
        outcome=st.sampled_from(["confirm", "confirm", "again", "again", "later", "give up"]),
    )
    def upload(self, which: int, outcome: str) -> None:
        shard = self.claimed.pop(which % len(self.claimed))
        key = (shard.data_id, shard.chunk_idx)
        if not self._read(shard):
            self.spool.give_up(shard)
            del self.queue[key]
            self.kept.add(key)
        elif outcome == "confirm":
            self.spool.confirm(shard)
            del self.queue[key]
            self.confirmed.add(key)
        elif outcome == "give up":
            self.spool.give_up(shard)
            del self.queue[key]
            self.kept.add(key)
        else:
            self.spool.retry(shard, 0.0 if outcome == "again" else 1000.0)
            # A shard that is due much later is not to be claimed before the next start.
            self.queue[key] = outcome == "again"
            if outcome == "later":
                self.queue.pop(key)
                self.kept.add(key)

    @rule(
        which=st.integers(0, 10),
        part=st.sampled_from(["shard", "json"]),
        how=st.sampled_from(["flip", "flip", "truncate", "delete"]),
        where=st.integers(0, 10_000),
    )
    def damage(self, which: int, part: str, how: str, where: int) -> None:
        present = [key for key in (*self.queue, *sorted(self.kept)) if key not in self.damaged]
        if not present:
            return
        key = present[which % len(present)]
        path = self._on_disk(key, part)
        before = path.read_bytes()
        if how == "delete":
            path.unlink()
        elif not before:
            return
        else:
            after = bytearray(before)
            if how == "flip":
                after[where % len(after)] ^= 1 << where % 8
            else:
                del after[where % len(after) :]
            path.write_bytes(after)
        self.damaged[key] = [
            (name, self._on_disk(key, name).read_bytes())
            for name in ("shard", "json")
            if self._on_disk(key, name).exists()
        ]
        if part == "json":
            self.sidecar_damaged.add(key)

    @rule(cleanly=st.booleans())
    def restart(self, cleanly: bool) -> None:
        copy = self._next_root()
        if cleanly:
            self.spool.close()
            self.root.rename(copy)
        else:
            copy_tree(self.root, copy)
            self.spool.close()
        self._start(copy)

    @rule(content=st.binary(max_size=40), which=st.integers(0, 2), at=st.integers(1, 7), cut=st.booleans())
    def crash_while_adding(self, content: bytes, which: int, at: int, cut: bool) -> None:
        shard = self._next_shard(content, which)
        copy = self._next_root()
        if crash_point.run(lambda: self.spool.add(shard, [content]), at, self.root, copy, cut=cut):
            self.queue[shard.data_id, shard.chunk_idx] = True
        else:
            self.unsure.add((shard.data_id, shard.chunk_idx))
        self.spool.close()
        self._start(copy)

    @precondition(lambda self: self.queue)
    @rule(at=st.integers(1, 5))
    def crash_while_confirming(self, at: int) -> None:
        if not self.claimed:
            self.claim()
        shard = self.claimed.pop()
        key = (shard.data_id, shard.chunk_idx)
        if key in self.damaged:
            self.claimed.append(shard)
            return
        copy = self._next_root()
        del self.queue[key]
        if crash_point.run(lambda: self.spool.confirm(shard), at, self.root, copy, cut=False):
            self.confirmed.add(key)
        else:
            self.unsure.add(key)
        self.spool.close()
        self._start(copy)

    @rule(at=st.integers(1, 12))
    def crash_while_starting(self, at: int) -> None:
        copy, second = self._next_root(), self._next_root()
        copy_tree(self.root, copy)
        self.spool.close()

        def start() -> None:
            spool = Spool(copy, NO_LIMITS)
            for folder in spool.leftovers():
                folder.shards()
            spool.close()

        crash_point.run(start, at, copy, second, cut=False)
        self._start(second)

    @rule()
    def look_from_a_second_spool(self) -> None:
        other = Spool(self.root, NO_LIMITS)
        assert list(other.leftovers()) == []
        other.close()

    @invariant()
    def counts_are_right(self) -> None:
        for data_id in self.streams:
            counts = self.spool.counts(data_id)
            mine = {key: may for key, may in self.queue.items() if key[0] == data_id}
            later = {key for key in self.kept if key[0] == data_id and key in self._delayed()}
            assert counts.on_disk == sum(mine.values()) + len(later)
            assert counts.in_memory == 0
            assert counts.uploading == len(mine) - sum(mine.values())
            assert counts.nbytes == sum(len(self.content[key]) for key in {*mine, *later})

    @invariant()
    def nothing_damaged_is_deleted(self) -> None:
        lying_about = [
            path.read_bytes() for path in self.root.rglob("*") if path.suffix in (".shard", ".json")
        ]
        for key, parts in self.damaged.items():
            if key not in self.confirmed:
                for name, content in parts:
                    assert content in lying_about, f"the damaged {name} of {key} is gone"

    def _delayed(self) -> set[Key]:
        return set(self.spool._queue) - set(self.queue)

    def _next_shard(self, content: bytes, which: int) -> SpooledShard:
        data_id = list(self.streams)[which % len(self.streams)]
        shard = shard_of(data_id, self.streams[data_id], content)
        self.streams[data_id] += 1
        self.content[data_id, shard.chunk_idx] = content
        return shard

    def _next_root(self) -> Path:
        self.generation += 1
        return self.folder / str(self.generation)

    def _on_disk(self, key: Key, suffix: str) -> Path:
        folder = self.spool._folders[key[0]].path
        path = folder / "shards" / f"{key[1]}.{suffix}"
        quarantined = folder / "quarantine" / path.name
        return quarantined if quarantined.exists() else path

    def _read(self, shard: SpooledShard) -> bool:
        """Read a shard as an upload does; True where it is whole."""
        key = (shard.data_id, shard.chunk_idx)
        try:
            with self.spool.open(shard) as opened:
                content = b"".join(opened)
        except DamagedShardError:
            assert key in self.damaged, f"{key} was never damaged"
            self.spool.quarantine(shard)
            return False
        assert content == self.content[key], f"{key} is handed over altered"
        return True

    def _start(self, root: Path) -> None:
        """Begin anew as the next process does, and compare what is offered with what was kept."""
        self.root = root
        self.claimed.clear()
        self.spool = Spool(root, NO_LIMITS)
        offered: list[SpooledShard] = []
        folders = list(self.spool.leftovers())
        assert [folder.record.data_id for folder in folders] == list(self.streams), "streams are not as made"
        for folder in folders:
            shards = folder.shards()
            assert [shard.chunk_idx for shard in shards] == sorted(shard.chunk_idx for shard in shards)
            offered += shards
        keys = [(shard.data_id, shard.chunk_idx) for shard in offered]
        assert len(set(keys)) == len(keys), "offered twice"
        assert not self.confirmed & set(keys), "what was confirmed is offered again"
        assert not self.sidecar_damaged & set(keys), "a damaged sidecar is taken for good"
        expected = (set(self.queue) | self.kept) - set(self.damaged)
        assert expected <= set(keys), "what was kept is not offered"
        assert set(keys) - expected <= self.unsure | set(self.damaged)
        self.unsure -= set(keys)
        self.kept = {*self.kept, *self.queue} - set(keys)
        self.queue = dict.fromkeys(keys, True)
        for shard in offered:
            body = shard_of(shard.data_id, shard.chunk_idx, self.content[shard.data_id, shard.chunk_idx])
            assert (shard.body, shard.stamps, shard.frames) == (body.body, body.stamps, body.frames)
            self.spool.enqueue(shard)
            if (shard.data_id, shard.chunk_idx) not in self.damaged:
                assert self._read(shard)
        assert [*root.rglob("*.done"), *root.rglob("tmp/*")] == [], "not tidied up"


TestSpoolMachine = pytest.mark.timeout(300)(SpoolMachine.TestCase)
TestSpoolMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
