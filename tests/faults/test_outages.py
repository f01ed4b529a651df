"""Disks that fill up, servers that go away, clocks that step: nothing that the camera gave is lost."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from tests.ctrl_c import press_ctrl_c
from tests.faults.disks import ReadOnlyFolders, small_disk
from tests.faults.rig import Rig, expect_frames, stamps_of

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer

FAST = ("--faulty.speed", "8", "--ring-chunks", "40", "--spool-keep-free", "0")
CHUNK = 120
"""Frames in a chunk: two seconds of the rig's 60 a second."""
DELIVERED, FRAMES_LOST = 0, 3


def refuse_uploads(server: FaultyServer, after: int = 0) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    server.add(Rule("upload", Kind.STATUS, 503, after=after))


def recover_and_expect(rig: Rig, server: FaultyServer, report: dict[str, Any]) -> None:
    """Let the server recover, then the rig; all that the run had taken must be in the store."""
    assert report["frames_overrun"] == 0
    server.heal()
    recovered = rig.recover()
    assert recovered.code == DELIVERED, recovered.out + recovered.err
    taken = report["frames_pushed"]
    rig.expect_delivered(taken, taken)
    assert not rig.waiting()


def test_a_full_disk_ends_the_run_and_loses_nothing(tmp_path: Path, faulty_server: FaultyServer) -> None:
    # Elsewhere than on Linux the ring, too, lies on the disk of the spool.
    with small_disk(tmp_path / "disk", "1m" if sys.platform == "linux" else "12m") as disk:
        rig = Rig(tmp_path / "rig", "full disk", faulty_server, spool=disk / "spool")
        refuse_uploads(faulty_server)
        ended = rig.run(*FAST, "--drain-timeout", "2", "--duration", "60")
        assert ended.code == FRAMES_LOST, ended.err
        assert any(problem["code"] == "ended-early" for problem in ended.report["problems"])
        recover_and_expect(rig, faulty_server, ended.report)


def test_a_spool_at_its_limit_ends_the_run_and_loses_nothing(rig: Rig, faulty_server: FaultyServer) -> None:
    refuse_uploads(faulty_server)
    ended = rig.run(*FAST, "--spool-limit", "0.0005", "--drain-timeout", "2", "--duration", "60")
    assert ended.code == FRAMES_LOST, ended.err
    assert any(problem["code"] == "ended-early" for problem in ended.report["problems"])
    recover_and_expect(rig, faulty_server, ended.report)


def test_a_spool_that_turns_read_only_ends_the_run_where_it_is_needed_and_loses_nothing(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    # Later than a chunk may stay in memory alone.
    faulty_server.add(Rule("upload", Kind.DELAY, 2.0))
    process = rig.start(*FAST, "--drain-timeout", "100", "--duration", "60", "--json")
    assert rig.wait_until(lambda: rig.frames_taken > 2 * CHUNK, process)
    with ReadOnlyFolders([*rig.spooled("shards"), *rig.spooled("tmp")]):
        report = rig.finish(process).report
    assert any(problem["code"] == "ended-early" for problem in report["problems"])
    assert report["frames_overrun"] == 0
    rig.expect_delivered(report["frames_pushed"], report["frames_pushed"])


def test_a_spool_that_nobody_needs_may_be_read_only(rig: Rig, faulty_server: FaultyServer) -> None:
    process = rig.start(*FAST, "--spool-full", "drop", "--frames", "1500", "--json")
    assert rig.wait_until(lambda: rig.frames_taken > 2 * CHUNK, process)
    with ReadOnlyFolders([*rig.spooled("shards"), *rig.spooled("tmp")]):
        ended = rig.finish(process)
    assert ended.code == DELIVERED, ended.err
    rig.expect_delivered(1500, 1500)


def test_a_stream_whose_end_the_killed_process_never_learnt_of_is_let_go(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("end", Kind.STATUS_LATE, 503, times=1))
    process = rig.start(*FAST, "--frames", "300")
    faults = faulty_server.plan.faults
    assert rig.wait_until(lambda: faults, process)
    process.kill()
    process.wait()
    # Not every server takes the end of a stream twice.
    faulty_server.add(Rule("end", Kind.STATUS, 409))
    assert rig.recover().code == DELIVERED
    assert not rig.waiting()
    rig.expect_delivered(300, 300)


def test_a_server_that_is_down_for_the_whole_run_gets_everything_afterwards(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    process = rig.start(*FAST, "--frames", "1000", "--drain-timeout", "1", "--json")
    assert rig.wait_until(lambda: rig.frames_taken, process)
    faulty_server.go_down()
    ended = rig.finish(process)
    assert ended.code == FRAMES_LOST, ended.err
    assert ended.report["frames_pushed"] == 1000
    assert rig.recover("--drain-timeout", "1").code == FRAMES_LOST  # it is still away
    recover_and_expect(rig, faulty_server, ended.report)


def test_a_server_that_comes_back_in_the_middle_gets_everything_in_the_same_run(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    process = rig.start(*FAST, "--frames", "1500", "--json")
    assert rig.wait_until(lambda: rig.frames_taken > CHUNK, process)
    with faulty_server.down():
        assert rig.wait_until(lambda: rig.frames_taken > 4 * CHUNK, process)
    ended = rig.finish(process)
    assert ended.code == DELIVERED, ended.err + ended.out
    rig.expect_delivered(1500, 1500)


@pytest.mark.parametrize("seed", [1, 2])
def test_one_request_in_ten_failing_at_random_costs_nothing(tmp_path: Path, seed: int) -> None:
    from hardware_mocks.faulty_server import FaultyServer

    # A stream is made once: its request is not repeated, and a run that cannot begin takes no frame.
    with FaultyServer(tmp_path / "runs", seed=seed, failure_rate=0.1, spared=("create",)) as server:
        rig = Rig(tmp_path / "rig", "showers", server)
        ended = rig.run(*FAST, "--frames", "3000")
        assert ended.code == DELIVERED, ended.err + ended.out
        assert len(server.plan.faults) >= 3
        rig.expect_delivered(3000, 3000)
        assert not rig.waiting()


@pytest.mark.parametrize("sync", ["always", "background"])
def test_a_run_that_is_given_up_leaves_every_frame_for_recovery(
    rig: Rig, faulty_server: FaultyServer, sync: str
) -> None:
    refuse_uploads(faulty_server)
    # The disk takes nothing either: what was captured lies in the ring alone.
    spool = ("--sync", sync, "--spool-limit", "0.00001", "--spool-full", "drop")
    process = rig.start(*FAST, *spool, "--json")
    assert rig.wait_until(lambda: rig.frames_taken > 4 * CHUNK, process)
    for _ in range(2):
        press_ctrl_c(process)
        time.sleep(1.0)
    # By the run's own count: a frame that comes between the first Ctrl-C and the camera's stop comes after
    # the end.
    received = rig.finish(process).report["frames_received"]
    assert 4 * CHUNK < received <= rig.frames_taken
    faulty_server.heal()
    assert rig.recover().code == DELIVERED
    rig.expect_delivered(received, received)
    assert not rig.waiting()


def test_a_reference_clock_that_steps_by_an_hour_in_the_middle_costs_nothing(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    # The first exchange tells the true time, every later one is an hour ahead: in this process and the next.
    faulty_server.add(Rule("time", Kind.SKEW, 3600.0, after=1))
    refuse_uploads(faulty_server, after=3)
    ended = rig.run(*FAST, "--frames", "1000", "--drain-timeout", "1")
    assert ended.code == FRAMES_LOST, ended.err + ended.out
    assert ended.report["frames_pushed"] == 1000
    faulty_server.plan.heal()
    faulty_server.add(Rule("time", Kind.SKEW, 3600.0))
    assert rig.recover().code == DELIVERED
    assert any(rule.kind is Kind.SKEW for _, rule in faulty_server.plan.faults)
    rig.expect_delivered(1000, 1000)


def test_a_shard_that_changed_on_disk_is_set_aside_and_never_uploaded(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    refuse_uploads(faulty_server)
    assert rig.run(*FAST, "--frames", "600", "--drain-timeout", "1").code == FRAMES_LOST
    (shards,) = rig.spooled("shards")
    truncated, altered = shards / "1.shard", shards / "3.shard"
    truncated.write_bytes(truncated.read_bytes()[:-100])
    content = bytearray(altered.read_bytes())
    content[len(content) // 2] ^= 1
    altered.write_bytes(content)
    damaged = {path.name: path.read_bytes() for path in (truncated, altered)}

    faulty_server.heal()
    recovered = rig.recover()
    assert recovered.code == FRAMES_LOST
    (report,) = recovered.report["streams"]
    assert [index for index, _ in report["lost"]] == [1, 3]
    assert report["chunks_uploaded"] == 3
    assert rig.recover().code == FRAMES_LOST, "a damaged shard is reported as long as it is there"
    kept = {path.name: path.read_bytes() for path in rig.spooled("quarantine/*.shard")}
    assert kept == damaged
    assert _stored_chunks(rig) == {0, 2, 4}


def test_what_a_closed_stream_takes_no_more_is_kept_and_can_be_exported(
    rig: Rig, faulty_server: FaultyServer, tmp_path: Path
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("presign", Kind.CLOSE_STREAM, after=2, times=1))
    ended = rig.run(*FAST, "--frames", "700")
    assert ended.code == FRAMES_LOST, ended.err
    (waiting,) = rig.waiting()
    assert json.loads(waiting.read_bytes())["refused"]

    recovered = rig.recover("--export", str(tmp_path / "exported"))
    (recording,) = recovered.report["exported"]
    assert rig.waiting(), "what was exported stays in the spool too"
    group: Any = zarr.open_group(recording, mode="r")
    exported = group["frames"][:]
    (stored,) = rig.stored()
    # The server closed while uploads were on their way: which it still took, if any, is its own affair.
    kept = exported[:0] if stored.frames is None else stored.frames[:]
    numbers = np.concatenate([stamps_of(kept), stamps_of(exported)])
    assert sorted(numbers.tolist()) == list(range(700))
    for frames in (kept, exported):
        stamps = stamps_of(frames)
        for first in range(0, len(frames), CHUNK):
            expect_frames(frames[first : first + CHUNK], rig.height, rig.width, int(stamps[first]))


def _stored_chunks(rig: Rig) -> set[int]:
    """Indices of the chunks that the store has confirmed."""
    (log,) = rig.runs.glob("*/chunks.jsonl")
    return {json.loads(line)["index"] for line in log.read_text().splitlines()}
